from dataclasses import replace

import hist
import numpy as np
import pytest
from toy_run import CONFIG, GROUPING, expected, fitted, histogram, small

from hepreco.errors import ConfigError, StudyError
from hepreco.inference import ChannelConfig, FitConfig, Note, SystematicConfig, channels, notes
from hepreco.inference.bins import rows
from hepreco.inference.grouping import grouping
from hepreco.inference.systematics import systematics


@pytest.fixture(scope="module")
def ht():
    return histogram()


def templates(h, config, groups=GROUPING):
    return {channel.name: channel for channel in channels({"ht": h}, config, groups)}


def one_region(**options):
    return replace(CONFIG, channels=(ChannelConfig("ht", "4j1b", **options),), systematics={})


def test_a_process_is_the_sum_of_its_datasets(ht):
    for region, channel in templates(ht, CONFIG).items():
        found = channel.templates["ttbar"]
        at = ht[{"region": region, "variation": "nominal"}]
        assert found.values == pytest.approx(
            at[{"dataset": "ttbar_17"}].values() + at[{"dataset": "ttbar_18"}].values()
        )
        assert found.variances == pytest.approx(found.values / 10)
        assert channel.data == pytest.approx(at[{"dataset": "data"}].values())


def test_one_parameter_shifts_all_unless_it_is_uncorrelated(ht):
    found = templates(ht, CONFIG)
    names = {
        region: {process: set(one.effects) for process, one in each.templates.items()} for region, each in found.items()
    }
    common = {"jes", "btag", "pdf", "luminosity"}
    assert names["4j1b"]["ttbar"] == {*common, "scale_ttbar", "pileup_4j1b", "ttbar_generator"}
    assert names["4j2b"]["wjets"] == {*common, "scale_wjets", "pileup_4j2b", "wjets_norm"}


def test_a_period_is_shifted_alone(ht):
    config = replace(CONFIG, systematics={"jes": SystematicConfig(uncorrelated=("period",))})
    one = templates(ht, config)["4j1b"].templates["ttbar"]
    shifted = expected("ttbar_17", 0, "jes_up", bins=10) + expected("ttbar_18", 0, "nominal", bins=10)
    assert one.shifts["jes_2017"].up == pytest.approx(shifted)
    together = one.shifts["jes_2017"].up + one.shifts["jes_2018"].up - one.values
    assert together == pytest.approx(sum(expected(name, 0, "jes_up", bins=10) for name in ("ttbar_17", "ttbar_18")))


def test_regions_and_processes_are_chosen(ht):
    only = {"jes": SystematicConfig(regions=("4j2b",), processes=("ttbar",))}
    found = templates(ht, replace(CONFIG, systematics=only))
    having = {
        (region, process)
        for region, each in found.items()
        for process, one in each.templates.items()
        if "jes" in one.shifts
    }
    assert having == {("4j2b", "ttbar")}


def test_a_normalisation_is_log_normal(ht):
    down, up = templates(ht, CONFIG)["4j1b"].templates["wjets"].factors["wjets_norm"]
    assert (down * up, up) == pytest.approx((1.0, 1.3))
    assert SystematicConfig(norm=0.02, norm_down=0.03).factors == pytest.approx((0.97, 1.02))


def test_the_band_adds_processes_linearly_and_systematics_in_quadrature():
    h = small(
        [[[100.0], [110.0], [90.0], [104.0], [96.0]], [[50.0], [52.0], [48.0], [47.0], [53.0]]],
        variations=("nominal", "a_up", "a_down", "b_up", "b_down"),
        datasets=("ttbar", "wjets"),
    )
    channel, _ = fitted(h)
    assert channel.band.up == pytest.approx(np.hypot(10 + 2, 4 - 3))
    assert channel.band.statistical == pytest.approx(150**0.5)
    assert channel.band.total[1] == pytest.approx(np.sqrt(150 + 12**2 + 1))


