"""What the files about this repository say of each other."""

import json
import re
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

#: The names of conda's packages that are not PyPI's; coffea's there brings its extra.
CONDA = {"matplotlib": "matplotlib-base", "torch": "pytorch"}
#: What imports a package under another name than its own, or through another package.
IMPORTED = {"cycler": "matplotlib", "fontTools": "fonttools", "dask": "distributed", "rich": "rich", "pytest": None}


def project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def plugins(root):
    return {f"hepreco-{folder.name}": project(folder) for folder in sorted((root / "plugins").iterdir())}


@pytest.fixture(scope="module")
def outputs(root):
    recipe = yaml.safe_load((root / "recipe/recipe.yaml").read_text())
    return {output["package"]["name"]: output for output in recipe["outputs"]}


def test_every_plugin_is_in_the_extra(root, plugins):
    extra = project(root)["optional-dependencies"]["plugins"]
    assert sorted(Requirement(one).name for one in extra) == sorted(plugins)


def test_every_plugin_is_installed_where_hepreco_is(root, plugins):
    """By tox, by Read the Docs and by the commands of the pages."""
    for file in ("tox.ini", ".readthedocs.yaml", "README.md", "CONTRIBUTING.md"):
        text = (root / file).read_text()
        found = set(re.findall(r"(?:-e|--editable) plugins/([\w-]+)", text))
        assert {f"hepreco-{name}" for name in found} == set(plugins), file
    built = re.findall(r"build --no-isolation --outdir dist (?:plugins/)?(\S+)", (root / "tox.ini").read_text())
    assert {f"hepreco-{name}" for name in built if name != "."} == set(plugins)


def test_projects_agree(root, plugins):
    main = project(root)
    for name, plugin in plugins.items():
        assert plugin["name"] == name
        for key in ("classifiers", "requires-python", "license", "authors", "dynamic"):
            assert plugin[key] == main[key], (name, key)
        assert (root / "plugins" / name.removeprefix("hepreco-") / "LICENSE").read_text() == (
            root / "LICENSE"
        ).read_text()


def test_dependencies_are_those_that_are_imported(root):
    """Each is; and nothing is imported, outside of extras, that is not one."""
    wanted = {Requirement(one).name.replace("-", "_") for one in project(root)["dependencies"]}
    extras = {"shower": ("fastjet", "pythia8mc"), "spanet": ("h5py",)}
    text = "\n".join(path.read_text() for path in (root / "src").rglob("*.py"))
    found = {
        name for pair in re.findall(r"^ *(?:import (\w+)|from (\w+)[\w.]* import)", text, re.M) for name in pair if name
    }
    found = {IMPORTED.get(name, name) for name in found - sys.stdlib_module_names}
    assert found - {"hepreco", None, *(name for names in extras.values() for name in names)} == wanted


def test_the_recipe_requires_what_the_projects_require(root, plugins, outputs):
    projects = {"hepreco": project(root)} | plugins
    assert set(outputs) == set(projects)
    for name, one in projects.items():
        wanted = {CONDA.get(r.name, r.name): r.specifier for r in map(Requirement, one["dependencies"])}
        found = dict(line.partition(" ")[::2] for line in outputs[name]["requirements"]["run"])
        assert found.pop("python") == ">=${{ python_min }}"
        if name != "hepreco":
            assert found.pop("hepreco") == "==${{ version }}"
            wanted.pop("hepreco")
        assert found == {key: str(specifier) for key, specifier in wanted.items()}, name


def test_every_python_of_the_classifiers_is_tested(root):
    classifiers = project(root)["classifiers"]
    versions = [one.rpartition(" :: ")[2] for one in classifiers if "Python :: 3." in one]
    workflow = yaml.safe_load((root / ".github/workflows/ci.yml").read_text())
    assert workflow["jobs"]["tests"]["strategy"]["matrix"]["python"] == versions
    numbers = ",".join(version.replace(".", "") for version in versions)
    assert f"[testenv:py{{{numbers}}}]" in (root / "tox.ini").read_text()
    assert project(root)["requires-python"] == f">={versions[0]}"


def test_workflows_run_environments_that_exist(root):
    tox = (root / "tox.ini").read_text()
    workflow = yaml.safe_load((root / ".github/workflows/ci.yml").read_text())
    for name in (*workflow["jobs"]["checks"]["strategy"]["matrix"]["environment"], "slow", "wheels", "all"):
        assert f"[testenv:{name}]" in tox, name


def test_citations_agree(root):
    cff = yaml.safe_load((root / "CITATION.cff").read_text())
    zenodo = json.loads((root / ".zenodo.json").read_text())
    main = project(root)
    assert cff["title"] == zenodo["title"] == f"hepreco: {main['description'][0].lower()}{main['description'][1:]}"
    assert cff["license"] == zenodo["license"] == main["license"]
    authors = [author["name"] for author in main["authors"]]
    assert [author["name"] for author in cff["authors"]] == authors
    assert [creator["name"] for creator in zenodo["creators"]] == authors
    assert cff["repository-code"] == main["urls"]["Source"]


def test_environments_of_the_contributing_page_exist(root):
    tox = (root / "tox.ini").read_text()
    environments = set(re.findall(r"^\| `tox run -e ([a-z]+)`", (root / "CONTRIBUTING.md").read_text(), re.M))
    assert environments >= {"lint", "type", "docs", "examples", "wheels"}
    for name in environments:
        assert f"[testenv:{name}]" in tox, name
