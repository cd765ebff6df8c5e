"""The analysis of the tt̄ cross-section, small: its histograms by hand, the fitted cross-section, and its closure."""

import json
import sys
from pathlib import Path

import awkward as ak
import correctionlib
import numpy as np
import pytest
import uproot

from hepreco.cli.main import main as hepreco
from hepreco.config import read_config
from hepreco.histograms import read_histograms
from hepreco_corrections.smearing import normal_of_objects

pytest.importorskip("cabinetry")

HERE = Path(__file__).parents[2] / "analyses" / "ttbar_cross_section"
SCALE = 0.05
#: The mass of the muon and the electron does not matter here: only pt, η and φ of leptons are used.
DATASETS = {"ttbar": 240.0, "ttbar_dilepton": 38.0, "single_top": 46.0, "wjets": 50.0}
WEIGHT_ONLY = ("btag_hf", "btag_lf", "lepton", "extra_jets", "top_pt")
OF_OBJECTS = ("jets_scale", "jets_resolution")
VARIATIONS = tuple(f"{name}_{way}" for name in (*WEIGHT_ONLY, *OF_OBJECTS) for way in ("up", "down"))
AXES = {"ht": ("4j1b", np.linspace(120, 600, 25)), "mbjj": ("4j2b", np.linspace(0, 560, 29))}


@pytest.fixture(scope="module")
def analysis(tmp_path_factory):
    """The scripts of the analysis, and the directory where they and a run have written."""
    directory = tmp_path_factory.mktemp("cross_section")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE / "scripts"))
        for name in ("compare", "corrections", "prepare"):  # other analyses have modules of the same names
            patch.delitem(sys.modules, name, raising=False)
        import compare  # noqa: PLC0415
        import prepare  # noqa: PLC0415

        prepare.prepare(directory, scale=SCALE)
        arguments = [str(directory / "analysis.toml"), "--output", str(directory / "output"), "--no-figures"]
        hepreco(["run", *arguments], standalone_mode=False)
        yield directory, compare, prepare
        sys.modules.pop("observables", None)  # of the copy of the analysis


def branches(path):
    with uproot.open(path) as file:
        return file["Events"].arrays()


def collection(events, name):
    """The branches of a collection as its records, momenta in double precision."""
    fields = [field for field in events.fields if field.startswith(f"{name}_")]
    return ak.zip({field.removeprefix(f"{name}_"): events[field] for field in fields})


def delta_r(one, other):
    turn = (one.phi - other.phi + np.pi) % (2 * np.pi) - np.pi
    return np.hypot(one.eta - other.eta, turn)


def corrected(events, variation):
    """All jets with the resolution of the pseudo-data, and with a shift."""
    jets, generated = collection(events, "Jet"), collection(events, "GenJet")
    counts = ak.num(jets)
    flat, partner = ak.flatten(jets), ak.flatten(generated[jets.genJetIdx])
    pt, eta = (ak.to_numpy(flat[name]).astype(float) for name in ("pt", "eta"))
    resolution = np.sqrt(0.64 / (pt * np.cosh(eta)) + 0.0025)
    factor = {"jets_resolution_up": 1.15, "jets_resolution_down": 1.05}.get(variation, 1.1)
    target = ak.to_numpy(partner.pt).astype(float)
    near = (ak.to_numpy(delta_r(flat, partner)) < 0.2) & (abs(pt - target) < 3 * resolution * pt)
    number = np.stack([ak.to_numpy(events[name]).astype(np.int64) for name in ("run", "luminosityBlock", "event")], 1)
    random = normal_of_objects(number, ak.to_numpy(counts).astype(np.int64))
    moved = 1 + (factor - 1) * (pt - target) / pt
    spread = 1 + np.sqrt(factor**2 - 1) * resolution * random
    scale = np.maximum(np.where(near, moved, spread), 0.01 / (pt * np.cosh(eta)))
    scale = scale * {"jets_scale_up": 1.02, "jets_scale_down": 0.98}.get(variation, 1.0)
    for name in ("pt", "mass"):
        values = ak.unflatten((scale * ak.to_numpy(flat[name]).astype(float)).astype(np.float32), counts)
        jets = ak.with_field(jets, values, name)
    return jets