def test_bins_are_merged_between_edges(ht):
    whole = rows(ht, ChannelConfig("ht", "4j1b"))
    some = rows(ht, ChannelConfig("ht", "4j1b", edges=(170, 270, 620)))
    assert some.values[..., 0] == pytest.approx(whole.values[..., 1:3].sum(-1))
    assert some.values[..., 1] == pytest.approx(whole.values[..., 3:].sum(-1))
    over = rows(ht, ChannelConfig("ht", "4j1b", edges=(170, 270, 520), overflow=True))
    assert over.values.sum() == pytest.approx(ht[{"region": "4j1b"}].values(flow=True).sum())


def test_flow_bins_are_added_only_if_asked_for():
    h = small([[[1.0, 2.0]]])
    h.fill("ttbar", "nominal", [-1.0, 5.0, 6.0])
    assert rows(h, ChannelConfig("x")).values.tolist() == [[[1, 2]]]
    assert rows(h, ChannelConfig("x", overflow=True)).values.tolist() == [[[2, 4]]]


def test_bins_of_two_axes_follow_each_other():
    h = hist.Hist(
        hist.axis.StrCategory(["ttbar"], growth=True, name="dataset"),
        hist.axis.StrCategory(["nominal"], growth=True, name="variation"),
        hist.axis.Regular(2, 0, 2, name="x"),
        hist.axis.IntCategory([4, 5], name="n"),
        storage=hist.storage.Weight(),
    ).fill("ttbar", "nominal", [0.5, 1.5, 1.5], [4, 5, 5])
    found = rows(h, ChannelConfig("x"))
    assert found.values.tolist() == [[[1, 0, 0, 2]]]
    assert found.edges.tolist() == [0, 1, 2, 3, 4]


def test_an_axis_is_named_by_its_label_or_else_by_its_name(ht):
    assert rows(ht, ChannelConfig("ht", "4j1b")).label == "H_T [GeV]"
    assert rows(small([[[1.0]]]), ChannelConfig("x")).label == "x"


def test_what_is_odd_is_named():
    h = small(
        [
            [[100.0, 10.0], [100.0, 10.0], [100.0, 10.0], [120.0, 12.0], [110, 11.0], [100.0, 11.0]],
            [[0.0, 0.0]] * 6,
            [[5.0, -1.0]] * 6,
        ],
        variations=("nominal", "idle_up", "idle_down", "same_up", "same_down", "single"),
        datasets=("ttbar", "empty", "negative"),
    )
    channel, found = fitted(h)
    assert ("no effect", "", "idle") in found
    assert ("same side", "ttbar", "same") in found
    assert ("one-sided", "ttbar", "single") in found
    assert ("empty", "empty", "") in found
    assert ("negative bins", "negative", "") in found
    assert channel.templates["negative"].values.tolist() == [5, -1]
    assert channel.templates["ttbar"].shifts["single"].down.tolist() == [100, 10]


def test_acts_are_done_only_where_asked_for_and_named():
    h = small(
        [[[100.0, 10.0], [100.01, 10.0], [99.99, 10.0], [120.0, 11.0]], [[5.0, -1.0]] * 4],
        variations=("nominal", "tiny_up", "tiny_down", "single"),
        datasets=("ttbar", "negative"),
    )
    plain, said = fitted(h)
    assert not {"pruned", "symmetrised", "smoothed", "negative bins set to zero"} & {kind for kind, _, _ in said}
    assert "tiny" in plain.templates["ttbar"].effects
    symmetric = {"single": SystematicConfig(symmetrise=True)}
    channel, found = fitted(h, prune=0.001, negative_bins="zero", systematics=symmetric)
    assert {
        ("pruned", "ttbar", "tiny"),
        ("symmetrised", "ttbar", "single"),
        ("negative bins set to zero", "negative", ""),
    } <= found
    assert "tiny" not in channel.templates["ttbar"].effects
    assert channel.templates["ttbar"].shifts["single"].down.tolist() == [80, 9]
    at_the_limit, _ = fitted(h, prune=0.2)  # single changes a bin by 20 of 100
    assert "single" in at_the_limit.templates["ttbar"].effects
    assert channel.templates["negative"].values.tolist() == [5, 0]


