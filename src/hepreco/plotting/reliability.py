"""Draws reliability diagrams."""

from collections.abc import Mapping

from matplotlib import rc_context
from matplotlib.figure import Figure

from hepreco.errors import StudyError
from hepreco.plotting.style import COLOURS, GREY, STYLE, end_labels, new_axes
from hepreco.studies import Reliability


@rc_context(STYLE)
def reliability_figure(scores: Mapping[str, Reliability]) -> Figure:
    """Draw the observed fraction of signal against the score, with their difference below.

    Parameters
    ----------
    scores
        Reliabilities by name. The legend shows the names and the expected calibration errors (ECE).

    Returns
    -------
    Figure
        Calibrated scores lie on the dotted line.

    Raises
    ------
    StudyError
        There are no scores.

    Example
    -------
    >>> import hist
    >>> from hepreco.studies import reliability
    >>> h = hist.Hist(hist.axis.Regular(20, 0, 1, name="score"), storage=hist.storage.Weight()).fill([0.2, 0.6])
    >>> reliability_figure({"random": reliability(h, h)}).axes[0].get_legend().get_texts()[0].get_text()
    'random, ECE 0.200'
    """
    if not scores:
        raise StudyError("there are no scores to draw", "give at least one")
    figure = Figure()
    above, below = new_axes(figure, ratios=(3.0, 1.0))
    above.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
    below.axhline(0, color=GREY, linestyle=":", linewidth=1.2)
    for position, (name, found) in enumerate(scores.items()):
        label = f"{name}, ECE {found.expected_calibration_error:.3f}"
        for axes, values in ((above, found.observed), (below, found.observed - found.predicted)):
            colour = COLOURS[position % len(COLOURS)]
            axes.errorbar(
                found.predicted, values, found.uncertainty, label=label, color=colour, fmt="o", markersize=3.5
            )
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    largest = max(abs(found.observed - found.predicted).max() for found in scores.values())
    below.set_ylim(-1.3 * largest - 0.01, 1.3 * largest + 0.01)
    end_labels(above, y="Fraction of signal")
    end_labels(below, x="Score", y="Difference")
    above.legend(loc="upper left")
    return figure
