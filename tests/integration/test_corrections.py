"""Corrections, regions, observables and plugins that read plugins, compared with loops over the branches."""

import json

import awkward as ak
import numpy as np
import pytest
import uproot

from hepreco.histograms import read_histograms

EDGES = np.linspace(0, 200, 21)

#: A package with corrections of its own, and a plugin that reads another one's answers.
PACKAGE = '''
from dataclasses import dataclass

import awkward as ak
import numpy as np
import torch

from hepreco import Column, InputSpec, ObjectSpec, Reconstructor, hookimpl
from hepreco.plugin import ObjectCorrection, WeightCorrection

HEPRECO_API_VERSION = 2


@dataclass(frozen=True)
class Tilt(WeightCorrection):
    """A weight that falls with missing momentum."""

    slope: float = 0.001

    @property
    def reads(self):
        return ("PuppiMET.pt",)

    @property
    def variations(self):
        return ("up", "down")

    def weights(self, events, wanted):
        slope = {"nominal": self.slope, "up": 2 * self.slope, "down": 0.0}
        pt = ak.to_numpy(events["PuppiMET.pt"]).astype(float)
        return {name: 1 - slope[name] * pt for name in wanted}


@dataclass(frozen=True)
class PerJet(WeightCorrection):
    """A product over selected jets."""

    @property
    def reads(self):
        return ("jets.pt",)

    def weights(self, events, wanted):
        return {"nominal": ak.to_numpy(ak.prod(1 + ak.values_astype(events["jets.pt"], "float64") / 1024, axis=1))}


@dataclass(frozen=True)
class Scale(ObjectCorrection):
    """Jets of a larger pt."""

    factor: float = 1.5

    @property
    def reads(self):
        return ("Jet.pt",)

    @property
    def changes(self):
        return ("Jet.pt",)

    @property
    def variations(self):
        return ("up",)

    def corrected(self, events, variation):
        return {"Jet.pt": events["Jet.pt"] * (self.factor if variation == "nominal" else 2 * self.factor)}


@dataclass(frozen=True)
class Leading(Reconstructor):
    """The jet of largest pt, as a four-vector, and its pt."""

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet", at_least=1),))

    @property
    def outputs(self):
        return (Column("jet", kind="four-vector"), Column("pt", unit="GeV"))

    def reconstruct(self, batch):
        first = batch.momenta[:, 0]
        return {"jet": first, "pt": first[:, 1:3].norm(dim=-1)}


@dataclass(frozen=True)
class Doubled(Reconstructor):
    """Twice the energy of objects that somebody else has found."""

    @property
    def inputs(self):
        return InputSpec((ObjectSpec("Jet", at_least=1, role="jets"),), event_features=("leading.pt",))

    @property
    def outputs(self):
        return (Column("energy", unit="GeV"), Column("ratio"))

    def reconstruct(self, batch):
        energy = 2 * batch.momenta[..., 0].sum(dim=1)
        return {"energy": energy, "ratio": batch.event_features["leading.pt"] / batch.momenta[:, 0, 1:3].norm(dim=-1)}


@hookimpl
def hepreco_register_reconstructors(register):
    register("leading", Leading)
    register("doubled", Doubled)


@hookimpl
def hepreco_register_corrections(register):
    register("tilt", Tilt)
    register("per-jet", PerJet)
    register("scale", Scale)
'''
OBSERVABLES = """
import awkward as ak

def scalar_sum(events):
    return ak.sum(events.jets.pt, axis=1)
"""
HT = {"name": "ht", "columns": ["observables.ht"], "axis": {"bins": 20, "start": 0, "stop": 2000}}
PT = {"name": "jet_pt", "columns": ["jets.pt"], "axis": {"bins": 20, "start": 0, "stop": 200}}
JETS = {"jets": {"collection": "Jet", "where": ["pt > 40"]}}


@pytest.fixture
def analysis(job):
    """A file, a package of corrections and plugins, and a function of observables."""
    job.write()
    job.install(PACKAGE)
    job.module("observables_of_mine", OBSERVABLES)
    return job


def read(job):
    with uproot.open(job / "a.root")["Events"] as tree:
        return tree.arrays(["Jet_pt", "Jet_eta", "Jet_mass", "PuppiMET_pt", "genWeight"])


def histogram_of(pt, weight):
    each = np.repeat(weight.astype(np.float32), ak.to_numpy(ak.num(pt)))
    return np.histogram(ak.to_numpy(ak.flatten(pt)), bins=EDGES, weights=each.astype(float))[0]


