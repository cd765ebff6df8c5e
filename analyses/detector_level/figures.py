"""Draws efficiency against the number of jets, and calibration of the posterior, from ``benchmark.json``.

python analyses/detector_level/figures.py results
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import matplotlib.pyplot as plt

from hepreco.plotting.style import STYLE

METHODS: Final = ("χ²", "resolution (0.8, 0.05)", "learned detector")
NUMBERS: Final = ("6", "7", "8 or more")


def main() -> None:
    """Draw both figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    directory = parser.parse_args().directory
    results = json.loads((directory / "benchmark.json").read_text("utf-8"))
    with plt.rc_context(STYLE):
        for name, draw in {"efficiency": efficiency, "calibration": calibration}.items():
            figure, axes = plt.subplots()
            draw(axes, results)
            axes.legend()
            figure.savefig(directory / f"{name}.png", dpi=150, bbox_inches="tight")


def efficiency(axes: Any, results: Mapping[str, Any]) -> None:
    """The fraction of complete events with both top quarks right, against the number of jets."""
    for shift, method in zip((-0.1, 0.0, 0.1), METHODS, strict=True):
        rows = [results[method][number] for number in NUMBERS]
        at = [position + shift for position in range(len(rows))]
        axes.errorbar(at, [r["efficiency"] for r in rows], [r["error"] for r in rows], fmt="o", label=method)
    axes.set(xticks=range(3), xticklabels=NUMBERS, xlabel="number of jets", ylabel="event efficiency", ylim=(0, 1))
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)


def calibration(axes: Any, results: Mapping[str, Any]) -> None:
    """How often the assignment is right against its posterior probability, in tenths of the events."""
    for method in METHODS[1:]:
        rows = results[method]["reliability"]
        says = [row["mean probability"] for row in rows]
        axes.errorbar(says, [r["efficiency"] for r in rows], [r["error"] for r in rows], fmt="o-", label=method)
    axes.plot((0, 1), (0, 1), ":", color="grey")
    axes.set(xlabel="posterior probability", ylabel="fraction right", xlim=(0, 1), ylim=(0, 1))


if __name__ == "__main__":
    main()
