"""How figures look, artist by artist, beside what was looked at and kept in tests/data/figures.json.

``python tests/plotting/test_look.py`` writes that file anew, after a look at the figures.
"""

import json
from pathlib import Path

import hist
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from hepreco.plotting import cutflow_figure, histogram_figure, mass_peak_figure, reliability_figure, roc_figure
from hepreco.studies import mass_peak, reliability, roc

KEPT = Path(__file__).parents[1] / "data" / "figures.json"


def summary(points):
    """Some numbers that change with any of the points."""
    points = np.ma.filled(np.ma.masked_invalid(np.asarray(points, dtype=float)), 0.0).reshape(len(points), -1)
    weights = np.linspace(1, 2, len(points))[:, None]
    return [len(points), *(weights * points).sum(axis=0).tolist(), *np.abs(points).max(axis=0, initial=0).tolist()]


def described(artist):
    """What is seen of an artist, in the coordinates of its axes: the layout depends on fonts."""
    match artist:
        case Text() if artist.get_text():
            place = [*map(float, artist.get_position()), artist.get_ha(), artist.get_va()]
            row = [artist.get_text(), artist.get_fontsize(), *place]
        case Line2D():
            style = [to_hex(artist.get_color()), artist.get_linestyle(), artist.get_linewidth(), artist.get_marker()]
            row = ["line", *style, artist.get_markersize(), artist.get_zorder(), *summary(artist.get_xydata())]
        case Patch():
            style = [to_hex(artist.get_facecolor(), keep_alpha=True), artist.get_linewidth(), artist.get_hatch() or ""]
            vertices = artist.get_patch_transform().transform(artist.get_path().vertices)
            row = ["patch", *style, artist.get_fill(), artist.get_zorder(), *summary(vertices)]
        case Collection():
            colours = [to_hex(colour, keep_alpha=True) for colour in artist.get_facecolor()]
            vertices = [vertex for path in artist.get_paths() for vertex in path.vertices]
            row = ["collection", *colours, *map(float, artist.get_linewidth()), *summary(vertices)]
        case Axes():
            ticks = [len(artist.get_xticks()), len(artist.get_yticks()), artist.get_xscale(), artist.get_yscale()]
            labels = [cell for axis in (artist.xaxis, artist.yaxis) for cell in _label(axis.label)]
            row = ["axes", *map(float, (*artist.get_xlim(), *artist.get_ylim())), *ticks, *labels]
        case Legend():
            row = ["legend", artist._loc, artist._ncols, *(text.get_text() for text in artist.get_texts())]
        case _:
            row = []
    return row


def look(figure: Figure):
    """All artists of a figure that was drawn, but those that ticks, legends and frames are made of."""
    figure.draw_without_rendering()
    parts = [tick for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in _ticks(axis)]
    parts += [figure.patch, *(part for legend in figure.findobj(Legend) for part in legend.get_children())]
    hidden = {id(inner) for part in parts for inner in part.findobj()}
    found = [described(artist) for artist in figure.findobj() if id(artist) not in hidden]
    return [figure.get_size_inches().tolist(), *(row for row in found if row)]


def _ticks(axis):
    return [*axis.get_major_ticks(), *axis.get_minor_ticks(), axis.label, axis.offsetText]


def _label(text):
    return [text.get_text(), text.get_fontsize(), text.get_ha()]


def book(axis, *, variations=("nominal",)):
    datasets = hist.axis.StrCategory(["multijet", "ttbar"], growth=True, name="dataset", label="dataset")
    kinds = hist.axis.StrCategory(variations, growth=True, name="variation", label="variation")
    return hist.Hist(datasets, kinds, axis, storage=hist.storage.Weight())


def figures():
    """One of every kind, with all that it can show; numbers without rounding of a random generator."""
    axis = hist.axis.Regular(25, 100, 350, name="mass", label="mass [GeV]")
    masses = book(axis, variations=("nominal", "up"))
    bell = 172.5 + 15 * np.sinh(np.linspace(-1.8, 1.8, 4001))
    flat = np.linspace(60.0, 420.0, 3001)
    for name, shift in (("nominal", 0.0), ("up", 4.0)):
        masses.fill("ttbar", name, np.concatenate((bell, flat)) + shift, weight=0.7)
        masses.fill("multijet", name, flat - shift, weight=2.0)
    top = masses[{"dataset": "ttbar", "variation": "nominal"}]
    cuts = book(hist.axis.StrCategory(["all", "six jets", "χ² < 10"], name="cut", label="", overflow=False))
    cuts.view()[0, 0] = [[1000.0, 50.0], [300.0, 20.0], [0.0, 0.0]]
    cuts.view()[1, 0] = [[20000.0, 20.0], [9000.0, 9.0], [400.0, 0.4]]
    few = cuts.copy()
    few.view()[1, 0] = [[2000.0, 20.0], [1500.0, 9.0], [500.0, 0.4]]
    few.view()[0, 0] = [[1000.0, 50.0], [300.0, 20.0], [-100.0, 10.0]]
    score = hist.axis.Regular(200, 0, 1, name="score")
    grid = np.linspace(0.0005, 0.9995, 2000)
    signal, background = (hist.Hist(score, storage=hist.storage.Weight()).fill(x) for x in (grid**0.3, grid**1.5))
    curve, turned = roc(signal, background), roc(background, signal)
    calibrated = {"score": reliability(signal, background), "turned": reliability(background, signal)}
    peak = mass_peak(top, window=(140.0, 205.0), fit_range=(110.0, 300.0))
    return {
        "histogram": histogram_figure(masses, labels={"ttbar": "tt̄"}),
        "density": histogram_figure(masses, density=True),
        "mass peak": mass_peak_figure(top, peak, title="tt̄"),
        "cut flow": cutflow_figure(cuts, labels={"ttbar": "tt̄"}),
        "small cut flow": cutflow_figure(few),
        "roc": roc_figure({"score": curve, "turned": turned}),
        "reliability": reliability_figure(calibrated),
    }


@pytest.fixture(scope="module")
def drawn():
    return figures()


KINDS = ("histogram", "density", "mass peak", "cut flow", "small cut flow", "roc", "reliability")


@pytest.mark.parametrize("name", KINDS)
def test_figures_look_as_they_did(name, drawn):
    found, kept = look(drawn[name]), json.loads(KEPT.read_text())[name]
    assert len(found) == len(kept)
    for row, expected in zip(found, kept, strict=True):
        for cell, other in zip(row, expected, strict=True):
            if isinstance(other, float):
                assert cell == pytest.approx(other, rel=1e-4, abs=1e-6), row
            else:
                assert cell == other, row


if __name__ == "__main__":
    KEPT.write_text(json.dumps({name: look(figure) for name, figure in figures().items()}, indent=0) + "\n")
