"""Figures of histograms and of study results; each function returns its own Figure, without pyplot.

The public names are imported when they are first used, so that a run without figures does not pay for them.
"""

from typing import TYPE_CHECKING

from hepreco.lazy import public_names

if TYPE_CHECKING:
    from hepreco.plotting.cutflows import cutflow_figure as cutflow_figure
    from hepreco.plotting.files import save_figure as save_figure
    from hepreco.plotting.fits import fit_figures as fit_figures
    from hepreco.plotting.histograms import histogram_figure as histogram_figure
    from hepreco.plotting.mass_peaks import mass_peak_figure as mass_peak_figure
    from hepreco.plotting.options import FiguresConfig as FiguresConfig
    from hepreco.plotting.planes import plane_figure as plane_figure
    from hepreco.plotting.reliability import reliability_figure as reliability_figure
    from hepreco.plotting.roc_curves import roc_figure as roc_figure
    from hepreco.plotting.shapes import shape_figure as shape_figure
    from hepreco.plotting.shapes import shift_figure as shift_figure
    from hepreco.plotting.stacks import Stack as Stack
    from hepreco.plotting.stacks import stack_figure as stack_figure
    from hepreco.plotting.stacks import stack_of as stack_of
    from hepreco.plotting.stacks import stack_of_fit as stack_of_fit
else:
    __all__, __getattr__, __dir__ = public_names(__name__, __file__)
