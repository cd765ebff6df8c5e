"""Bad input, through the command line: nothing is lost uncounted, and nothing ends in a bare traceback."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result

from hepreco.cli import main
from hepreco.histograms import read_histograms

TOML = """
[datasets.a]
files = ["a.root"]

[[selection]]
name = "two jets"
collection = "Jet"
where = ["pt > 30"]
at_least = 2

[plugins.chi2-assigner]
at_most = 10

[[histograms]]
name = "jet_pt"
columns = ["Jet.pt"]
axis = { bins = 10, start = 0, stop = 200 }
"""


def write_events(path: Path, jets: list[list[float]], **replaced: object) -> Path:
    """A NanoAOD file with these jets' pt."""
    pt = ak.values_astype(ak.Array([*jets, [1.0]])[:-1], np.float32)
    angle = ak.local_index(pt)
    size = len(jets)
    branches: dict[str, object] = {
        "run": np.ones(size, np.uint32),
        "luminosityBlock": np.ones(size, np.uint32),
        "event": np.arange(size, dtype=np.uint64),
        "Jet": ak.zip(
            {
                "pt": pt,
                "eta": ak.values_astype(angle * 0.05 - 1.0, np.float32),
                "phi": ak.values_astype(angle * 0.7, np.float32),
                "mass": ak.values_astype(0.1 * pt, np.float32),
            }
        ),
    } | replaced
    with uproot.recreate(path) as file:
        file.mktree("Events", {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in branches.items()})
        file["Events"].extend(branches)
    return path


GOOD = [[100.0, 80.0, 60.0, 50.0, 45.0, 40.0, 35.0]] * 20


@pytest.fixture
def analysis(tmp_path: Path) -> Path:
    write_events(tmp_path / "a.root", GOOD)
    (tmp_path / "analysis.toml").write_text(TOML)
    return tmp_path / "analysis.toml"


