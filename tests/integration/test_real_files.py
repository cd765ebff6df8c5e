"""The main job on real CMS NanoAOD, simulation of two versions and data; and on random values of its structure."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import uproot
from click.testing import CliRunner

from hepreco.cli import main
from hepreco.events import Dataset, read_batch
from hepreco.histograms import read_histograms
from hepreco.kinematics import mass
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_part_sm import EventClassifier
from hepreco_part_sm.particles import MOST

FILES = {"nano_tt_v12": 200, "nano_tt_v15": 200, "nano_dimuon": 40}
#: Of random values, with the structure of NanoAOD; the first is like data.
STRUCTURE = {"nanoaod_v12": 12, "nanoaod_v15": 12}
DATA = ("nano_dimuon", "nanoaod_v12")


def run(analysis, output, *files, **options):
    arguments = ["run", str(Path("analyses", f"{analysis}.toml")), "--output", str(output), "--no-figures"]
    arguments += [word for file in files for word in ("--files", str(file))]
    arguments += [word for name, value in options.items() for word in (f"--{name}", str(value))]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return read_histograms(output / "histograms.zip").histograms


@pytest.fixture(params=["structure", "real"])
def files(request):
    """Numbers of events by the path of a file, once of files that the repository has."""
    if request.param == "structure":
        folder, numbers = Path(__file__).parents[1] / "data", STRUCTURE
    else:
        folder, numbers = request.getfixturevalue("samples"), FILES
    return {folder / f"{name}.root": number for name, number in numbers.items()}


@pytest.fixture(autouse=True)
def at_the_root(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)


@pytest.mark.parametrize("analysis", ["ttbar/analysis", "ttbar/lepton_jets", "theory_informed/lepton_jets"])
def test_runs_unchanged_and_accounts_for_every_event(files, tmp_path, analysis):
    histograms = run(analysis, tmp_path, *files)
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["complete"]
    assert report["events"] == {path.stem: events for path, events in files.items()}
    flow = histograms["cutflow"][{"variation": "nominal", "cut": "all"}]
    for path, events in files.items():
        name = path.stem
        if name in DATA:
            assert flow[{"dataset": name}].value == events
            continue
        with uproot.open(path)["Events"] as tree:
            weight = tree["genWeight"].array(library="np").astype(np.float64)
        assert flow[{"dataset": name}].value == weight.sum()
        assert histograms["chi2_assigner.chi2"][{"dataset": name, "variation": "nominal"}].sum(flow=True).value != 0


@pytest.mark.parametrize(
    ("name", "chunksizes"),
    [pytest.param("nano_tt_v12", (7, 50, 1000), marks=pytest.mark.slow), ("nano_tt_v15", (50, 1000))],
)
def test_the_same_bins_for_any_chunk_size(samples, tmp_path, name, chunksizes):
    results = [
        run("ttbar/analysis", tmp_path / str(size), samples / f"{name}.root", chunksize=size) for size in chunksizes
    ]
    for other in results[1:]:
        assert other == results[0]


@pytest.mark.parametrize("name", STRUCTURE)
def test_the_same_bins_of_the_structure_for_any_chunk_size(tmp_path, name):
    path = Path("tests/data") / f"{name}.root"
    results = [run("ttbar/analysis", tmp_path / str(size), path, chunksize=size) for size in (5, 100)]
    assert results[0] == results[1]


def test_top_mass_peaks_where_it_should_in_full_simulation(samples, tmp_path):
    """χ² assignment of all-hadronic tt̄ in full simulation: more than half within 30 GeV of the top mass."""
    histograms = run("ttbar/analysis", tmp_path, samples / "nano_tt_v15.root")
    top = histograms["chi2_assigner.top.mass"][{"dataset": "nano_tt_v15", "variation": "nominal"}]
    near = top[142j:202j].sum().value
    assert near > 0.5 * top.sum(flow=True).value


@pytest.mark.parametrize(("collection", "status", "least"), [("LHEPart", 1, 0.9), ("GenPart", 23, 0.85)])
def test_partons_of_another_generator_are_assigned(samples, collection, status, least):
    """The largest |M|² of quarks of a next-to-leading-order generator is where both tops have their mass."""
    plugin = MatrixElementAssigner(collection=collection, where=(f"status == {status}", "|pdgId| < 6"))
    batch = read_batch(Dataset("tt", (str(samples / "nano_tt_v15.root"),)), plugin.inputs)
    found = plugin.reconstruct(batch)
    assert len(batch) == 200
    assert ((mass(found["top"]) - 172.5).abs() < 5).double().mean() > least
    assert found["certified"].all()


def test_leptons_and_missing_momentum_of_full_simulation_are_assigned(samples, tmp_path):
    """Answers are where a lepton and four other jets are, and the hadronic top is near its mass in most of them."""
    path = samples / "nano_tt_v12.root"
    histograms = run("theory_informed/lepton_jets", tmp_path, path)
    top = histograms["me_assigner.top.mass"][{"dataset": "nano_tt_v12", "variation": "nominal"}]
    assert top[142j:202j].sum().value > 0.5 * top.sum(flow=True).value
    plugin = MatrixElementAssigner(process="ttbar-lepton-jets", solver="marginal", resolution=(0.8, 0.05))
    batch = read_batch(Dataset("tt", (str(path),)), plugin.inputs)
    found = plugin.reconstruct(batch)
    answered = found["log_me2"].isfinite()
    with uproot.open(path)["Events"] as tree:
        columns = {
            f"{collection}_{name}": tree[f"{collection}_{name}"].array()
            for collection in ("Jet", "Electron", "Muon")
            for name in ("pt", "eta", "phi")
        }
    expected = 0
    for event in range(200):
        (jets, _), *leptons = (
            _passing({name: values[event] for name, values in columns.items()}, collection, *cuts)
            for collection, *cuts in (("Jet", 30.0, 2.4), ("Electron", 25.0, 2.5), ("Muon", 25.0, 2.5))
        )
        every = [(pt, direction) for directions, pts in leptons for direction, pt in zip(directions, pts, strict=True)]
        if every:
            away = jets - max(every, key=lambda lepton: lepton[0])[1]
            away[:, 1] = (away[:, 1] + np.pi) % (2 * np.pi) - np.pi
            expected += (np.hypot(*away.T) > 0.4).sum() >= 4
    assert answered.sum() == expected > 50
    assert ((found["electron_index"] >= 0) ^ (found["muon_index"] >= 0))[answered].all()
    assert (mass(found["leptonic_w"][answered]) - 80.419).abs().max() < 0.01


def test_objects_of_real_files_are_classified(files):
    """Kinds are those that cuts, tags and charges give; jets that are leptons are not counted twice."""
    for path, events in files.items():
        _compare_kinds(path, events)


def _compare_kinds(path, events):
    plugin = EventClassifier(photon_where=())  # these files have no photons
    batch = read_batch(Dataset(path.stem, (str(path),)), plugin.inputs)
    kinds = plugin.particles(batch).kinds
    with uproot.open(path)["Events"] as tree:
        columns = {
            f"{collection}_{column}": tree[f"{collection}_{column}"].array()
            for collection, own in (("Jet", "btagDeepFlavB"), ("Electron", "charge"), ("Muon", "charge"))
            for column in ("pt", "eta", "phi", own)
        }
    for event in range(events):
        values = {column: np.asarray(entries[event], dtype=np.float64) for column, entries in columns.items()}
        jets, electrons, muons = (
            _passing(values, collection, cut, 2.5)[0]
            for collection, cut in (("Jet", 25), ("Electron", 15), ("Muon", 15))
        )
        away = jets[:, None] - np.concatenate((electrons, muons))
        away[..., 1] = (away[..., 1] + np.pi) % (2 * np.pi) - np.pi
        apart = (np.hypot(away[..., 0], away[..., 1]) >= 0.4).all(axis=1)
        passing = (values["Jet_pt"] > 25) & (abs(values["Jet_eta"]) < 2.5)
        tagged = (values["Jet_btagDeepFlavB"][passing] >= 0.2783)[apart]
        expected = [(~tagged).sum(), tagged.sum()]
        for collection in ("Electron", "Muon"):
            passing = (values[f"{collection}_pt"] > 15) & (abs(values[f"{collection}_eta"]) < 2.5)
            charges = values[f"{collection}_charge"][passing]
            expected += [(charges < 0).sum(), (charges > 0).sum()]
        assert sum(expected) <= MOST
        assert [(kinds[event] == kind).sum().item() for kind in range(1, 7)] == expected
    found = plugin.reconstruct(batch)
    answered = found["probability"].isfinite().all(dim=1)
    assert torch.equal(answered, (kinds > 0).any(dim=1))
    torch.testing.assert_close(found["probability"][answered].sum(dim=1), torch.ones(int(answered.sum())).double())


def test_the_four_top_region_of_real_files(samples, tmp_path):
    """Every event is counted, and simulated tt̄ is rare where four tops are looked for."""
    text = Path("analyses/four_tops/analysis.toml").read_text()
    config = tmp_path / "analysis.toml"
    config.write_text(text.replace("[plugins.part-sm]", "[plugins.part-sm]\nphoton_where = []"))
    histograms = run(config.with_suffix(""), tmp_path, *(samples / f"{name}.root" for name in FILES))
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["complete"]
    assert report["events"] == FILES
    flow = histograms["cutflow"][{"variation": "nominal"}]
    for name, selected in (("nano_tt_v12", 2), ("nano_tt_v15", 0)):  # leptons in jets count as leptons here
        with uproot.open(samples / f"{name}.root")["Events"] as tree:
            weight = tree["genWeight"].array(library="np").astype(np.float64)
        first, *_, last = (flow[{"dataset": name, "cut": cut}] for cut in flow.axes["cut"])
        assert first.value == weight.sum()
        assert last.value**2 == pytest.approx(selected * last.variance)  # all weights are alike
        assert bool(last.value) == bool(selected)
        scored = histograms["part_sm.score_tttt"][{"dataset": name, "variation": "nominal"}].sum(flow=True)
        assert scored.value == pytest.approx(last.value)


def _passing(event, collection, pt_min, eta_max):
    """Directions and pts of the objects after cuts."""
    pt, eta, phi = (np.asarray(event[f"{collection}_{name}"], dtype=np.float64) for name in ("pt", "eta", "phi"))
    passing = (pt > pt_min) & (abs(eta) < eta_max)
    return np.stack((eta, phi), axis=1)[passing], pt[passing]
