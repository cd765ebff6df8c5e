"""What figure 2 of arXiv:2105.10126 shows: V against the human variable, and its spectra at four masses.

    python analyses/event_variables/figures.py output/event_variables

It also prints how well the mass of A is found from 500 events at 320 GeV, by templates of V and of the human variable.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import hist
import matplotlib as mpl
import mplhep as mh
import numpy as np
import torch
from benchmark import HUMAN
from matplotlib.figure import Figure
from numpy.typing import NDArray

from hepreco.generation import TOPOLOGIES, TopologySample, sample_topology
from hepreco.plotting.style import COLOURS, STYLE
from hepreco.weights import load_network
from hepreco_event_variables import EventVariable
from hepreco_event_variables.masses import templates
from hepreco_event_variables.reconstructor import PACKAGED
from hepreco_event_variables.sampling import observed

SEED = 1001
MASSES, M_C = (200.0, 280.0, 320.0, 400.0), 100.0
TRUE_MASS, FEW_EVENTS = 320.0, 500
AXIS = hist.axis.Regular(100, 0.0, 600.0, name="v", label="$V$ [GeV]")


def main() -> None:
    """One figure per topology, and the table of masses."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--experiments", type=int, default=40)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    print(f"| topology | variable | error of m_A, {FEW_EVENTS} events | bias | intervals that contain m_A |")
    print("|---|---|---|---|---|")
    for name in TOPOLOGIES:
        with mpl.rc_context(STYLE):
            figure(name, events=options.events).savefig(options.output / f"{name}.png", dpi=120)
        first = next(iter(HUMAN[name]))
        for label, variable in (("V", partial(learned, name)), (first, partial(human, name, first))):
            print(
                f"| {name} | {label} | {_mass_error(name, variable, options.events, options.experiments)} |", flush=True
            )


@torch.no_grad()
def learned(name: str, sample: TopologySample) -> NDArray[np.float64]:
    """V of the packaged weights, GeV."""
    network = load_network(EventVariable, directory=PACKAGED / name, device="cpu")
    return network.in_gev(network(observed(network, sample))).numpy()


def human(name: str, variable: str, sample: TopologySample) -> NDArray[np.float64]:
    """A variable that people derived, GeV."""
    return HUMAN[name][variable](sample).numpy()


def figure(name: str, *, events: int) -> Figure:
    """Left the heat map over the prior, right unit-normalised spectra at four masses."""
    first = next(iter(HUMAN[name]))
    drawn = Figure(figsize=(11.0, 4.6))
    left, right = drawn.subplots(1, 2)
    sample = sample_topology(name, events=events, seed=SEED)
    both = hist.Hist(hist.axis.Regular(100, 0.0, 600.0, label=f"${_tex(first)}$ [GeV]"), AXIS)
    both.fill(human(name, first, sample), learned(name, sample))
    map_of_events = mh.hist2dplot(both, ax=left, norm=mpl.colors.LogNorm(), cmap="viridis", flow="none", cbar=False)
    drawn.colorbar(map_of_events.pcolormesh, ax=left, label="events")
    left.set_title(name.replace("-", " "), loc="left")
    for mass, colour in zip(MASSES, COLOURS, strict=False):
        for variable, style in ((partial(learned, name), "-"), (partial(human, name, first), ":")):
            spectrum = hist.Hist(AXIS).fill(variable(_at(name, mass, events=events)))
            mh.histplot(
                spectrum.values() / spectrum.sum(flow=True) / AXIS.widths,
                AXIS.edges,
                ax=right,
                color=colour,
                linestyle=style,
                flow="none",
                yerr=False,
                label=f"$m_A$ = {mass:g} GeV" if style == "-" else None,
            )
    right.plot([], [], color="grey", linestyle=":", label=f"${_tex(first)}$")
    right.plot([], [], color="grey", linestyle="-", label="$V$")
    right.set(
        xlabel=f"$V$ or ${_tex(first)}$ [GeV]", ylabel="Fraction of events / GeV", xlim=(0.0, 600.0), ylim=(0.0, None)
    )
    right.set_ylim(0.0, 1.3 * right.get_ylim()[1])
    right.legend(fontsize=10)
    if name == "visible-pair":
        right.set_yscale("log")
        right.set_ylim(1e-5, 5.0)
    return drawn


def _at(name: str, mass: float, *, events: int, seed: int = SEED) -> TopologySample:
    others = (M_C,) if len(TOPOLOGIES[name].parameters) > 1 else ()
    return sample_topology(name, events=events, seed=seed, parameters=(mass, *others))


def _mass_error(
    name: str, variable: Callable[[TopologySample], NDArray[np.float64]], events: int, experiments: int
) -> str:
    """Half the 68 % interval, mean deviation, and coverage, over pseudo-experiments."""
    others = (M_C,) if len(TOPOLOGIES[name].parameters) > 1 else ()
    made = templates(
        variable, topology=name, masses=np.arange(280.0, 361.0, 2.5), others=others, edges=AXIS.edges, events=events
    )
    pool = variable(_at(name, TRUE_MASS, events=FEW_EVENTS * experiments, seed=SEED + 1)).reshape(experiments, -1)
    found = [made.fit(hist.Hist(hist.axis.Variable(AXIS.edges)).fill(values)) for values in pool]
    errors = [(estimate.upper - estimate.lower) / 2 for estimate in found]
    shifts = [estimate.mass - TRUE_MASS for estimate in found]
    covered = sum(estimate.lower <= TRUE_MASS <= estimate.upper for estimate in found)
    bias = f"{np.mean(shifts):+.2f} ± {np.std(shifts) / experiments**0.5:.2f} GeV"
    return f"{np.mean(errors):.2f} GeV | {bias} | {covered} of {experiments}"


def _tex(variable: str) -> str:
    """For labels: m_T2(0) with its index."""
    head, _, index = variable.partition("_")
    index, bracket, argument = index.partition("(")
    return f"{head}_{{{index}}}{bracket}{argument}".replace("ℓ", r"\ell ")


if __name__ == "__main__":
    main()
