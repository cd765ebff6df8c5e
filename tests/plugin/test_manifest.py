"""Static manifests: read without importing, and never more trusted than the code."""

import json
import sys
from dataclasses import dataclass

import pytest

import hepreco.testing
from hepreco.errors import PluginError
from hepreco.plugin import ListedPlugin, discover, list_plugins
from hepreco.plugin.manifest import read_manifest
from hepreco.plugin.schemas import descriptions_of, schema_of
from hepreco.testing.answers import ConformanceError

CODE = """
from dataclasses import dataclass
from hepreco import Column, InputSpec, ObjectSpec, Reconstructor, hookimpl

HEPRECO_API_VERSION = 1

@dataclass(frozen=True)
class Plugin(Reconstructor):
    \"\"\"Counts jets.

    Parameters
    ----------
    pt_min
        Jets below it (GeV) do not count.
    \"\"\"

    pt_min: float = 30.0

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet"),))

    @property
    def outputs(self):
        return (Column("n"),)

    def reconstruct(self, batch):
        return {"n": batch.mask.sum(dim=1).double()}

@hookimpl
def hepreco_register_reconstructors(register):
    register("counter", Plugin)
"""
CARD = {
    "name": "counter",
    "kind": "reconstructor",
    "summary": "Counts jets.",
    "trains_on": None,
    "options": {
        "description": "Counts jets.",
        "properties": {
            "pt_min": {"default": 30.0, "type": "number", "description": "Jets below it (GeV) do not count."}
        },
        "type": "object",
        "additionalProperties": False,
    },
}


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Make a package that looks installed; returns its directory."""
    monkeypatch.syspath_prepend(tmp_path)
    discover.cache_clear()

    def make(code=CODE, manifest=None):
        package = tmp_path / "counting"
        package.mkdir()
        (package / "__init__.py").write_text(code)
        if manifest is not None:
            (package / "hepreco.json").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))
        info = tmp_path / "hepreco_counting-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hepreco-counting\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text("[hepreco]\ncounting = counting\n")
        return package

    yield make
    discover.cache_clear()
    sys.modules.pop("counting", None)


def of_counting():
    return [plugin for plugin in list_plugins() if plugin.distribution == "hepreco-counting"]


def test_a_manifest_lists_without_importing(install):
    install("raise SystemExit(0)", {"api_version": 1, "plugins": [CARD]})
    (listed,) = of_counting()
    assert (listed.name, listed.state, listed.summary, listed.version) == (
        "counter",
        "installed",
        "Counts jets.",
        "1.2",
    )
    assert "counting" not in sys.modules


def test_without_one_the_code_is_asked(install):
    install()
    found = ListedPlugin("counter", "reconstructor", "Counts jets.", "hepreco-counting", "1.2", "ready")
    assert of_counting() == [found]


@pytest.mark.parametrize(
    "exception", ["SystemExit(0)", "KeyboardInterrupt", "GeneratorExit", "ValueError('x' * 10**6)"]
)
def test_no_import_ends_the_process(install, exception):
    install(f"raise {exception}", {"api_version": 1, "plugins": [CARD]})
    (listed,) = [plugin for plugin in list_plugins(load=True) if plugin.distribution == "hepreco-counting"]
    assert listed.state == "broken"
    assert exception.partition("(")[0] in listed.reason
    assert len(listed.reason) < 3000
    for name in ("counting", "counter"):  # the manifest knows what the module would have registered
        with pytest.raises(PluginError, match=f"plugin '{name}' is broken") as refused:
            discover()[name]
        assert "hepreco-counting" in refused.value.remedy


def test_options_whose_check_exits_are_an_error_of_the_plugin(install):
    install(
        CODE.replace(
            "    @property\n    def inputs",
            "    def __post_init__(self):\n        raise SystemExit(0)\n\n    @property\n    def inputs",
            1,
        )
    )
    with pytest.raises(PluginError, match="plugin 'counter' fails while it is built with its options: SystemExit: 0"):
        discover()["counter"].build({})


def test_a_manifest_of_another_version_is_broken(install):
    install(manifest={"api_version": 7, "plugins": [CARD]})
    (listed,) = of_counting()
    assert listed.state == "broken"
    assert "written for plugin API 7" in listed.reason


@pytest.mark.parametrize(
    "manifest",
    ["", "{", "[]", "null", '{"api_version": 1}', json.dumps({"api_version": 1, "plugins": [{}]}), "[" * 100_000],
)
def test_a_damaged_manifest_is_passed_over_and_refused_by_name(install, manifest):
    package = install(manifest=manifest)
    assert [plugin.state for plugin in of_counting()] == ["ready"]
    with pytest.raises(PluginError, match="is not a manifest of plugins"):
        read_manifest(package / "hepreco.json")
    with pytest.raises(ConformanceError, match="is not a manifest"):
        hepreco.testing.assert_manifest("counting")


@pytest.mark.parametrize("version", [1, 2, [1, 3]])
def test_a_manifest_that_agrees_passes(install, version):
    install(CODE.replace("VERSION = 1", f"VERSION = {version}"), {"api_version": version, "plugins": [CARD]})
    hepreco.testing.assert_manifest("counting")
    assert [plugin.state for plugin in of_counting()] == ["installed"]


@pytest.mark.parametrize(("trainable", "kind"), [(True, "events"), (False, None)])
def test_a_manifest_of_version_1_is_understood(install, trainable, kind):
    former = {name: value for name, value in CARD.items() if name != "trains_on"} | {"trainable": trainable}
    package = install(manifest={"api_version": 1, "plugins": [former]})
    (entry,) = read_manifest(package / "hepreco.json").plugins
    assert entry.trains_on == kind


def test_a_manifest_of_another_version_than_the_code_fails(install):
    install(manifest={"api_version": 2, "plugins": [CARD]})
    with pytest.raises(ConformanceError, match="differ in api_version"):
        hepreco.testing.assert_manifest("counting")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "count"}, r"plugins\[0\].name"),
        ({"summary": "Counts."}, r"plugins\[0\].summary"),
        ({"trains_on": "events"}, r"plugins\[0\].trains_on"),
        ({"options": {**CARD["options"], "properties": {}}}, r"plugins\[0\].options.properties.pt_min"),
    ],
)
def test_a_manifest_that_differs_fails(install, change, place):
    install(manifest={"api_version": 1, "plugins": [CARD | change]})
    with pytest.raises(ConformanceError, match=place):
        hepreco.testing.assert_manifest("counting")


def test_a_missing_manifest_fails(install):
    install()
    with pytest.raises(ConformanceError, match=r"has no hepreco\.json"):
        hepreco.testing.assert_manifest("counting")


@dataclass(frozen=True)
class Inner:
    """What is inside.

    Parameters
    ----------
    low, high
        Bounds, in units of :data:`~math.pi`.
    """

    low: float = 0.0
    high: float = float("inf")


@dataclass(frozen=True)
class Outer:
    """Holds others.

    Parameters
    ----------
    inner
        Some of ``Inner``.
    title
        Kept, although JSON Schema has a key of that name.
    default
        Likewise.
    """

    inner: tuple[Inner, ...]
    title: str | None = None
    default: int = 3


def test_schemas_carry_the_words_of_docstrings():
    schema = schema_of(Outer)
    assert schema["required"] == ["inner"]
    assert schema["properties"]["title"] == {
        "type": "string",
        "description": "Kept, although JSON Schema has a key of that name.",
    }
    assert schema["properties"]["default"]["default"] == 3
    inner = schema["$defs"]["Inner"]
    assert inner["description"] == "What is inside."
    assert inner["properties"]["high"] == {"type": "number", "description": "Bounds, in units of `pi`."}
    assert descriptions_of(Inner) == dict.fromkeys(("low", "high"), "Bounds, in units of `pi`.")


def test_options_that_no_file_can_hold_are_refused():
    @dataclass(frozen=True)
    class Wrong:
        thing: type(sys)

    with pytest.raises(PluginError, match=r"an option of .*Wrong is not plain"):
        schema_of(Wrong)
