import awkward as ak
import hist
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hepreco.errors import ConfigError, DatasetError, OutputError
from hepreco.histograms import (
    Categories,
    Dimension,
    Edges,
    HistogramSpec,
    Integers,
    StoredHistograms,
    fill,
    read_histograms,
    write_histograms,
)
from hepreco.histograms.filling import fill_all, fill_cutflow, sort_categories, squares
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
    assert back == StoredHistograms(stored, {"hepreco": "1"})
    for name, histogram in stored.items():
        assert back.histograms[name] == histogram
        assert back.histograms[name].axes[-1].name == histogram.axes[-1].name
        assert vars(back.histograms[name].axes[-1]) == vars(histogram.axes[-1])


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "h.zip").write_bytes(b"no zip")
    with pytest.raises(OutputError, match="cannot read histograms"):
        read_histograms(tmp_path / "h.zip")
    with pytest.raises(OutputError, match="cannot read histograms"):
        read_histograms(tmp_path / "absent.zip")


def slowly(spec, events, *, weights, dataset):
    """Each column of each variation on its own, by ak.flatten and hist's own fill, with squares in float32."""
    booked = fill(spec, {name: chosen[:0] for name, chosen in events.items()}, weights=weights, dataset=dataset)
    for position, (variation, selected) in enumerate(events.items()):
        for path in spec.columns:
            column = selected[tuple(path.split("."))]
            flat = ak.to_numpy(ak.flatten(column, axis=None))
            weight = weights[variation]
            weight = weight if column.ndim == 1 else np.repeat(weight, ak.to_numpy(ak.num(column)))
            for part, term in (("value", weight), ("variance", np.square(weight))):
                plain = hist.Hist(*spec.booked_axes(), storage=hist.storage.Double()).fill(flat, weight=term)
                booked.view(flow=True)[part][0, position] += plain.view(flow=True)
    return booked


@pytest.mark.parametrize("kind", ["one", "two signs", "many", "none", "negative"])
def test_many_histograms_at_once_have_the_bits_of_one_by_one(kind):
    generator = np.random.default_rng(5)
    choices = {"one": [1.5], "two signs": [-3.7, 3.7], "many": generator.normal(size=99), "none": [0], "negative": [-2]}
    events, weights = {}, {}
    for variation in ("nominal", "up", "down"):
        size = int(generator.integers(400, 600))
        counts = generator.poisson(3, size)
        jets = {name: generator.normal(2, 3, counts.sum()).astype(np.float32) for name in ("pt", "eta")}
        x, chosen = generator.normal(size=size), generator.permutation(size)[:300]
        events[variation] = ak.Array({"Jet": ak.unflatten(ak.zip(jets), counts), "x": x})[chosen]
        weights[variation] = generator.choice(choices[kind], 300).astype(np.float32)
    axes = (Axis(11, -3.0, 4.0), Axis(7, 0.01, 5.0, "log"))
    columns = (("Jet.pt",), ("Jet.eta", "Jet.pt"), ("x",), ("x", "Jet.pt", "Jet.eta"))
    specs = [HistogramSpec(f"{'-'.join(paths)} {axis.spacing}", paths, axis) for paths in columns for axis in axes]
    found = fill_all(specs, events, weights=weights, dataset="a").histograms
    assert list(found) == [spec.name for spec in specs]
    for spec in specs:
        expected = slowly(spec, events, weights=weights, dataset="a")
        assert found[spec.name] == expected
        assert found[spec.name].view(flow=True).tobytes() == expected.view(flow=True).tobytes()


@pytest.mark.parametrize("size", [1e20, 3e38, 1e-20, 1e-37])
def test_weights_of_any_size_have_a_variance(size):
    weight = np.full(3, size, np.float32)
    events = ak.Array({"x": [0.5, 1.5, 1.5]})
    flow = fill_cutflow({"nominal": {"all": np.ones(3, bool)}}, weights=weight, dataset="a")
    for total in (filled(events, weight).sum(), flow[{"dataset": "a", "variation": "nominal", "cut": "all"}]):
        np.testing.assert_allclose(total.value, 3 * float(weight[0]), rtol=1e-15)
        np.testing.assert_allclose(total.variance, 3 * float(weight[0]) ** 2, rtol=1e-7)


def test_squares_are_those_of_float32_where_it_has_them():
    weights = np.random.default_rng(6).normal(size=10_000).astype(np.float32)
    assert np.array_equal(squares(weights), np.square(weights).astype(np.float64))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("stop", [1.0, 0.3, 0.7, np.pi])
