"""Saves figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from fontTools import subset
from matplotlib import rc_context
from matplotlib.figure import Figure

from hepreco.errors import OutputError
from hepreco.plotting.style import STYLE

DPI = 150


@rc_context(STYLE)
def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write a figure as PNG (150 dpi) and as PDF, without dates, so that equal figures give equal files.

    Parameters
    ----------
    figure
        The figure.
    path
        Path without suffix: ``figures/chi2_assigner.top.mass`` gives ``figures/chi2_assigner.top.mass.png`` and
        ``.pdf``. Missing directories are created.

    Returns
    -------
    list of Path
        The two files.

    Raises
    ------
    OutputError
        The files cannot be written.

    Example
    -------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     [written.name for written in save_figure(Figure(), Path(directory) / "top.mass")]
    ['top.mass.png', 'top.mass.pdf']
    """
    png, pdf = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.pdf")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(png, dpi=DPI, metadata={"Software": None})
        with _glyphs_only():
            figure.savefig(pdf, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    except OSError as error:
        raise OutputError(f"cannot write the figure {path}: {error}", "choose a writable directory") from None
    return [png, pdf]


@contextmanager
def _glyphs_only() -> Iterator[None]:
    """Embed fonts without their rules for ligatures and kerning.

    A PDF has no use for them, since matplotlib has placed the glyphs, and they take most of the time of writing it.
    """
    options = subset.Options
    subset.Options = partial(options, layout_features=[])
    try:
        yield
    finally:
        subset.Options = options