def test_weights_and_their_variations_are_those_computed_by_hand(analysis):
    analysis.configure(
        objects=JETS,
        corrections={"met": {"plugin": "tilt", "slope": 0.002}, "jets_sf": {"plugin": "per-jet"}},
        histograms=[PT],
    )
    result = analysis.run("--chunksize", 30)
    assert result.exit_code == 0, result.output
    found = analysis.histograms()["jet_pt"]
    columns = read(analysis)
    jets = columns.Jet_pt[columns.Jet_pt > 40]
    met = ak.to_numpy(columns.PuppiMET_pt).astype(float)
    product = ak.to_numpy(ak.prod(1 + ak.values_astype(jets, "float64") / 1024, axis=1))
    assert list(found.axes["variation"]) == ["nominal", "met_down", "met_up"]
    for variation, slope in (("nominal", 0.002), ("met_up", 0.004), ("met_down", 0.0)):
        expected = histogram_of(jets, (1 - slope * met) * product)
        np.testing.assert_array_equal(found[{"dataset": "x", "variation": variation}].values(), expected)
    assert analysis.report()["corrections"] == {"x": ["met", "jets_sf"]}
    assert found.sum(flow=True).value != pytest.approx(3 * len(ak.flatten(jets)))


def test_a_run_without_corrections_has_the_histograms_of_before(analysis):
    analysis.configure(objects=JETS, histograms=[PT])
    assert analysis.run().exit_code == 0
    found = analysis.histograms()["jet_pt"]
    assert [axis.name for axis in found.axes] == ["dataset", "variation", "jet_pt"]
    jets = read(analysis).Jet_pt
    expected = histogram_of(jets[jets > 40], np.ones(100))
    np.testing.assert_array_equal(found[{"dataset": "x", "variation": "nominal"}].values(), expected)


def test_corrected_objects_are_selected_and_varied(analysis):
    analysis.configure(objects=JETS, corrections={"scale": {"factor": 1.5}}, histograms=[PT])
    assert analysis.run().exit_code == 0, analysis.run().output
    found = analysis.histograms()["jet_pt"]
    for variation, factor in (("nominal", 1.5), ("scale_up", 3.0)):
        pt = read(analysis).Jet_pt * factor
        expected = histogram_of(pt[pt > 40], np.ones(100))
        np.testing.assert_array_equal(found[{"dataset": "x", "variation": variation}].values(), expected)


def test_corrections_are_applied_where_they_are_said_to_be(analysis):
    analysis.configure(
        datasets={"x": {"files": ["a.root"]}, "y": {"files": ["a.root"]}},
        objects=JETS,
        corrections={"scale": {"datasets": ["y"]}, "tilt": {"datasets": ["y"]}},
        histograms=[PT],
    )
    assert analysis.run().exit_code == 0
    assert analysis.report()["corrections"] == {"x": [], "y": ["scale", "tilt"]}
    found = analysis.histograms()["jet_pt"]
    jets = read(analysis).Jet_pt
    plain = histogram_of(jets[jets > 40], np.ones(100))
    for variation in found.axes["variation"]:
        np.testing.assert_array_equal(found[{"dataset": "x", "variation": variation}].values(), plain)
    assert (found[{"dataset": "y", "variation": "nominal"}].values() != plain).any()


def test_regions_combine_cuts_on_objects_answers_and_observables(analysis):
    analysis.configure(
        objects=JETS,
        plugins={"leading": {}},
        selection=[{"name": "one jet", "collection": "jets", "at_least": 1}],
        cuts=[
            {"name": "three jets", "collection": "jets", "at_least": 3},
            {"name": "hard", "collection": "leading", "where": ["pt > 120"]},
            {"name": "large ht", "collection": "observables", "where": ["ht > 300"]},
        ],
        regions={
            "signal": {"all": ["hard", "three jets"]},
            "soft": {"all": ["three jets"], "none": ["hard", "large ht"]},
        },
        observables=[{"name": "ht", "function": "observables_of_mine:scalar_sum"}],
        histograms=[PT, HT | {"regions": ["signal"]}],
    )
    result = analysis.run("--chunksize", 30)
    assert result.exit_code == 0, result.output
    columns = read(analysis)
    jets = columns.Jet_pt[columns.Jet_pt > 40]
    three, some = ak.to_numpy(ak.num(jets)) >= 3, ak.to_numpy(ak.num(jets)) >= 1
    hard = ak.to_numpy(ak.fill_none(ak.max(columns.Jet_pt, axis=1), 0)) > 120
    ht = ak.to_numpy(ak.sum(jets, axis=1))
    masks = {"signal": some & three & hard, "soft": some & three & ~hard & ~(ht > 300)}
    assert all(mask.any() for mask in masks.values())
    found = analysis.histograms()
    for region, mask in masks.items():
        here = found["jet_pt"][{"dataset": "x", "variation": "nominal", "region": region}]
        np.testing.assert_array_equal(here.values(), histogram_of(jets[mask], np.ones(mask.sum())))
        flow = found[f"cutflow.{region}"][{"dataset": "x", "variation": "nominal"}]
        assert flow.values()[-1] == mask.sum()
        assert flow.values()[list(flow.axes["cut"]).index("three jets")] == (some & three).sum()
    assert list(found["ht"].axes["region"]) == ["signal"]
    assert found["ht"].sum(flow=True).value == masks["signal"].sum()


