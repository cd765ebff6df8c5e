"""Workspaces against ones written by hand, and fits of pseudo-data with known answers."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import uproot
from toy_run import CONFIG, GROUPING, fitted, histogram, small

from hepreco.errors import ConfigError, StudyError
from hepreco.inference import Fit, SystematicConfig, channels, datacard, fit, root_histograms, workspace, write_root
from hepreco.inference.combine import nominal_names
from hepreco.inference.extra import quiet_pyhf
from hepreco.inference.fitting import as_json
from hepreco.inference.histfactory import split
from hepreco.inference.shifts import Shift
from hepreco.plotting import fit_figures

cabinetry = pytest.importorskip("cabinetry")
pyhf = pytest.importorskip("pyhf")


@pytest.fixture(scope="module")
def found():
    return channels({"ht": histogram(strength=1.2)}, CONFIG, GROUPING)


@pytest.fixture(scope="module")
def asimov():
    """A fit of the prediction itself, with three parameters and without those of single bins."""
    systematics = {
        "luminosity": SystematicConfig(norm=0.017),
        "wjets_norm": SystematicConfig(norm=0.3, processes=("wjets",)),
    }
    config = replace(CONFIG, systematics=systematics, leave_out=("[!j]*",), template_statistics=False)
    return fit(workspace(channels({"ht": histogram()}, config, GROUPING), config, asimov=True))


@quiet_pyhf()
def model_of(spec):
    return cabinetry.model_utils.model_and_data(spec)


def test_a_workspace_is_the_one_that_is_written_by_hand():
    h = small(
        [[[20.0, 30.0], [24.0, 33.0], [17.0, 27.0]], [[50.0, 60.0], [50.0, 60.0], [50.0, 60.0]]],
        variations=("nominal", "jes_up", "jes_down"),
        datasets=("ttbar", "wjets"),
        variances=[[[4.0, 9.0]] * 3, [[16.0, 25.0]] * 3],
    )
    channel, _ = fitted(h, systematics={"luminosity": SystematicConfig(norm=0.02)})
    config = replace(CONFIG, systematics={}, signal=("ttbar",))
    ours, data = model_of(workspace([channel], config, asimov=True))
    luminosity = {"name": "luminosity", "type": "normsys", "data": {"hi": 1.02, "lo": 1 / 1.02}}
    by_hand = {
        "channels": [
            {
                "name": "x",
                "samples": [
                    {
                        "name": "ttbar",
                        "data": [20.0, 30.0],
                        "modifiers": [
                            {"name": "mu", "type": "normfactor", "data": None},
                            luminosity,
                            {"name": "jes", "type": "normsys", "data": {"hi": 57 / 50, "lo": 44 / 50}},
                            {
                                "name": "jes",
                                "type": "histosys",
                                "data": {
                                    "hi_data": [24.0 * 50 / 57, 33.0 * 50 / 57],
                                    "lo_data": [17.0 * 50 / 44, 27.0 * 50 / 44],
                                },
                            },
                            {"name": "staterror_x", "type": "staterror", "data": [2.0, 3.0]},
                        ],
                    },
                    {
                        "name": "wjets",
                        "data": [50.0, 60.0],
                        "modifiers": [luminosity, {"name": "staterror_x", "type": "staterror", "data": [4.0, 5.0]}],
                    },
                ],
            }
        ],
        "measurements": [
            {
                "name": "by hand",
                "config": {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[0, 10]], "inits": [1]}]},
            }
        ],
        "observations": [{"name": "x", "data": [70.0, 90.0]}],
        "version": "1.0.0",
    }
    theirs, same = model_of(by_hand)
    assert data == same
    assert ours.config.par_names == theirs.config.par_names
    assert ours.config.suggested_bounds() == theirs.config.suggested_bounds()
    rng = np.random.default_rng(1)
    for _ in range(20):
        point = abs(rng.normal(1, 0.5, ours.config.npars))
        assert ours.expected_data(point) == pytest.approx(theirs.expected_data(point), rel=1e-12)
        assert ours.logpdf(point, data) == pytest.approx(theirs.logpdf(point, data), rel=1e-12)


@quiet_pyhf()
def test_a_workspace_fits_the_schema_and_is_read_by_cabinetry(found, tmp_path):
    spec = workspace(found, CONFIG)
    pyhf.schema.validate(spec, "workspace.json")
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps(spec))
    assert cabinetry.workspace.load(path) == spec


@quiet_pyhf()
def test_yields_of_cabinetry_are_ours(found):
    model, data = model_of(workspace(found, CONFIG))
    prediction = cabinetry.model_utils.prediction(model)
    for at, name in enumerate(model.config.channels):
        (channel,) = (each for each in found if each.name == name)
        for bins, process in zip(prediction.model_yields[at], model.config.samples, strict=True):
            assert bins == pytest.approx(channel.templates[process].values)
        spread = (channel.band.total[0] + channel.band.total[1]) / 2
        assert prediction.total_stdev_model_bins[at][-1] == pytest.approx(spread, rel=0.02)
    assert data[:20] == [*found[0].data, *found[1].data]


def test_a_shift_of_the_workspace_gives_back_its_bins(found):
    model, _ = model_of(workspace(found, CONFIG))
    at = model.config.suggested_init()
    at[model.config.par_names.index("jes")] = 1.0
    expected = sum(one.shifts["jes"].up for one in found[0].templates.values())
    assert model.expected_actualdata(at)[:10] == pytest.approx(expected, rel=1e-9)


def test_asimov_data_give_back_what_was_put_in(asimov):
    assert isinstance(asimov, Fit)
    assert asimov.best.value == pytest.approx(1.0, abs=1e-3)
    for name, value in asimov.values.items():
        if name != "mu":
            assert value.value == pytest.approx(0.0, abs=1e-2)
            assert value.uncertainty <= 1.02
    assert asimov.goodness_of_fit == pytest.approx(1.0)
    for name, before in asimov.prefit.items():
        assert (asimov.postfit[name].uncertainty <= before.uncertainty).all()


def test_impacts_are_those_of_fits(asimov):
    """Read off the covariance matrix, they agree with fits at one standard deviation up to the parabola."""
    systematics = {
        "luminosity": SystematicConfig(norm=0.017),
        "wjets_norm": SystematicConfig(norm=0.3, processes=("wjets",)),
    }
    config = replace(CONFIG, systematics=systematics, leave_out=("[!j]*",), template_statistics=False)
    refitted = fit(workspace(channels({"ht": histogram()}, config, GROUPING), config, asimov=True), refit=True)
    assert refitted.impacts.names == asimov.impacts.names
    largest = abs(refitted.impacts.postfit_up).max()
    assert asimov.impacts.postfit_up == pytest.approx(refitted.impacts.postfit_up, abs=0.15 * largest)
    assert asimov.impacts.prefit_down == pytest.approx(refitted.impacts.prefit_down, abs=0.3 * largest)


@pytest.mark.parametrize("strength", [0.7, 1.6])
def test_the_signal_strength_of_pseudo_data_is_found(strength):
    config = replace(CONFIG, systematics={}, leave_out=("*",), template_statistics=False)
    pulls = []
    for seed in range(20):
        result = fit(workspace(channels({"ht": histogram(strength=strength, seed=seed)}, config, GROUPING), config))
        pulls.append((result.best.value - strength) / result.best.uncertainty)
    assert np.mean(pulls) == pytest.approx(0.0, abs=4 / 20**0.5)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.6)


def test_figures_of_a_fit_leave_single_bins_out(found):
    result = fit(workspace(found[:1], CONFIG))
    figures = fit_figures(result)
    assert set(figures) == {"pulls", "ranking", "correlations"}
    for name in ("pulls", "ranking"):
        shown = [label.get_text() for label in figures[name].axes[0].get_yticklabels()]
        assert {"jes", "luminosity"} <= set(shown)
        assert not any(label.startswith("staterror") for label in shown)


def test_a_result_can_be_stored(asimov):
    stored = json.loads(json.dumps(as_json(asimov)))
    assert stored["parameter"]["name"] == "mu"
    assert set(stored["impacts"]) == set(stored["parameters"]) - {"mu"}
    matrix = np.array(stored["correlations"]["matrix"])
    assert matrix == pytest.approx(matrix.T)
    assert np.diag(matrix) == pytest.approx(1.0)


def test_events_where_none_are_expected_are_an_error():
    channel, _ = fitted(small([[[3.0, 0.0, 2.0]]]))
    with pytest.raises(StudyError, match=r"(?s)events in bins 1.*edges"):
        fit(workspace([replace(channel, data=np.array([3.0, 1.0, 2.0]))], replace(CONFIG, signal=("ttbar",))))


def test_a_fit_that_does_not_converge_is_an_error():
    channel, _ = fitted(small([[[3.0, 2.0]]]))
    with pytest.raises(StudyError, match="does not converge"):
        fit(workspace([replace(channel, data=np.array([np.nan, 2.0]))], replace(CONFIG, signal=("ttbar",))))


def test_missing_data_are_an_error_with_two_remedies(found):
    with pytest.raises(StudyError, match=r"(?s)no data histogram.*data = true.*--asimov"):
        workspace([replace(found[0], data=None)], CONFIG)


def test_without_signal_there_is_nothing_to_fit(found):
    with pytest.raises(StudyError, match="channels and a signal"):
        workspace(found, replace(CONFIG, signal=()))


def test_a_missing_extra_is_named(found, monkeypatch):
    for name in ("cabinetry", "cabinetry.fit", "cabinetry.model_utils"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=r"(?s)cabinetry.* is not installed.*hepreco\[fit\]"):
        fit(workspace(found, CONFIG))


def test_root_histograms_hold_the_templates(found, tmp_path):
    path = tmp_path / "templates.root"
    write_root(path, root_histograms(found, CONFIG))
    with uproot.open(path) as file:
        assert file["4j1b/data_obs"].values() == pytest.approx(found[0].data)
        for channel in found:
            for process, template in channel.templates.items():
                stored = file[f"{channel.name}/{process}"]
                assert stored.values() == pytest.approx(template.values)
                assert stored.errors() == pytest.approx(np.sqrt(template.variances))
                assert stored.axis().edges() == pytest.approx(channel.edges)
                for name, shift in template.shifts.items():
                    if shift.is_used:
                        assert file[f"{channel.name}/{process}_{name}Up"].values() == pytest.approx(shift.up)
                        assert file[f"{channel.name}/{process}_{name}Down"].values() == pytest.approx(shift.down)


def test_every_shape_of_the_datacard_is_in_the_file(found):
    config = replace(CONFIG, free=("wjets",))
    names = set(root_histograms(found, config))
    lines = [line.split() for line in datacard(found, config, file="templates.root").splitlines()]
    (regions,) = (line[1:] for line in lines if line[0] == "bin" and len(line) > 3)
    processes, numbers = (line[1:] for line in lines if line[0] == "process")
    shapes = [line for line in lines if len(line) > 1 and line[1] == "shape"]
    assert {line[0] for line in shapes} > {"jes", "btag", "pileup_4j1b", "scale_ttbar"}
    for line in shapes:
        for region, process, cell in zip(regions, processes, line[2:], strict=True):
            for side in ("Up", "Down") if cell == "1" else ():
                assert f"{region}/{process}_{line[0]}{side}" in names
    assert {process for process, number in zip(processes, numbers, strict=True) if int(number) <= 0} == {"ttbar"}
    assert ["luminosity", "lnN", *["1.017"] * 6] in lines
    assert ["wjets_norm", "rateParam", "4j1b", "wjets", "1", "[0,10]"] in lines
    assert lines[-1] == ["*", "autoMCStats", "0"]


@pytest.mark.parametrize(
    ("names", "nominal"),
    [
        ("{region}/{process}_{systematic}", "{region}/{process}"),
        ("{process}__{region}__{systematic}", "{process}__{region}"),
        ("h_{systematic}_{process}_{region}", "h_{process}_{region}"),
    ],
)
def test_nominal_names_leave_the_systematic_out(names, nominal):
    assert nominal_names(names) == nominal


def test_a_name_that_a_datacard_cannot_hold_is_refused(found):
    with pytest.raises(ConfigError, match="cannot stand in a datacard"):
        datacard([replace(found[0], name="four jets")], CONFIG, file="x.root")


def test_a_shift_of_shape_alone_has_no_yield():
    nominal = np.array([10.0, 10.0])
    (only,) = split("x", Shift(np.array([12.0, 8.0]), np.array([8.0, 12.0])), nominal)
    assert only["type"] == "histosys"
