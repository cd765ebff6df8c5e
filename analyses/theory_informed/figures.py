"""Two figures of the run that show the heart of it: masses of top quarks beside truth, and tt̄ against an anomaly.

They need two steps of the run:

    python analyses/theory_informed/run.py output/theory_informed --steps jets anomaly
    python analyses/theory_informed/figures.py output/theory_informed
"""

import argparse
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from hepreco import plotting, studies
from hepreco.histograms import read_histograms
from hepreco.plotting.style import STYLE

METHODS = {
    "truth": "truth, where all three jets exist",
    "me_assigner": "me-assigner",
    "chi2_assigner": "χ²",
}
SCORES = {
    "exact.score": "$-\\ln|M|^2$, exact",
    "policy.score": "$-\\ln|M|^2$, policy",
    "exact.decay_score": "decays alone",
    "autoencoder.error": "autoencoder",
    "unassigned.score": "$-\\ln|M|^2$, no assignment",
}


def main() -> None:
    """Draw them into the directory ``figures``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    output = parser.parse_args().output
    tops = read_histograms(output / "jets.zip").histograms["top.mass"]
    written = plotting.save_figure(plotting.histogram_figure(tops, labels=METHODS), output / "figures" / "top_mass")
    found = read_histograms(output / "anomaly.zip").histograms
    curves = {}
    for name, label in SCORES.items():
        signal, background = (
            found[name][{"dataset": dataset, "variation": "nominal"}] for dataset in ("wwuu-window", "ttbar")
        )
        curves[label] = studies.roc(signal, background)
    written += plotting.save_figure(legend_above(plotting.roc_figure(curves)), output / "figures" / "anomaly_roc")
    print("figures:", ", ".join(str(path) for path in written))


@rc_context(STYLE)
def legend_above(figure: Figure) -> Figure:
    """The same figure with its legend out of the way of curves."""
    (axes,) = figure.axes
    axes.get_legend().remove()
    figure.set_size_inches(6.4, 6.0)
    figure.legend(loc="outside upper right")
    return figure


if __name__ == "__main__":
    main()
