"""Histograms as a run leaves them, of a made-up analysis with known answers."""

import hist
import numpy as np

from hepreco.inference import ChannelConfig, FitConfig, Grouping, SystematicConfig, channels, notes

REGIONS = ("4j1b", "4j2b")
VARIATIONS = (
    *("nominal", "jes_up", "jes_down", "btag_up", "btag_down", "pileup_up", "pileup_down", "ttbar_generator"),
    *(f"scale_{number}" for number in range(6)),
    *(f"pdf_{number}" for number in range(10)),
)
GROUPING = Grouping(
    {"wjets": ("wjets",), "single_top": ("single_top",), "ttbar": ("ttbar_17", "ttbar_18")},
    data=("data",),
    periods={"ttbar_17": "2017", "ttbar_18": "2018"},
    labels={"wjets": "W+jets", "single_top": "single top", "ttbar": "tt̄"},
)
CONFIG = FitConfig(
    channels=tuple(ChannelConfig("ht", region) for region in REGIONS),
    signal=("ttbar",),
    systematics={
        "luminosity": SystematicConfig(norm=0.017),
        "wjets_norm": SystematicConfig(norm=0.3, processes=("wjets",)),
        "scale": SystematicConfig(members="scale_*", uncorrelated=("process",)),
        "pdf": SystematicConfig(members="pdf_*", combine="hessian"),
        "ttbar_generator": SystematicConfig(symmetrise=True),
        "pileup": SystematicConfig(uncorrelated=("region",)),
    },
)
#: Expected events in both regions, and the mean of the exponential tail in GeV.
PROCESSES = {
    "wjets": ((1500, 200), 110.0),
    "single_top": ((600, 300), 140.0),
    "ttbar_17": ((1600, 1400), 190.0),
    "ttbar_18": ((2400, 2100), 190.0),
}


def shape(mean, *, bins, scale=1.0):
    """The fraction of events in each bin from 120 to 620 GeV."""
    edges = np.linspace(120, 620, bins + 1)
    density = -np.diff((1 + (edges - 90) / (mean * scale)) * np.exp(-(edges - 90) / (mean * scale)))
    return density / density.sum()


def expected(process, region, variation, *, bins):
    events, mean = PROCESSES[process]
    kind, _, which = variation.partition("_")
    side = {"up": 1.0, "down": -1.0}.get(which, 0.0)
    scale, factor, slope = 1.0, 1.0, np.linspace(-1, 1, bins)
    match kind:
        case "jes":
            scale, factor = 1 + 0.03 * side, 1 + 0.05 * side
        case "btag":
            factor = 1 + side * (0.03, 0.06)[region]
        case "pileup":
            factor = 1 + 0.004 * side
        case "scale":
            factor = 1 + 0.1 * np.cos(float(which)) + 0.03 * slope
        case "pdf":
            factor = 1 + 0.01 * np.sin(float(which) + slope)
        case "ttbar":
            factor = 1 + 0.05 * slope if process.startswith("ttbar") else 1.0
    return events[region] * shape(mean, bins=bins, scale=scale) * factor


def histogram(*, strength=1.0, bins=10, seed=1, per_event=10, asimov=False):
    """Simulation of ten times the data, without fluctuations; data of known signal strength."""
    datasets = [*PROCESSES, "data"]
    h = hist.Hist(
        hist.axis.StrCategory(datasets, growth=True, name="dataset", label="dataset"),
        hist.axis.StrCategory(VARIATIONS, growth=True, name="variation", label="variation"),
        hist.axis.StrCategory(REGIONS, growth=True, name="region", label="region"),
        hist.axis.Regular(bins, 120, 620, name="ht", label="H_T", __dict__={"unit": "GeV"}),
        storage=hist.storage.Weight(),
    )
    view, rng = h.view(), np.random.default_rng(seed)
    for region in range(len(REGIONS)):
        total = np.zeros(bins)
        for row, process in enumerate(PROCESSES):
            for column, variation in enumerate(VARIATIONS):
                values = expected(process, region, variation, bins=bins)
                view["value"][row, column, region] = values
                view["variance"][row, column, region] = values / per_event
            total += expected(process, region, "nominal", bins=bins) * (strength if "ttbar" in process else 1.0)
        observed = total if asimov else rng.poisson(total)
        view["value"][-1, 0, region] = view["variance"][-1, 0, region] = observed
    return h


def small(values, *, variations=("nominal",), datasets=("ttbar",), variances=None):
    """A histogram of the given values, of shape (dataset, variation, bin)."""
    values = np.asarray(values, dtype=float)
    h = hist.Hist(
        hist.axis.StrCategory(datasets, growth=True, name="dataset"),
        hist.axis.StrCategory(variations, growth=True, name="variation"),
        hist.axis.Regular(values.shape[-1], 0, 1, name="x"),
        storage=hist.storage.Weight(),
    )
    h.view()["value"] = values
    h.view()["variance"] = abs(values) if variances is None else variances
    return h


def fitted(h, **options):
    config = FitConfig(channels=(ChannelConfig("x"),), signal=("ttbar",), **options)
    groups = Grouping({name: (name,) for name in h.axes["dataset"]})
    (channel,) = channels({"x": h}, config, groups)
    return channel, {(note.kind, note.process, note.parameter) for note in notes([channel])}
