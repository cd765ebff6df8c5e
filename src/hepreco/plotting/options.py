"""Options of an analysis's figures, the table ``[figures]``."""

from dataclasses import dataclass, field
from typing import Literal

from hepreco.errors import ConfigError


@dataclass(frozen=True)
class FiguresConfig:
    """A table ``[figures]``.

    Parameters
    ----------
    style
        Fonts and label of an experiment, from mplhep; by default none.
    label
        Text beside the experiment's name, for example ``Preliminary``.
    luminosity
        Text above the panel on the right, for example ``138 fb⁻¹ (13 TeV)``.
    blind
        By histogram, the window in which no data are drawn.
    most_bins
        Largest number of bins in figures; bins of histograms with more are merged.
    logarithmic
        Histograms whose numbers of events are drawn on a logarithmic scale.
    shapes
        Whether to draw also the shapes of all processes, normalised to one.
    shifts
        Processes whose systematic shifts are drawn relative to the nominal template.
    """

    style: Literal["", "ALICE", "ATLAS", "CMS", "DUNE", "LHCb"] = ""
    label: str = ""
    luminosity: str = ""
    blind: dict[str, tuple[float, float]] = field(default_factory=dict)
    most_bins: int = 50
    logarithmic: tuple[str, ...] = ()
    shapes: bool = False
    shifts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (low, high) in self.blind.items():
            if not low < high:
                raise ConfigError(f"[figures] blinds {name!r} from {low:g} to {high:g}", "give the lower end first")
        if self.most_bins < 1:
            raise ConfigError(f"[figures] has most_bins = {self.most_bins}", "give a positive number, such as 50")