def test_an_end_that_is_included_is_in_the_last_bin(stop, dtype):
    """Also where a float32 of the end is larger than the end."""
    events = ak.Array({"x": np.array([stop, np.nextafter(stop, 0), 2 * stop, -0.1, np.nan], dtype)})
    weight = np.float32([1, 10, 100, 1000, 10000])
    spec = HistogramSpec("s", ("x",), Axis(4, 0.0, stop, closed=True))
    values = filled(events, weight, spec)[{"dataset": "a", "variation": "nominal"}].values(flow=True)
    assert values.tolist() == [1000, 0, 0, 0, 11, 10100]


def test_an_end_that_is_not_included_is_in_the_overflow_and_counted():
    events = ak.Array({"x": [5.0, 5.0, 4.0, 6.0], "y": [5.0, 1.0, 1.0, 1.0], "z": [1.0] * 4})
    specs = [HistogramSpec(name, (name,), Axis(5, 0.0, 5.0)) for name in "xyz"]
    specs.append(HistogramSpec("both", ("x", "y"), Axis(5, 0.0, 5.0)))
    found = fill_all(
        specs, {"nominal": events, "up": events[:0]}, weights={"nominal": np.ones(4), "up": np.ones(0)}, dataset="a"
    )
    assert found.histograms["x"][{"dataset": "a", "variation": "nominal"}].values(flow=True).tolist()[-2:] == [1, 3]
    assert found.overflow == {
        "x": {"at_stop": 2, "beyond": 1},
        "y": {"at_stop": 1, "beyond": 0},
        "both": {"at_stop": 3, "beyond": 1},
    }


def test_a_score_of_one_and_a_truth_value_are_not_in_the_overflow():
    axis = Axis(2, 0.0, 1.0)
    for values in ([1.0, 0.0, 1.0], [True, False, True], np.array([1, 0, 1], "u1")):
        spec = HistogramSpec("s", ("x",), axis)
        counted = filled(ak.Array({"x": values}), np.ones(3, np.float32), spec)
        assert counted[{"dataset": "a", "variation": "nominal"}].values(flow=True).tolist() == [0, 1, 2, 0]


@pytest.mark.parametrize("name", ["index", "provenance", "../x", "a/b", ""])
def test_an_archive_refuses_names_of_its_own_entries_and_paths(tmp_path, name):
    events, weight = chunk(size=5)
    with pytest.raises(ConfigError, match="a histogram is named"):
        write_histograms(tmp_path / "h.zip", {name: filled(events, weight)}, provenance={})
    assert not list(tmp_path.iterdir())


def jets(events=200, seed=3):
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, events)
    pt = ak.unflatten(rng.exponential(50, counts.sum()).astype(np.float32), counts)
    flavour = ak.unflatten(rng.choice([0, 4, 5, 21], counts.sum()), counts)
    met = rng.exponential(30, events)
    answer = ak.mask(ak.Array(met), met > 10)
    columns = {"Jet": ak.zip({"pt": pt, "flavour": flavour}), "met": met, "answer": answer}
    return ak.zip(columns, depth_limit=1), rng.normal(1, 0.3, events).astype(np.float32)


def test_axes_of_every_kind_equal_a_plain_fill_of_hist():
    events, weight = jets()
    spec = HistogramSpec(
        "three",
        axes=(
            Dimension("Jet.pt", Edges((0.0, 20.0, 50.0, 200.0)), unit="GeV"),
            Dimension("Jet.flavour", Categories((0, 4, 5))),
            Dimension("met", Axis(4, 0.0, 100.0)),
        ),
    )
    found = filled(events, weight, spec=spec)[{"dataset": 0, "variation": 0}]
    counts = ak.to_numpy(ak.num(events.Jet))
    plain = hist.Hist(
        hist.axis.Variable([0, 20, 50, 200], name="Jet_pt"),
        hist.axis.IntCategory([0, 4, 5], name="Jet_flavour", overflow=True),
        hist.axis.Regular(4, 0, 100, name="met"),
        storage=hist.storage.Weight(),
    ).fill(
        ak.to_numpy(ak.flatten(events.Jet.pt)),
        ak.to_numpy(ak.flatten(events.Jet.flavour)),
        np.repeat(ak.to_numpy(events.met), counts),
        weight=np.repeat(weight, counts),
    )
    assert [axis.name for axis in found.axes] == [axis.name for axis in plain.axes]
    np.testing.assert_array_equal(found.values(flow=True), plain.values(flow=True))
    np.testing.assert_allclose(found.variances(flow=True), plain.variances(flow=True), rtol=1e-6)
    assert found.axes[0].unit == "GeV"