def weights_of_tags(jets, directory, variation):
    efficiencies = correctionlib.CorrectionSet.from_file(str(directory / "corrections/btag_efficiencies.json"))
    flat = ak.flatten(jets)
    flavour, pt, eta = (ak.to_numpy(flat[name]) for name in ("hadronFlavour", "pt", "eta"))
    flavour = flavour.astype(int)
    share = efficiencies["btag_efficiency"].evaluate("central", "M", flavour, pt.astype(float), abs(eta).astype(float))
    heavy = 0.95 * {"btag_hf_up": 1.03, "btag_hf_down": 0.97}.get(variation, 1.0)
    light = 1.2 * {"btag_lf_up": 1.2, "btag_lf_down": 0.8}.get(variation, 1.0)
    factor = np.where(flavour >= 4, heavy, light)
    tagged = ak.to_numpy(flat.btagDeepFlavB) > np.float32(0.2783)
    return ak.prod(ak.unflatten(np.where(tagged, factor, (1 - factor * share) / (1 - share)), ak.num(jets)), axis=1)


def weights(events, jets, leptons, directory, variation, dataset):
    weight = np.ones(len(events)) if dataset == "data" else ak.to_numpy(events.genWeight).astype(float)
    if dataset == "data":
        return weight
    lepton = 0.97 * {"lepton_up": 1.015, "lepton_down": 0.985}.get(variation, 1.0)
    extra = {"extra_jets_up": 1.1, "extra_jets_down": 0.9}.get(variation, 1.0)
    weight = weight * lepton ** ak.num(leptons) * extra ** ak.sum(jets.truthParton == -1, axis=1)
    if dataset.startswith("ttbar") and variation.startswith("top_pt"):
        tops = ak.values_astype(events.GenPart_pt[abs(events.GenPart_pdgId) == 6], float)
        sign = 1 if variation.endswith("up") else -1
        weight = weight * np.exp(0.5 * sign * ak.sum(0.0615 - 0.0005 * tops, axis=1))
    return weight * weights_of_tags(jets, directory, variation)


def mass_of_three_jets(jets):
    """By a loop over the events."""
    found = []
    for event in jets:
        pt, eta, phi, mass = (np.asarray(event[name], dtype=float) for name in ("pt", "eta", "phi", "mass"))
        x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        momenta = np.stack([np.sqrt(mass**2 + x**2 + y**2 + z**2), x, y, z], 1)
        tagged = np.asarray(event.btagDeepFlavB) > np.float32(0.2783)
        triples = [
            momenta[[i, j, k]].sum(axis=0)
            for i in range(len(pt))
            for j in range(i)
            for k in range(j)
            if tagged[[i, j, k]].any()
        ]
        best = max(triples, key=lambda total: np.hypot(total[1], total[2]))
        found.append(np.sqrt(best[0] ** 2 - (best[1:] ** 2).sum()))
    return np.array(found)


def by_hand(events, directory, dataset):
    """Histograms of both regions in every variation, before normalisation."""
    nominal = selected(events, collection(events, "Jet") if dataset == "data" else corrected(events, "nominal"))
    found = {"nominal": histograms(nominal, directory, "nominal", dataset)}
    for variation in VARIATIONS if dataset != "data" else ():
        shifted = variation.startswith(OF_OBJECTS)
        chosen = selected(events, corrected(events, variation)) if shifted else nominal
        found[variation] = histograms(chosen, directory, variation, dataset)
    return found


def selected(events, jets):
    """By histogram the events of its region, their jets and leptons, and its values."""
    electrons, muons = collection(events, "Electron"), collection(events, "Muon")
    electrons = electrons[(electrons.pt > 25) & (abs(electrons.eta) < 2.5)]
    muons = muons[(muons.pt > 25) & (abs(muons.eta) < 2.4)]
    leptons = ak.concatenate([each[["pt", "eta", "phi"]] for each in (electrons, muons)], axis=1)
    jets = jets[(jets.pt > 30) & (abs(jets.eta) < np.float32(2.4))]
    pairs = ak.cartesian([jets, leptons], axis=1, nested=True)
    near = ak.any(delta_r(pairs["0"], pairs["1"]) < 0.4, axis=-1)
    jets = jets[~near]
    tags = ak.sum(jets.btagDeepFlavB > np.float32(0.2783), axis=1)
    passed = (ak.num(leptons) == 1) & (ak.num(jets) >= 4)
    found = {}
    for name, (region, _) in AXES.items():
        chosen = passed & (tags == 1 if region == "4j1b" else tags >= 2)
        mine = jets[chosen]
        values = ak.to_numpy(ak.sum(mine.pt, axis=1)) if name == "ht" else mass_of_three_jets(mine)
        found[name] = events[chosen], mine, leptons[chosen], values
    return found


