"""Selected objects in a run: by name in cuts, histograms and plugins, for any chunks, and once for all."""

import awkward as ak
import numpy as np
import pytest
import uproot

OBJECTS = {
    "muons": {"collection": "Muon", "where": ["pt > 25"]},
    "jets": {
        "collection": "Jet",
        "where": ["pt > 30", "|eta| < 1.5"],
        "away_from": {"muons": 0.4},
        "tags": {"b": {"branch": "btagDeepFlavB", "above": {"2017": 0.5, "2018": 0.7}}},
    },
}
PT = {"bins": 20, "start": 0, "stop": 200}
HISTOGRAMS = [
    {"name": "pt", "columns": ["jets.pt"], "axis": PT},
    {"name": "leading", "columns": ["jets[0].pt"], "axis": PT},
    {"name": "number", "columns": ["len(jets)"], "axis": {"bins": 10, "start": 0, "stop": 10}},
]
SELECTION = [
    {"name": "two jets", "collection": "jets", "at_least": 2},
    {"name": "a tag", "collection": "jets", "where": ["b == 1"]},
]
CHI2 = {"b_tag": "b", "objects": {"jets": "jets"}}


def muons(events=100):
    rng = np.random.default_rng(5)
    lengths = rng.integers(0, 3, events)
    values = {name: rng.uniform(low, high, lengths.sum()) for name, low, high in (("pt", 10, 60), ("eta", -2, 2))}
    values |= {"phi": rng.uniform(-3, 3, lengths.sum()), "mass": np.full(lengths.sum(), 0.106)}
    values |= {"charge": rng.choice([-1, 1], lengths.sum())}
    return ak.zip({name: ak.unflatten(each.astype(np.float32), lengths) for name, each in values.items()})


@pytest.fixture
def objects(job):
    """A job of crowded events with muons; returns a function that configures and runs it."""
    job.write(jets=14, Muon=muons())

    def run(*options, output="out", period="2018", **tables):
        standard = {"objects": OBJECTS, "histograms": HISTOGRAMS, "selection": SELECTION}
        job.configure(datasets={"x": {"files": ["a.root"], "period": period}}, **{**standard, **tables})
        return job.run(*options, output=output)

    return run


def by_hand(job, *, threshold, scale=1.0):
    """pt of the selected jets of selected events, from the branches."""
    with uproot.open(job / "a.root") as file:
        table = file["Events"].arrays()
    jets, leptons = (
        ak.zip({name: table[f"{each}_{name}"] for name in ("pt", "eta", "phi")}) for each in ("Jet", "Muon")
    )
    jets = ak.with_field(jets, jets.pt * np.float32(scale), "pt")
    jets = ak.with_field(jets, table.Jet_btagDeepFlavB > threshold, "b")
    leptons = leptons[leptons.pt > 25]
    jets = jets[(jets.pt > 30) & (abs(jets.eta) < 1.5)]
    one, other = ak.unzip(ak.cartesian((jets, leptons), nested=True))
    turn = np.pi * np.float64(2)
    dphi = (one.phi - other.phi + np.pi) % turn - np.pi
    jets = jets[~ak.any(np.hypot(one.eta - other.eta, dphi) < 0.4, axis=-1)]
    jets = jets[(ak.num(jets) >= 2) & (ak.sum(jets.b, axis=1) >= 1)]
    return jets.pt[ak.argsort(jets.pt, ascending=False)]


@pytest.mark.parametrize(("period", "threshold"), [("2017", 0.5), ("2018", 0.7)])
@pytest.mark.parametrize("chunksize", [13, 100])
def test_histograms_are_those_of_the_branches(job, objects, period, threshold, chunksize):
    variations = [{"name": "up", "scale": 1.25}]
    result = objects("--chunksize", chunksize, period=period, variations=variations)
    assert result.exit_code == 0, result.output
    found = job.histograms()
    for variation, scale in (("nominal", 1.0), ("up", 1.25)):
        pt = by_hand(job, threshold=threshold, scale=scale)
        assert len(pt) > 20
        edges = np.linspace(0, 200, 21)
        for name, values in (("pt", ak.flatten(pt)), ("leading", pt[:, 0])):
            expected = np.histogram(np.clip(values, 0, 199.9), edges)[0]
            counts = found[name][{"dataset": "x", "variation": variation}].values(flow=True)[1:]
            assert np.append(counts[:-2], counts[-2:].sum()).tolist() == expected.tolist(), name
        numbers = found["number"][{"dataset": "x", "variation": variation}].values()
        assert numbers.tolist() == np.bincount(ak.num(pt), minlength=10)[:10].tolist()


def test_a_plugin_uses_the_objects_that_are_bound(job, objects):
    """The same numbers as by the plugin's own cuts where nothing is removed near a muon, others where it is."""
    cuts = {"where": ["pt > 30", "|eta| < 1.5"]}
    free = {**OBJECTS, "jets": {key: value for key, value in OBJECTS["jets"].items() if key != "away_from"}}
    own = {"b_tag": "btagDeepFlavB", "b_tag_threshold": 0.7, **cuts}
    plugins = {"bound": {"plugin": "chi2-assigner", **CHI2}, "own": {"plugin": "chi2-assigner", **own}}
    for name, tables in (("free", free), ("cleaned", OBJECTS)):
        result = objects("--write-columns", "parquet", output=name, objects=tables, plugins=plugins)
        assert result.exit_code == 0, result.output
    found = {name: ak.from_parquet(job / name / "columns" / "x") for name in ("free", "cleaned")}
    assert ak.sum(found["free"].bound_reason == 0) > 10
    for column in ("chi2", "b_index", "q_index", "reason"):
        bound, own = (ak.to_numpy(found["free"][f"{name}_{column}"]) for name in ("bound", "own"))
        np.testing.assert_array_equal(bound, own)
    assert found["cleaned"].bound_reason.tolist() != found["cleaned"].own_reason.tolist()


def test_another_selection_of_objects_is_another_result(job, objects):
    assert objects().exit_code == 0
    first = job.filled("pt")
    tighter = {**OBJECTS, "jets": {**OBJECTS["jets"], "where": ["pt > 60", "|eta| < 1.5"]}}
    assert objects("--resume", objects=tighter).exit_code == 0
    assert job.filled("pt") < first
    assert objects("--resume", period="2017").exit_code == 0
    assert job.filled("pt") > first


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({"period": "2016"}, ("2016", "2017", "2018")),
        ({"plugins": {"chi2-assigner": {**CHI2, "where": ["pt > 50"]}}}, ("where", "[objects.jets]")),
        ({"plugins": {"chi2-assigner": {"objects": {"jet": "jets"}}}}, ("no role 'jet'", "jets")),
        ({"plugins": {"chi2-assigner": {"objects": {"jets": "jetz"}}}}, ("'jetz'", "not defined")),
        ({"plugins": {"chi2-assigner": {"objects": "jets"}}}, ("objects = { jets",)),
        ({"histograms": [{"name": "x", "columns": ["jets[0.pt"], "axis": PT}]}, ("jets[0.pt", "len(jets)")),
        ({"histograms": [{"name": "x", "columns": ["jets.ptt"], "axis": PT}]}, ("ptt", "Jet")),
        ({"objects": {"jets": {"collection": "jets"}}}, ("circle", "jets")),
        ({"objects": {**OBJECTS, "muons": {"collection": "jets"}}}, ("circle", "muons")),
    ],
)
def test_what_cannot_be_is_refused(objects, refused, tables, words):
    refused(objects(**tables), *words)