@pytest.mark.parametrize("chunksize", [7, 100])
def test_a_plugin_reads_what_another_has_found(analysis, chunksize):
    axis = {"bins": 50, "start": 0, "stop": 2000}
    analysis.configure(
        plugins={"doubled": {"objects": {"jets": "leading.jet"}}, "leading": {}},
        histograms=[{"name": "energy", "columns": ["doubled.energy"], "axis": axis},
                    {"name": "ratio", "columns": ["doubled.ratio"], "axis": {"bins": 20, "start": 0, "stop": 2}}],
        variations=[{"name": "jes_up", "scale": 1.25}],
    )  # fmt: skip
    result = analysis.run("--chunksize", chunksize)
    assert result.exit_code == 0, result.output
    columns = read(analysis)
    columns = columns[ak.num(columns.Jet_pt) > 0]
    first = ak.argmax(columns.Jet_pt, axis=1, keepdims=True)
    pt, eta, mass = (
        ak.to_numpy(ak.flatten(columns[f"Jet_{name}"][first])).astype(float) for name in ("pt", "eta", "mass")
    )
    found = analysis.histograms()
    for variation, scale in (("nominal", 1.0), ("jes_up", 1.25)):
        energy = 2 * scale * np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
        expected = np.histogram(energy, bins=np.linspace(0, 2000, 51))[0]
        here = found["energy"][{"dataset": "x", "variation": variation}].values()
        assert np.abs(here - expected).sum() <= 2  # of single precision, at an edge
        assert here.sum() == len(pt)
    assert found["ratio"][{"dataset": "x", "variation": "jes_up"}].values()[9:11].sum() == len(pt)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"corrections": {"x": {"plugin": "leading"}}}, "is a reconstructor"),
        ({"plugins": {"tilt": {}}}, "is a correction"),
        ({"corrections": {"tilt": {"slop": 1.0}}}, "slope"),
        ({"corrections": {"tilt": {"datasets": ["z"]}}}, "names the dataset 'z'"),
        (
            {"plugins": {"leading": {}}, "selection": [{"name": "hard", "collection": "leading", "where": ["pt > 9"]}]},
            "cut 'hard' of the selection reads 'leading', which is computed after it",
        ),
        (
            {"regions": {"a": {}}, "histograms": [PT | {"name": "cutflow.a", "columns": ["Jet.pt"]}]},
            "two histograms are named 'cutflow.a'",
        ),
        ({"plugins": {"leading": {"objects": {"leptons": "a.b"}}}}, "has no role 'leptons'"),
        ({"regions": {"a": {"all": ["nothing"]}}}, "names the cut 'nothing'"),
        ({"cuts": [{"name": "c", "collection": "Jet"}]}, "the cut 'c' is in no region"),
        ({"histograms": [PT | {"regions": ["b"]}], "objects": JETS}, "names the region 'b'"),
        (
            {"plugins": {"a": {"plugin": "doubled", "objects": {"jets": "b.jet"}}, "leading": {}}},
            "there is no plugin 'b'",
        ),
        (
            {"plugins": {"a": {"plugin": "doubled", "objects": {"jets": "leading.jets"}}, "leading": {}}},
            "reads leading.jets, which is no column",
        ),
        (
            {"plugins": {"a": {"plugin": "doubled", "objects": {"jets": "leading.pt"}}, "leading": {}}},
            "as objects, and it is a scalar",
        ),
        (
            {
                "plugins": {
                    "leading": {"objects": {"jets": "b.jet"}},
                    "b": {"plugin": "leading", "objects": {"jets": "leading.jet"}},
                }
            },
            "in a circle",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_the_run(analysis, tables, message):
    analysis.configure(**tables)
    result = analysis.run()
    assert result.exit_code == 2
    assert message in f"{result.output} {result.exception}"


def test_what_a_correction_gives_is_checked(analysis):
    analysis.install(PACKAGE.replace("1 - slope[name] * pt", "np.nan * pt"))
    analysis.configure(corrections={"tilt": {}})
    result = analysis.run()
    assert result.exit_code == 1
    failure = json.loads((analysis / "out" / "report.json").read_text())["failures"][0]
    assert "correction 'tilt' gave something else than one finite number per event" in failure["reason"]
    assert read_histograms(analysis / "out" / "histograms.zip") is not None