def hepreco(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def run(analysis: Path, *arguments: object) -> Result:
    return hepreco("run", analysis, "--output", analysis.parent / "out", "--no-figures", *arguments)


def assert_refused(result: Result, *words: str, status: int = 2) -> None:
    assert result.exit_code == status, result.output
    assert "Traceback" not in result.output
    assert "what to do" in result.output
    for word in words:
        assert word in result.output, result.output


def report(analysis: Path) -> dict[str, object]:
    return json.loads((analysis.parent / "out" / "report.json").read_text())


def test_good_input(analysis):
    result = run(analysis)
    assert result.exit_code == 0, result.output
    stored = read_histograms(analysis.parent / "out" / "histograms.zip")
    assert stored.histograms["jet_pt"].sum(flow=True).value == 140.0
    assert stored.histograms["chi2_assigner.chi2"].sum(flow=True).value == 20.0
    assert report(analysis)["events"] == {"a": 20}
    drawn = hepreco("plot", analysis.parent / "out")
    assert drawn.exit_code == 0, drawn.output
    figures = {path.name for path in (analysis.parent / "out" / "figures").iterdir()}
    assert {"cutflow.png", "cutflow.pdf", "jet_pt.png", "chi2_assigner.top.mass.pdf"} <= figures


def test_no_such_file(analysis):
    (analysis.parent / "a.root").unlink()
    assert_refused(run(analysis), "no such file", "a.root")
    assert_refused(run(analysis, "--files", "nothing-*.root"), "no such file", "nothing-*.root")


@pytest.mark.parametrize(
    "content", [b"", b"this is not a ROOT file, however long it may be" * 20], ids=["empty", "text"]
)
def test_not_a_root_file(analysis, content):
    (analysis.parent / "b.root").write_bytes(content)
    files = ("--files", f"a={analysis.parent}/*.root")
    assert_refused(run(analysis, *files), "b.root", "--skip-bad-files")
    skipped = run(analysis, *files, "--skip-bad-files")
    assert skipped.exit_code == 0, skipped.output
    assert "b.root" in skipped.output
    assert report(analysis)["events"] == {"a": 20}
    (failure,) = report(analysis)["failures"]
    assert failure["kind"] == "unreadable"
    assert failure["file"].endswith("b.root")


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_truncated_file(analysis, keep):
    whole = (analysis.parent / "a.root").read_bytes()
    (analysis.parent / "b.root").write_bytes(whole[: int(keep * len(whole))])
    files = ("--files", f"a={analysis.parent}/*.root")
    result = run(analysis, *files)
    assert_refused(result, "b.root", status=result.exit_code)
    assert result.exit_code in (1, 2)
    skipped = run(analysis, *files, "--skip-bad-files")
    assert skipped.exit_code == 0, skipped.output
    assert report(analysis)["events"] == {"a": 20}
    assert not report(analysis)["complete"]


def test_corrupt_baskets(analysis):
    """The file opens, and its contents are noise: found while reading, counted with its events."""
    path = write_events(
        analysis.parent / "b.root", [list(np.random.default_rng(1).uniform(20, 200, 30)) for _ in range(500)]
    )
    with uproot.open(path)["Events"] as tree:
        key = tree["Jet_pt"].basket_key(0)
    data = bytearray(path.read_bytes())
    start = key.fSeekKey + key.fKeylen
    data[start : start + 500] = b"\x13" * 500  # less than the basket has
    path.write_bytes(data)
    files = ("--files", f"a={analysis.parent}/*.root")
    assert_refused(run(analysis, *files), "b.root", status=1)
    assert run(analysis, *files, "--skip-bad-files").exit_code == 0
    (failure,) = report(analysis)["failures"]
    assert (failure["start"], failure["stop"], failure["kind"]) == (0, 500, "unreadable")
    assert report(analysis)["events"] == {"a": 20}


def test_no_events_tree(analysis):
    with uproot.recreate(analysis.parent / "b.root") as file:
        file.mktree("Other", {"x": np.dtype("f4")})
        file["Other"].extend({"x": np.ones(3, np.float32)})
    assert_refused(run(analysis, "--files", f"a={analysis.parent}/b.root"), "b.root", "Events")


def test_empty_tree(analysis):
    write_events(analysis.parent / "b.root", [])
    result = run(analysis, "--files", f"a={analysis.parent}/*.root")
    assert result.exit_code == 0, result.output
    assert report(analysis)["events"] == {"a": 20}
    alone = run(analysis, "--files", f"a={analysis.parent}/b.root")
    assert alone.exit_code == 0, alone.output
    assert report(analysis)["events"] == {"a": 0}


def test_missing_branch(analysis):
    write_events(analysis.parent / "a.root", GOOD, Jet=ak.zip({"pt": ak.Array([[50.0]] * 20)}))
    assert_refused(run(analysis), "Jet_eta", "a.root")


def test_misspelt_branch_in_the_configuration(analysis):
    analysis.write_text(TOML.replace("pt > 30", "ptt > 30"))
    assert_refused(run(analysis), "Jet_ptt", "the closest are pt")


def test_non_finite_momenta_are_cut_and_counted(analysis):
    odd = [[100.0, float("nan"), 80.0], [float("inf"), 60.0, 50.0]]
    write_events(analysis.parent / "a.root", [*GOOD, *odd])
    assert run(analysis).exit_code == 0
    flow = read_histograms(analysis.parent / "out" / "histograms.zip").histograms["cutflow"][
        {"dataset": "a", "variation": "nominal"}
    ]
    assert dict(zip(flow.axes[0], flow.values().tolist(), strict=True)) == {
        "all": 22,
        "finite momenta": 20,
        "two jets": 20,
    }


def test_non_finite_weight_does_not_poison_the_sum(analysis):
    weight = np.ones(20, np.float32)
    weight[3] = np.nan
    write_events(analysis.parent / "a.root", GOOD, genWeight=weight)
    assert run(analysis).exit_code == 0
    assert report(analysis)["sum_of_weights"] == {"a": 19.0}


@pytest.mark.parametrize("count", [0, 1, 40])
def test_events_of_any_number_of_jets(analysis, count):
    write_events(analysis.parent / "a.root", [list(np.linspace(200, 31, count))] * 10)
    analysis.write_text(TOML.replace("at_least = 2", "at_least = 0"))
    assert run(analysis).exit_code == 0
    reasons = {"too_few_objects": 0 if count == 40 else 10, "no_answer": 0}
    assert report(analysis)["without_answer"] == {"a": {"chi2_assigner": reasons}}
    assert report(analysis)["events"] == {"a": 10}


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [
        ("[[selection]]", "[[selektion]]", "selektion"),
        ("at_least = 2", "at_leest = 2", "at_leest"),
        ('files = ["a.root"]', 'files = ["a.root"]\ncrosssection = 3.0', "crosssection"),
        ("bins = 10", 'bins = "ten"', "bins"),
        ("at_most = 10", "at_moost = 10", "at_moost"),
        ("at_most = 10", "at_most = 3", "at_most"),
        ("pt > 30", "pt above 30", "pt above 30"),
        ('["Jet.pt"]', '["chi2_assigner.tpo.mass"]', "chi2_assigner.tpo.mass"),
        ("[datasets.a]", "[datasets.a", "not TOML"),
        ("start = 0", "start = 300", "no histogram axis"),
    ],
)
def test_configuration_that_is_not_understood(analysis, before, after, word):
    analysis.write_text(TOML.replace(before, after))
    assert_refused(run(analysis), word)


