import pytest

from hepreco.errors import ConfigError
from hepreco.histograms import HistogramSpec
from hepreco.histograms.specs import check_memory, overflow_warnings
from hepreco.plugin import Axis

AXIS = Axis(10, 0.0, 5.0)


@pytest.mark.parametrize("name", ["index", "Provenance", "roc", "dataset", "variation", "weight", "sample", "threads"])
def test_names_that_stand_for_something_else_are_refused(name):
    with pytest.raises(ConfigError, match=f"a histogram is named '{name}': hepreco uses"):
        HistogramSpec(name, ("Jet.pt",), AXIS)


@pytest.mark.parametrize("name", ["../../escaped", "/tmp/x", "..", "", "a/b"])
def test_names_that_would_leave_the_output_are_refused(name):
    with pytest.raises(ConfigError, match="a histogram is named"):
        HistogramSpec(name, ("Jet.pt",), AXIS)


def test_a_histogram_has_a_column():
    with pytest.raises(ConfigError, match="'x' names no column"):
        HistogramSpec("x", (), AXIS)


def test_histograms_that_would_fill_the_memory_are_refused():
    specs = [HistogramSpec(f"h{i}", ("Jet.pt",), Axis(1000, 0.0, 5.0)) for i in range(199)]
    check_memory(specs, variations=60)
    wide = HistogramSpec("wide", ("Jet.pt",), Axis(1_000_000, 0.0, 5.0))
    check_memory([*specs, wide], variations=1)
    said = r"200 histograms of 60 variations take 1\.1 GiB for each dataset, more than 1\b(.|\n)*'wide' has the most"
    with pytest.raises(ConfigError, match=said):
        check_memory([*specs, wide], variations=60)


@pytest.mark.parametrize(
    ("counts", "said"), [((3, 0), True), ((3, 1), False), ((0, 4), False)], ids=["only the end", "both", "only beyond"]
)
def test_an_overflow_of_nothing_but_the_upper_end_is_said(counts, said):
    overflow = {"x": dict(zip(("at_stop", "beyond"), counts, strict=True)), "gone": {"at_stop": 1, "beyond": 0}}
    warnings = overflow_warnings([HistogramSpec("x", ("Jet.pt",), AXIS)], overflow)
    assert len(warnings) == said
    assert all("histogram 'x': its overflow holds 3 entries, all exactly at the upper end 5" in w for w in warnings)