def histograms(chosen, directory, variation, dataset):
    found = {}
    for name, (events, jets, leptons, values) in chosen.items():
        weight = ak.to_numpy(weights(events, jets, leptons, directory, variation, dataset))
        found[name] = np.histogram(values, bins=AXES[name][1], weights=weight)[0]
    return found


@pytest.mark.parametrize("dataset", ["data", *DATASETS])
def test_histograms_are_those_by_hand(analysis, dataset):
    """Bin for bin, in every variation; data have none."""
    directory, *_ = analysis
    path = directory / "pseudo_data.root" if dataset == "data" else directory / f"output/samples/{dataset}.root"
    events = branches(path)
    stored = read_histograms(directory / "output/histograms.zip").histograms
    assert set(stored["ht"].axes["variation"]) == {"nominal", *VARIATIONS}
    scale = 1.0
    if dataset != "data":
        scale = DATASETS[dataset] * 1000 * 0.03 * SCALE / float(ak.sum(ak.values_astype(events.genWeight, float)))
    expected = by_hand(events, directory, dataset)
    for variation in ("nominal", *VARIATIONS):
        bins = expected.get(variation, expected["nominal"])
        for name, (region, _) in AXES.items():
            found = stored[name][{"dataset": dataset, "variation": variation, "region": region}].values()
            assert found == pytest.approx(scale * bins[name], rel=1e-5, abs=1e-9), (name, variation)


def test_every_systematic_uncertainty_changes_something(analysis):
    directory, *_ = analysis
    stored = read_histograms(directory / "output/histograms.zip").histograms["ht"]
    bins = {
        name: stored[{"dataset": "ttbar", "variation": name, "region": "4j1b"}].values()
        for name in ("nominal", *VARIATIONS)
    }
    for name in VARIATIONS:
        assert np.abs(bins[name] - bins["nominal"]).max() > 0, name


def test_the_fit_finds_the_injected_cross_section(analysis):
    directory, _, prepare = analysis
    hepreco(
        ["fit", str(directory / "output"), "--config", str(directory / "analysis.toml"), "--no-figures"],
        standalone_mode=False,
    )
    found = json.loads((directory / "output/fit/fit.json").read_text())["parameter"]
    assert abs(found["value"] - prepare.SIGNAL_STRENGTH) < 3 * found["uncertainty"]
    assert 0.03 < found["uncertainty"] < 0.3


@pytest.mark.slow
def test_both_observables_close(analysis):
    """The pull of twelve pseudo-experiments: its mean is known to 1/√12, its width to 1/√24."""
    directory, compare, _ = analysis
    results = compare.compare(directory, experiments=12)
    assert set(results["fits"]) == {"m_bjj", "me-assigner"}
    for result in results["fits"].values():
        assert abs(result["cross_section"] - results["injected"]) < 3 * result["uncertainty"]
        assert abs(result["closure"]["mean"]) < 3 / np.sqrt(12)
        assert abs(result["closure"]["width"] - 1) < 3 / np.sqrt(24)
        assert len(result["pulls"]) == 10


def test_pseudo_data_have_the_injected_cross_section(analysis):
    directory, _, prepare = analysis
    numbers = prepare.numbers_of_events(read_config(directory / "analysis.toml"))
    assert sum(numbers.values()) == len(branches(directory / "pseudo_data.root"))
    expected = {name: 30.0 * SCALE * each * (1.15 if "ttbar" in name else 1.0) for name, each in DATASETS.items()}
    assert set(numbers) == set(expected)
    for name, number in numbers.items():
        assert abs(number - expected[name]) < 4 * np.sqrt(expected[name])