def test_a_dataset_without_a_variation_is_nominal_and_named():
    h = small([[[100.0], [110.0]], [[50.0], [0.0]]], variations=("nominal", "jes_up"), datasets=("ttbar", "wjets"))
    channel, found = fitted(h)
    assert channel.templates["wjets"].values.tolist() == [50]
    assert not channel.templates["wjets"].effects
    assert ("no variation", "wjets", "jes") in found


def test_a_bin_without_simulated_events_is_named():
    channel, _ = fitted(small([[[3.0, 0.0, 2.0]]]))
    assert notes([channel]) == (Note("no simulated events", "x", bins=(1,)),)


def test_members_are_ordered_by_number():
    names = ["nominal", *(f"pdf_{number}" for number in (10, 9, 1, 2))]
    config = FitConfig(systematics={"pdf": SystematicConfig(members="pdf_*", combine="asymmetric-hessian")})
    assert systematics(names, config)[0].variations == ("pdf_1", "pdf_2", "pdf_9", "pdf_10")


def test_processes_are_ordered_and_labelled():
    found = grouping(
        {
            "labels": dict.fromkeys("abcd", ""),
            "processes": {
                "a": {"name": "top", "label": "tt̄", "order": 2},
                "b": {"name": "top", "label": "tt̄", "order": 2},
                "c": {"name": "w", "colour": "red", "order": 1},
            },
            "data": ["d"],
            "periods": {"a": "2017"},
        }
    )
    assert list(found.processes.items()) == [("w", ("c",)), ("top", ("a", "b"))]
    assert (found.data, found.labels, found.colours, found.periods) == (
        ("d",),
        {"top": "tt̄"},
        {"w": "red"},
        {"a": "2017"},
    )
    assert found.is_configured
    assert not grouping({"labels": {"a": "a"}}).is_configured


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"signal": ("ttbat",)}, "names the process 'ttbat'.*\n.*did you mean 'ttbar'"),
        ({"channels": (ChannelConfig("hx", "4j1b"),)}, "names histogram 'hx'"),
        ({"channels": (ChannelConfig("ht", "5j"),)}, "names region '5j'"),
        ({"channels": (ChannelConfig("ht"),)}, "names no region"),
        ({"channels": (ChannelConfig("ht", "4j1b", edges=(130, 620)),)}, "130 is no edge"),
        ({"systematics": {"jez": SystematicConfig()}}, "no variation jez_up.*\n.*did you mean 'jes'"),
        ({"systematics": {"x": SystematicConfig(members="none_*")}}, "0 variations match"),
        ({"systematics": {"jes": SystematicConfig(processes=("zjets",))}}, "names the process 'zjets'"),
        ({"systematics": {"jes": SystematicConfig(regions=("6j",))}}, "names the channel '6j'"),
    ],
)
def test_what_is_not_there_is_an_error(ht, change, message):
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        channels({"ht": ht}, replace(CONFIG, **{"systematics": {}, **change}), GROUPING)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SystematicConfig(norm=-0.1), "norm"),
        (lambda: SystematicConfig(norm=0.1, smooth=True), "make two systematics"),
        (lambda: SystematicConfig(norm_down=0.1), "give norm too"),
        (lambda: ChannelConfig("x", edges=(1, 1)), "increasing"),
        (lambda: FitConfig(channels=(ChannelConfig("x"), ChannelConfig("x"))), "two channels"),
        (lambda: FitConfig(bounds=(2, 3)), "around 1"),
        (lambda: FitConfig(prune=2), "fraction"),
        (lambda: FitConfig(root_names="{process}"), "root_names"),
    ],
)
def test_tables_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


def test_a_histogram_of_something_else_is_refused():
    with pytest.raises(StudyError, match="expected"):
        rows(hist.Hist.new.Reg(2, 0, 1, name="x").Weight(), ChannelConfig("x"))