def test_integers_have_a_bin_each_and_fractions_are_in_the_overflow():
    values = np.array([-1.0, 0, 1, 2, 2, 3, 4, 1.5, np.nan])
    spec = HistogramSpec("n", ("x",), Integers(0, 3))
    found = filled(ak.Array({"x": values}), np.ones(9, np.float32), spec=spec)
    assert found[{"dataset": 0, "variation": 0}].values(flow=True).tolist() == [1, 1, 1, 2, 1, 3]


def test_an_entry_that_is_missing_in_one_column_is_not_filled():
    events, weight = jets()
    spec = HistogramSpec("two", axes=(Dimension("answer", Axis(5, 0, 100)), Dimension("Jet.pt", Axis(5, 0, 100))))
    found = filled(events, weight, spec=spec)
    answered = ~ak.to_numpy(ak.is_none(events.answer))
    total = np.repeat(weight[answered].astype(float), ak.to_numpy(ak.num(events.Jet))[answered]).sum()
    assert found.sum(flow=True).value == pytest.approx(total)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([10.0, None, 30.0], [1.0, 2.0, 3.0]),
        ([[10.0, None], [], [30.0]], [[1.0, 2.0], [], [3.0]]),
        ([[[10.0], [None]], [[30.0]], []], [[[1.0], [2.0]], [[3.0]], []]),
    ],
    ids=["events", "objects", "parts of objects"],
)
def test_numbers_of_events_of_objects_and_of_their_parts_are_filled_together(a, b):
    spec = HistogramSpec("two", axes=(Dimension("a", Axis(4, 0, 40)), Dimension("b", Axis(4, 0, 4))))
    found = filled(ak.Array({"a": a, "b": b}), np.ones(3, np.float32), spec=spec)[{"dataset": 0, "variation": 0}]
    assert np.argwhere(found.values(flow=True)).tolist() == [[2, 2], [4, 4]]


def test_columns_of_different_objects_cannot_be_filled_together():
    events = ak.Array({"a": [[1.0, 2.0]], "b": [[1.0]]})
    spec = HistogramSpec("two", axes=(Dimension("a", Axis(5, 0, 100)), Dimension("b", Axis(5, 0, 100))))
    with pytest.raises(DatasetError, match="a and b have different numbers of entries"):
        filled(events, np.ones(1, np.float32), spec=spec)


def test_regions_hold_their_events_each_and_may_overlap():
    events, weight = jets()
    masks = {"low": ak.to_numpy(events.met) < 40, "high": ak.to_numpy(events.met) > 20, "none": np.zeros(200, bool)}
    specs = [
        HistogramSpec("pt", ("Jet.pt",), Axis(10, 0.0, 200.0)),
        HistogramSpec("high_only", ("Jet.pt",), Axis(10, 0.0, 200.0), regions=("high",)),
    ]
    found = fill_all(
        specs, {"nominal": events}, weights={"nominal": weight}, dataset="a", regions={"nominal": masks}
    ).histograms
    assert list(found["pt"].axes["region"]) == ["low", "high", "none"]
    assert list(found["high_only"].axes["region"]) == ["high"]
    for name, mask in masks.items():
        alone = filled(events[mask], weight[mask], spec=specs[0])
        np.testing.assert_array_equal(found["pt"][{"region": name}].view(flow=True), alone.view(flow=True))
    np.testing.assert_array_equal(
        found["high_only"][{"region": "high"}].view(flow=True), found["pt"][{"region": "high"}].view(flow=True)
    )


def test_variations_of_weights_alone_have_the_bits_of_separate_fills():
    events, weight = jets()
    moved, _ = jets(seed=4)
    rng = np.random.default_rng(7)
    weights = {"nominal": weight} | {f"w{i}": (weight * rng.normal(1, 0.1, 200)).astype(np.float32) for i in range(5)}
    chosen = dict.fromkeys(weights, events) | {"moved": moved}
    weights["moved"] = weight
    inside = {name: ak.to_numpy(each.met) > 20 for name, each in chosen.items()}
    specs = [HistogramSpec("pt", ("Jet.pt",), Axis(10, 0.0, 200.0)), HistogramSpec("met", ("met",), Axis(9, 0.0, 99.0))]
    regions = {name: {"met": mask} for name, mask in inside.items()}
    found = fill_all(specs, chosen, weights=weights, dataset="a", regions=regions).histograms
    for spec in specs:
        for name, each in chosen.items():
            one = filled(each[inside[name]], weights[name][inside[name]], spec=spec)[{"variation": "nominal"}]
            together = found[spec.name][{"variation": name, "region": "met"}]
            np.testing.assert_array_equal(together.view(flow=True), one.view(flow=True))