def test_misspelt_plugin(analysis):
    analysis.write_text(TOML.replace("[plugins.chi2-assigner]", "[plugins.chi2-asigner]"))
    assert_refused(run(analysis), "did you mean 'chi2-assigner'")


def test_no_configuration(tmp_path):
    assert_refused(run(tmp_path / "absent.toml"), "absent.toml")


def test_no_datasets(analysis):
    analysis.write_text(TOML.replace('[datasets.a]\nfiles = ["a.root"]', ""))
    assert_refused(run(analysis), "no datasets")


def test_a_cross_section_on_data(analysis):
    analysis.write_text(
        "luminosity = 1.0\n" + TOML.replace('files = ["a.root"]', 'files = ["a.root"]\ncross_section = 3.0')
    )
    assert_refused(run(analysis), "genWeight", status=1)


def test_output_that_cannot_be_written(analysis):
    (analysis.parent / "out").write_text("a file is in the way")
    assert_refused(run(analysis), "cannot write", "out")


def test_plugin_whose_weights_are_missing(analysis):
    analysis.write_text(TOML + f'\n[plugins.autoencoder]\nweights_directory = "{analysis.parent}/none"\n')
    assert_refused(run(analysis), "no weights")


def test_plugin_whose_weights_were_tampered_with(analysis):
    import shutil  # noqa: PLC0415

    import hepreco_autoencoder  # noqa: PLC0415

    weights = analysis.parent / "weights"
    shutil.copytree(Path(hepreco_autoencoder.__file__).parent / "weights", weights)
    data = bytearray((weights / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (weights / "weights.safetensors").write_bytes(data)
    analysis.write_text(TOML + f'\n[plugins.autoencoder]\nweights_directory = "{weights}"\n')
    assert_refused(run(analysis), "sha256")


def test_interrupted_run_is_resumed(analysis):
    """A branch is missing in one of two files; once that is mended, --resume completes the run."""
    good = (analysis.parent / "a.root").read_bytes()
    write_events(analysis.parent / "b.root", GOOD, Jet=ak.zip({"pt": ak.Array([[50.0, 50.0]] * 20)}))
    files = ("--files", f"a={analysis.parent}/*.root")
    assert_refused(run(analysis, *files), "--resume", status=1)
    assert report(analysis)["events"] == {"a": 20}
    (analysis.parent / "b.root").write_bytes(good)
    result = run(analysis, *files, "--resume")
    assert result.exit_code == 0, result.output
    assert report(analysis)["events"] == {"a": 40}
    assert not (analysis.parent / "out" / "checkpoints").exists()


def test_nothing_is_drawn_over_a_pipe(analysis):
    assert "━" not in run(analysis).output.split("Run report")[0]
