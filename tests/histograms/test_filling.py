import awkward as ak
import hist
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hepreco.errors import OutputError
from hepreco.histograms import HistogramSpec, fill, fill_cutflow, read_histograms, sort_categories, write_histograms
from hepreco.plugin import Axis

SPEC = HistogramSpec("x", ("x",), Axis(20, -3.0, 3.0), "x", "GeV")


def chunk(size=10_000, seed=1, weight=337.047):
    generator = np.random.default_rng(seed)
    events = ak.Array({"x": generator.normal(size=size), "jet": ak.unflatten(generator.normal(size=2 * size), 2)})
    return events, np.float32(weight) * generator.choice([-1, 1, 1], size=size).astype(np.float32)


def filled(events, weight, spec=SPEC, dataset="a"):
    return fill(spec, {"nominal": events}, weights={"nominal": weight}, dataset=dataset)


def test_equals_a_plain_fill_of_hist():
    events, weight = chunk()
    ours = filled(events, weight)[{"dataset": "a", "variation": "nominal"}]
    plain = hist.Hist(hist.axis.Regular(20, -3, 3), storage=hist.storage.Weight())
    plain.fill(ak.to_numpy(events.x), weight=weight)
    np.testing.assert_allclose(ours.values(flow=True), plain.values(flow=True), rtol=1e-13)
    np.testing.assert_allclose(ours.variances(flow=True), plain.variances(flow=True), rtol=1e-6)


@pytest.mark.parametrize("size", [7, 50, 1000])
def test_any_chunking_gives_the_same_bits(size):
    events, weight = chunk()
    whole = filled(events, weight)
    starts = np.random.default_rng(2).permutation(np.arange(0, len(events), size))
    pieces = sum(filled(events[s : s + size], weight[s : s + size]) for s in starts)
    assert pieces == whole


def test_every_object_is_filled_with_its_events_weight():
    events, weight = chunk(size=10)
    spec = HistogramSpec("j", ("jet",), Axis(1, -100.0, 100.0))
    total = filled(events, weight, spec)[{"dataset": "a", "variation": "nominal"}].sum()
    np.testing.assert_allclose(total.value, 2 * weight.sum(dtype=np.float64))


def test_missing_values_are_left_out():
    events = ak.Array({"x": [0.5, None, 1.5]})
    assert filled(events, np.ones(3, np.float32)).sum().value == 2.0
    nested = ak.Array({"x": [[0.5, None], [None, None], [1.0, 1.0]]})
    assert filled(nested, np.float32([1, 10, 100])).sum().value == 201.0


def test_several_columns_share_one_histogram():
    events = ak.Array({"x": [0.1, 0.2], "y": [0.3, 0.4]})
    spec = HistogramSpec("both", ("x", "y"), Axis(1, 0.0, 1.0))
    assert filled(events, np.ones(2, np.float32), spec).sum().value == 4.0


def test_categories_are_sorted_with_nominal_first():
    events, weight = chunk(size=50)
    both = {"jes_up": events, "nominal": events}
    weights = {"jes_up": 2 * weight, "nominal": weight}
    merged = fill(SPEC, both, weights=weights, dataset="b") + filled(events, weight, dataset="a")
    ordered = sort_categories(merged)
    assert list(ordered.axes["dataset"]) == ["a", "b"]
    assert list(ordered.axes["variation"]) == ["nominal", "jes_up"]
    for dataset in "ab":
        assert (
            ordered[{"dataset": dataset, "variation": "nominal"}]
            == merged[{"dataset": dataset, "variation": "nominal"}]
        )
    assert ordered[{"dataset": "b", "variation": "jes_up"}] == merged[{"dataset": "b", "variation": "jes_up"}]


def test_cutflow_counts_weights_of_passing_events():
    masks = {"nominal": {"all": np.array([True, True, True]), "cut": np.array([True, False, True])}}
    flow = fill_cutflow(masks, weights=np.float32([1, 2, -4]), dataset="a")
    assert flow[{"dataset": "a", "variation": "nominal"}].values().tolist() == [-1.0, -3.0]
    assert flow[{"dataset": "a", "variation": "nominal"}].variances().tolist() == [21.0, 17.0]


def test_log_axis_and_a_score_fine_enough_for_roc():
    generator = np.random.default_rng(3)
    signal, background = generator.lognormal(0, 1, 20_000), generator.lognormal(1, 1, 20_000)
    spec = HistogramSpec("s", ("x",), Axis(1000, 1e-4, 1e5, "log"))
    ones = np.ones(20_000, np.float32)
    values = [
        filled(ak.Array({"x": x}), ones, spec)[{"dataset": "a", "variation": "nominal"}].values(flow=True)
        for x in (signal, background)
    ]
    below = np.cumsum(values[0]) - values[0] / 2
    auc = np.sum(values[1] * below) / 4e8
    exact = roc_auc_score(np.repeat([0, 1], 20_000), np.concatenate((signal, background)))
    assert auc == pytest.approx(exact, abs=1e-3)


def test_storage_round_trip(tmp_path):
    events, weight = chunk()
    stored = {
        "x": sort_categories(filled(events, weight)),
        "log": filled(events, weight, HistogramSpec("log", ("x",), Axis(5, 0.1, 3, "log"))),
    }
    write_histograms(tmp_path / "h.zip", stored, provenance={"hepreco": "1"})
    back = read_histograms(tmp_path / "h.zip")
    assert back.provenance == {"hepreco": "1"}
    for name, histogram in stored.items():
        assert back.histograms[name] == histogram
        assert back.histograms[name].axes[-1].name == histogram.axes[-1].name
        assert back.histograms[name].axes[-1].label == histogram.axes[-1].label


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "h.zip").write_bytes(b"no zip")
    with pytest.raises(OutputError, match="cannot read histograms"):
        read_histograms(tmp_path / "h.zip")
    with pytest.raises(OutputError, match="cannot read histograms"):
        read_histograms(tmp_path / "absent.zip")
