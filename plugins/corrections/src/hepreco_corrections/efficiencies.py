"""Measures efficiencies of b tagging in simulation from histograms, and writes them to a correctionlib file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import hist
import numpy as np
from correctionlib import convert, schemav2
from numpy.typing import NDArray

from hepreco.errors import StudyError

#: Values of ``hadronFlavour``.
FLAVOURS: Final = (0, 4, 5)
_AXES: Final = ("flavour", "pt", "abseta")
_SHOWN: Final = 5


def measure_efficiencies(jets: hist.Hist, tagged: Mapping[str, hist.Hist]) -> schemav2.CorrectionSet:
    """The efficiency of each working point in bins of flavour, pt and |η|, with its statistical uncertainty.

    The uncertainty is binomial for weighted events, σ² = ((1 − 2ε) Σ_tagged w² + ε² Σ_all w²) / (Σ_all w)². Beyond the
    last bins the efficiency of the last bins is used.

    Parameters
    ----------
    jets
        All jets, with the axes flavour, pt and |η| in this order, or flavour and pt. If the axes ``dataset`` and
        ``variation`` precede them, datasets are summed and the nominal variation is used.
    tagged
        By the name of each working point, the jets that pass it, with the same bins. Labels of axes may differ.

    Returns
    -------
    schemav2.CorrectionSet
        One correction, ``btag_efficiency``, with the inputs ``systematic`` (``central``, ``up``, ``down``),
        ``working_point``, ``flavour``, ``pt`` and ``abseta``.

    Raises
    ------
    StudyError
        Bins are empty, or efficiencies are not between 0 and 1; the first five such bins are named.
    """
    axes, total, variance = _contents(jets)
    systematics: dict[str, dict[str, schemav2.Content]] = {"central": {}, "up": {}, "down": {}}
    for name, passing in tagged.items():
        if [list(axis) for axis in passing.axes] != [list(axis) for axis in jets.axes]:
            raise StudyError(f"the axes of {name!r} are not those of all jets", "fill both with the same bins")
        _, passed, squares = _contents(passing)
        efficiency, error = _efficiency(passed, squares, total=total, variance=variance, axes=axes, name=name)
        for direction, sign in {"central": 0, "up": 1, "down": -1}.items():
            values = np.clip(efficiency + sign * error, 0.0, 1.0)
            systematics[direction][name] = _content(axes, values)
    return schemav2.CorrectionSet(schema_version=2, corrections=[_correction(systematics)])


def write_efficiencies(path: Path, efficiencies: schemav2.CorrectionSet) -> None:
    """Write the correctionlib file that ``btag-fixed-working-points`` reads."""
    path.write_text(efficiencies.model_dump_json(exclude_unset=True, indent=1) + "\n", "utf-8")


def _contents(given: hist.Hist) -> tuple[list[hist.axis.AxesMixin], NDArray[np.float64], NDArray[np.float64]]:
    """The axes after flavour, and Σw and Σw² of the three flavours."""
    names = [axis.name for axis in given.axes]
    chosen = given[{"variation": "nominal"}] if "variation" in names else given
    chosen = chosen[{"dataset": sum}] if "dataset" in names else chosen
    if chosen.ndim not in (2, 3):
        raise StudyError(f"a histogram of jets has {chosen.ndim} axes", "fill flavour, pt and |eta|, or flavour and pt")
    flavour, *others = chosen.axes
    places = [flavour.index(value) for value in FLAVOURS]
    if not all(0 <= place < len(flavour) for place in places) or len(set(places)) < len(places):
        raise StudyError(
            "the first axis has no bins of its own for the flavours 0, 4 and 5", "fill hadronFlavour there"
        )
    values, variances = chosen.values(), chosen.variances()
    return others, values[places], (values if variances is None else variances)[places]


def _efficiency(
    passed: NDArray[np.float64],
    squares: NDArray[np.float64],
    *,
    total: NDArray[np.float64],
    variance: NDArray[np.float64],
    axes: list[hist.axis.AxesMixin],
    name: str,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    empty = total <= 0
    efficiency = passed / np.where(empty, 1.0, total)
    _refuse(empty, "are empty", axes)
    _refuse((efficiency < 0) | (efficiency > 1), f"have no efficiency between 0 and 1 at {name!r}", axes)
    squared = ((1 - 2 * efficiency) * squares + efficiency**2 * variance) / total**2
    return efficiency, np.sqrt(np.maximum(squared, 0.0))


def _refuse(bins: NDArray[np.bool_], what: str, axes: list[hist.axis.AxesMixin]) -> None:
    wrong = np.argwhere(bins)
    if not len(wrong):
        return
    named = [
        ", ".join((f"flavour {FLAVOURS[flavour]}", *(f"{label} {_range(axis, i)}" for label, axis, i in parts)))
        for flavour, *places in wrong[:_SHOWN].tolist()
        for parts in [list(zip(("pt", "|eta|"), axes, places, strict=False))]
    ]
    more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    raise StudyError(f"{len(wrong)} bins {what}: {'; '.join(named)}{more}", "use fewer bins, or more events")


def _range(axis: hist.axis.AxesMixin, place: int) -> str:
    low, high = axis.edges[place : place + 2]
    return f"{low:g} to {high:g}"


def _content(axes: list[hist.axis.AxesMixin], values: NDArray[np.float64]) -> schemav2.Content:
    edges = [hist.axis.Variable(axis.edges, name=name) for axis, name in zip(axes, _AXES[1:], strict=False)]
    drawn = hist.Hist(hist.axis.IntCategory(FLAVOURS, name=_AXES[0]), *edges, name="efficiency", label="efficiency")
    drawn.view()[...] = values
    return convert.from_histogram(drawn, flow="clamp").data


def _correction(
    systematics: Mapping[str, Mapping[str, schemav2.Content]],
) -> schemav2.Correction:
    kinds: dict[str, Literal["string", "int", "real"]] = {
        "systematic": "string", "working_point": "string", "flavour": "int", "pt": "real", "abseta": "real"
    }  # fmt: skip
    content = [
        schemav2.CategoryItem(key=systematic, value=_category("working_point", points))
        for systematic, points in systematics.items()
    ]
    return schemav2.Correction(
        name="btag_efficiency",
        description="Share of simulated jets that pass a working point of b tagging",
        version=1,
        inputs=[schemav2.Variable(name=name, type=kind) for name, kind in kinds.items()],
        output=schemav2.Variable(name="efficiency", type="real"),
        data=schemav2.Category(nodetype="category", input="systematic", content=content),
    )


def _category(name: str, contents: Mapping[str, schemav2.Content]) -> schemav2.Category:
    items = [schemav2.CategoryItem(key=key, value=value) for key, value in contents.items()]
    return schemav2.Category(nodetype="category", input=name, content=items)
