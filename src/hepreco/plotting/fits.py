"""Figures of a fit: pulls, ranking and correlations, by cabinetry."""

from typing import Any

import numpy as np
from matplotlib import pyplot, rc_context
from matplotlib.figure import Figure

from hepreco.inference.extra import cabinetry
from hepreco.inference.fitting import Fit
from hepreco.plotting.options import FiguresConfig
from hepreco.plotting.style import rc

#: Parameters that are drawn at most; the others matter less.
MOST = 30


def fit_figures(result: Fit, *, options: FiguresConfig | None = None) -> dict[str, Figure]:
    """Draw ``pulls``, ``ranking`` and ``correlations`` of a fit.

    Parameters
    ----------
    result
        Of :func:`hepreco.inference.fit`.
    options
        Style.

    Returns
    -------
    dict
        Figures by name. Pulls are those of all systematics; the ranking shows the 30 parameters that move the measured
        one most, and correlations are those between parameters of which one has a correlation of 0.1 or more.
    """
    visualize, containers = cabinetry("visualize"), cabinetry("fit.results_containers")
    with rc_context(rc(options or FiguresConfig())):
        found = _results(containers, result)
        statistical = [name for name in result.values if name.startswith("staterror_")]
        keep: dict[str, Any] = {"save_figure": False, "close_figure": False}
        drawn = {
            "pulls": visualize.pulls(found, exclude=[*statistical, *result.free], **keep),
            "ranking": visualize.ranking(_ranking(containers, result), max_pars=MOST, **keep),
            "correlations": visualize.correlation_matrix(found, pruning_threshold=0.1, **keep),
        }
    for figure in drawn.values():
        pyplot.close(figure)
    return drawn


def _results(containers: Any, result: Fit) -> Any:
    values, spreads = (
        np.array([getattr(x, part) for x in result.values.values()]) for part in ("value", "uncertainty")
    )
    return containers.FitResults(values, spreads, list(result.values), result.correlations, result.twice_nll)


def _ranking(containers: Any, result: Fit) -> Any:
    impacts = result.impacts
    values = [result.values[name] for name in impacts.names]
    return containers.RankingResults(
        np.array([each.value for each in values]),
        np.array([each.uncertainty for each in values]),
        list(impacts.names),
        impacts.prefit_up,
        impacts.prefit_down,
        impacts.postfit_up,
        impacts.postfit_down,
    )
