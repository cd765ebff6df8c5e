"""The pages' examples, run as a reader would run them."""

import pytest

HEPRECO = ("-c", "from hepreco.cli import main; main()")
PAGES = [
    "README.md",
    "docs/tutorial.md",
    "docs/how-to/columns.md",
    "docs/how-to/run-on-a-cluster.md",
    "docs/how-to/add-a-process.md",
    "docs/how-to/generate-events.md",
    "docs/reference/matrix-elements.md",
]


@pytest.fixture(scope="session")
def workplace(tmp_path_factory, root, shell):
    """A directory in which the tutorial's first command was run, on a tenth of its events."""
    directory = tmp_path_factory.mktemp("reader")
    config = directory / "analyses/ttbar/analysis.toml"
    config.parent.mkdir(parents=True)
    text = (root / "analyses/ttbar/analysis.toml").read_text()
    assert text.count("events = 20000") == 2
    config.write_text(text.replace("events = 20000", "events = 2000"))
    run = ("run", "analyses/ttbar/analysis.toml", "--output", "output", "--write-columns", "parquet", "--no-figures")
    shell(*HEPRECO, *run, cwd=directory)
    return directory


@pytest.mark.parametrize("page", PAGES)
def test_python_runs(page, root, workplace, blocks_of, shell):
    code = [block.code for block in blocks_of(root / page) if block.language == "python" and block.runs]
    script = workplace / f"{page.replace('/', '-')}.py"
    script.write_text("\n\n".join(code))
    assert code
    shell(script.name, cwd=workplace)


def test_a_plugin_written_from_its_page_passes(root, tmp_path, write_package, shell):
    path = write_package(root / "docs/how-to/write-a-plugin.md", tmp_path, "w-candidate")
    assert "w-candidate" in shell(*HEPRECO, "plugins", "list", cwd=tmp_path, path=path)
    shell(*HEPRECO, "plugins", "check", "w-candidate", cwd=tmp_path, path=path)
    shell("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", cwd=tmp_path, path=path)


def test_a_plugin_trained_from_its_page_passes(root, tmp_path, write_package, shell):
    path = write_package(root / "docs/how-to/train-a-plugin.md", tmp_path, "fourth-jet")
    shell(*HEPRECO, "generate", "ttbar-hadronic", "--events", "1000", "--output", "training.root", cwd=tmp_path)
    train = ("train", "fourth-jet", "--files", "training.root", "--output", "fourth-jet-weights", "--epochs", "2")
    shell(*HEPRECO, *train, cwd=tmp_path, path=path)
    shell(*HEPRECO, "plugins", "check", "fourth-jet", cwd=tmp_path, path=path)
