"""The configuration of a fit, the table ``[fit]``."""

from dataclasses import dataclass, field
from string import Formatter
from typing import Final, Literal

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError
from hepreco.names import check_name

Combination = Literal["envelope", "hessian", "asymmetric-hessian", "replicas"]
Part = Literal["process", "region", "period"]
#: Fields in the names of ROOT histograms.
FIELDS: Final = frozenset({"region", "process", "systematic"})


@dataclass(frozen=True)
class ChannelConfig:
    """A table ``[[fit.channels]]``: a histogram whose bins enter the fit.

    Parameters
    ----------
    histogram
        Name of the histogram.
    region
        Region of the histogram; not needed for a histogram without regions.
    name
        Name of the channel; by default that of the region, or else of the histogram.
    edges
        Edges between which bins are merged, out of the histogram's edges; bins outside are left out. By default all
        bins are used as they are.
    overflow
        Whether entries below the first edge or above the last one are added to the first or last bin.
    """

    histogram: str
    region: str = ""
    name: str = ""
    edges: tuple[float, ...] = ()
    overflow: bool = False

    def __post_init__(self) -> None:
        check_name(self.title, what="a channel of the fit")
        if self.edges and (len(self.edges) < 2 or list(self.edges) != sorted(set(self.edges))):
            raise ConfigError(f"channel {self.title!r} has edges = {list(self.edges)}", "give two or more, increasing")

    @property
    def title(self) -> str:
        """The name of the channel."""
        return self.name or self.region or self.histogram


@dataclass(frozen=True)
class SystematicConfig:
    """A table ``[fit.systematics.<name>]``: a systematic uncertainty.

    It uses the variations ``<name>_up`` and ``<name>_down``, or the single variation ``<name>``, unless it has ``norm``
    or ``members``.

    Parameters
    ----------
    norm
        A log-normal uncertainty of the normalisation instead of variations: 0.02 is a factor 1.02 up, and 1/1.02 down.
    norm_down
        The downward uncertainty, if it differs: 0.03 is a factor 0.97.
    members
        A pattern of variations, such as ``pdf_*``, that are combined into one pair of shifts.
    combine
        How members are combined: ``envelope`` of the members and the nominal bins; ``hessian``, the root of the sum of
        squared differences to the nominal bins; ``asymmetric-hessian``, where members are pairs along the two
        directions of each eigenvector; or the standard deviation of ``replicas``.
    processes
        Processes to which it applies; by default all.
    regions
        Channels to which it applies; by default all.
    uncorrelated
        ``process``, ``region`` or ``period``, each of which then has its own parameter. By default one parameter shifts
        all templates.
    symmetrise
        Whether both shifts are replaced by half of their difference, and a one-sided shift is mirrored.
    smooth
        Whether shifts relative to the nominal bins are smoothed (353QH, twice, as in ROOT), their yields kept.
    """

    norm: float | None = None
    norm_down: float | None = None
    members: str = ""
    combine: Combination = "envelope"
    processes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    uncorrelated: tuple[Part, ...] = ()
    symmetrise: bool = False
    smooth: bool = False

    def __post_init__(self) -> None:
        if self.norm is not None:
            check_positive(self.norm, what="norm of a systematic", unit="")
            if self.members or self.symmetrise or self.smooth:
                raise ConfigError(
                    "a systematic has norm, and with it members, symmetrise or smooth, which are for variations",
                    "make two systematics of it",
                )
        if self.norm_down is not None and (self.norm is None or not 0 < self.norm_down < 1):
            raise ConfigError(
                f"norm_down = {self.norm_down} of a systematic", "give norm too, and norm_down between 0 and 1"
            )

    @property
    def factors(self) -> tuple[float, float]:
        """Factors on a template from a normalisation uncertainty, down and up."""
        up = 1.0 + (self.norm or 0.0)
        return 1.0 / up if self.norm_down is None else 1.0 - self.norm_down, up


@dataclass(frozen=True)
class FitConfig:
    """A table ``[fit]``: the bins, the measured parameter, and the systematic uncertainties.

    Parameters
    ----------
    channels
        Histograms whose bins are fitted.
    signal
        Processes that the measured parameter multiplies.
    parameter
        Name of the measured parameter, the signal strength.
    bounds
        Bounds of the signal strength and of free normalisations.
    free
        Other processes whose normalisation is a free parameter, ``<process>_norm``.
    systematics
        Systematic uncertainties. Variations without a table are systematics too, fully correlated.
    leave_out
        Patterns of variations that are not used.
    template_statistics
        Whether templates have the statistical uncertainty of the simulation: one parameter per bin, for the sum of all
        processes (Barlow–Beeston lite).
    negative_bins
        ``keep`` negative bins of templates, or set them to ``zero``.
    prune
        Shifts that change every bin of a template by less than this fraction are left out, for example 0.001.
    root_names
        Names of ROOT histograms, made of the three fields of the default; names of nominal ones lack the systematic.
    """

    channels: tuple[ChannelConfig, ...] = ()
    signal: tuple[str, ...] = ()
    parameter: str = "mu"
    bounds: tuple[float, float] = (0.0, 10.0)
    free: tuple[str, ...] = ()
    systematics: dict[str, SystematicConfig] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    template_statistics: bool = True
    negative_bins: Literal["keep", "zero"] = "keep"
    prune: float = 0.0
    root_names: str = "{region}/{process}_{systematic}"

    def __post_init__(self) -> None:
        titles = [channel.title for channel in self.channels]
        for title in titles:
            if titles.count(title) > 1:
                raise ConfigError(f"two channels of the fit are called {title!r}", "give one of them another name")
        if not self.bounds[0] <= 1.0 <= self.bounds[1] or self.bounds[0] == self.bounds[1]:
            raise ConfigError(f"[fit] has bounds = {list(self.bounds)}", "give two numbers around 1")
        if not 0.0 <= self.prune < 1.0:
            raise ConfigError(f"[fit] has prune = {self.prune}", "give a fraction such as 0.001")
        if sorted(_fields(self.root_names)) != sorted(FIELDS):
            raise ConfigError(
                f"[fit] has root_names = {self.root_names!r}", "use {region}, {process} and {systematic}, each once"
            )


def _fields(names: str) -> list[str]:
    try:
        return [name for _, name, _, _ in Formatter().parse(names) if name is not None]
    except ValueError:
        return []
