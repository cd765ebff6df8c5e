"""Every public name of hepreco and of the packaged plugins is listed, documented and tested.

``python tests/test_api.py`` writes the list anew: what changes there belongs in the changelog.
"""

import ast
import inspect
import pkgutil
import re
from importlib import import_module
from pathlib import Path

import pytest

import hepreco
from hepreco.plugin import discover

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "tests" / "data" / "api.txt"
#: The command line has pages of its own; the others are for hepreco itself.
APART = {"hepreco._version", "hepreco.cli", "hepreco.lazy", "hepreco.names"}
#: Tested by what they are made of, and under other names.
UNTESTED = {
    *("hepreco.__version__", "hepreco.generation.DetectorEvents", "hepreco.generation.Preset"),
    *("hepreco.generation.Production", "hepreco.generation.Topology", "hepreco.formats.DetectorEvents"),
    *("hepreco.amplitudes.DecayTree", "hepreco.amplitudes.OrderLimit", "hepreco.amplitudes.Particle"),
    *("hepreco.kinematics.ComplexRoots", "hepreco_part_sm.Model", "hepreco.training.Loss", "hepreco.plugin.Report"),
}


def modules():
    """All public modules."""
    rooms = {f"hepreco.{each.name}" for each in pkgutil.iter_modules(hepreco.__path__)}
    plugins = {plugin.module for plugin in discover().plugins if plugin.distribution in DISTRIBUTIONS}
    return sorted({"hepreco"} | rooms - APART | plugins)


DISTRIBUTIONS = {f"hepreco-{folder.name}" for folder in (ROOT / "plugins").iterdir()}


def names(module):
    """The public names of a module: those that it lists, or those that it defines."""
    loaded = import_module(module)
    return sorted(loaded.__all__ if hasattr(loaded, "__all__") else defined(ast.parse(inspect.getsource(loaded))))


def defined(tree):
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                found = [name]
            case ast.Assign(targets=targets):
                found = [target.id for target in targets if isinstance(target, ast.Name)]
            case _:
                found = []
        yield from (name for name in found if not name.startswith("_"))


def api():
    return [f"{module}.{name}" for module in modules() for name in names(module)]


def test_the_api_is_what_is_listed():
    assert api() == KEPT.read_text().split()


def test_every_module_is_on_the_page_of_the_api():
    text = (ROOT / "docs/reference/python-api.md").read_text()
    assert {"hepreco", *re.findall(r"automodule:: (\S+)", text)} == set(modules())
    first = text.partition("All names on this page")[0]
    assert set(re.findall(r"`hepreco\.(\w+)`", first)) == set(names("hepreco")) - {"__version__"}


def test_every_name_is_documented():
    assert not [name for name in api() if not is_documented(*name.rpartition(".")[::2])]


def is_documented(module, name):
    value = getattr(import_module(module), name)
    if inspect.isroutine(value) or (inspect.isclass(value) and name == value.__name__):
        return inspect.getdoc(value)
    return name == "__version__" or described(name)


def described(constant):
    """Whether some module says above a constant what it is; constants of one remark stand together."""
    pattern = rf"^#: .*\n(?:[#A-Z].*\n)*{constant}\b"
    files = [*(ROOT / "src").rglob("*.py"), *(ROOT / "plugins").glob("*/src/**/*.py")]
    return any(re.search(pattern, path.read_text(), re.M) for path in files)


@pytest.fixture(scope="module")
def words_of_tests():
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "plugins").glob("*/tests/**/*.py")]
    return {word for path in files if path != Path(__file__) for word in re.findall(r"\w+", path.read_text())}


def test_every_name_is_tested(words_of_tests):
    assert {name for name in api() if name.rpartition(".")[2] not in words_of_tests} == UNTESTED


@pytest.mark.parametrize(
    ("module", "former", "name"),
    [
        ("hepreco.plugin", "Checkpoint", "TrainedNetwork"),
        ("hepreco.weights", "Manifest", "Card"),
        ("hepreco.weights", "read_manifest", "read_card"),
        ("hepreco_event_variables", "Classifier", "RatioEstimator"),
        ("hepreco_part_sm", "Classifier", "ClassifierNetwork"),
    ],
)
def test_former_names_still_work(module, former, name):
    loaded = import_module(module)
    with pytest.warns(DeprecationWarning, match=rf"{module}.{former} is called {name} since hepreco 0\.2"):
        assert getattr(loaded, former) is getattr(loaded, name)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = loaded.Nothing


if __name__ == "__main__":
    KEPT.write_text("\n".join(api()) + "\n")
