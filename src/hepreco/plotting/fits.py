"""Figures of a fit: pulls, ranking and correlations, by cabinetry."""

from typing import Any

import numpy as np
from matplotlib import pyplot, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hepreco.inference.extra import cabinetry
from hepreco.inference.fitting import Fit
from hepreco.plotting.options import FiguresConfig
from hepreco.plotting.style import rc

#: Largest number of parameters in the ranking.
MOST = 30


def fit_figures(result: Fit, *, options: FiguresConfig | None = None) -> dict[str, Figure]:
    """Draw ``pulls``, ``ranking`` and ``correlations`` of a fit.

    Parameters
    ----------
    result
        The result of :func:`hepreco.inference.fit`.
    options
        Style.

    Returns
    -------
    dict
        Figures by name. The pulls are those of all systematics. The ranking has the 30 parameters with the largest
        impacts. The correlations are those of parameters with at least one correlation of 0.1 or more, and the only
        figure with the parameters for the statistical uncertainty of templates.
    """
    visualize, containers = cabinetry("visualize"), cabinetry("fit.results_containers")
    with rc_context(rc(options or FiguresConfig())):
        found = _results(containers, result)
        statistical = [name for name in result.values if _is_statistical(name)]
        keep: dict[str, Any] = {"save_figure": False, "close_figure": False}
        drawn = {
            "pulls": visualize.pulls(found, exclude=[*statistical, *result.free], **keep),
            "ranking": visualize.ranking(_ranking(containers, result), max_pars=MOST, **keep),
            "correlations": visualize.correlation_matrix(found, pruning_threshold=0.1, **keep),
        }
    for figure in drawn.values():
        for axes in figure.axes:
            axes.yaxis.set_minor_locator(NullLocator())
        pyplot.close(figure)
    drawn["correlations"].axes[0].xaxis.set_minor_locator(NullLocator())
    return drawn


def _is_statistical(name: str) -> bool:
    """Whether a parameter is that of the statistical uncertainty in a bin, which is a factor around 1 and no pull."""
    return name.startswith("staterror_")


def _results(containers: Any, result: Fit) -> Any:
    values, spreads = (
        np.array([getattr(x, part) for x in result.values.values()]) for part in ("value", "uncertainty")
    )
    return containers.FitResults(values, spreads, list(result.values), result.correlations, result.twice_nll)


def _ranking(containers: Any, result: Fit) -> Any:
    impacts = result.impacts
    shown = [at for at, name in enumerate(impacts.names) if not _is_statistical(name)]
    values = [result.values[impacts.names[at]] for at in shown]
    return containers.RankingResults(
        np.array([each.value for each in values]),
        np.array([each.uncertainty for each in values]),
        [impacts.names[at] for at in shown],
        impacts.prefit_up[shown],
        impacts.prefit_down[shown],
        impacts.postfit_up[shown],
        impacts.postfit_down[shown],
    )
