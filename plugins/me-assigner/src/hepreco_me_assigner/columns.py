"""The columns of an assigner."""

from typing import Final

from hepreco import Column
from hepreco.plugin import Axis
from hepreco_me_assigner.problems import LEPTONS
from hepreco_me_assigner.process import Hypothesis

#: Names of columns for resonances.
_NAMES: Final = {"t": "top", "w": "w", "z": "z", "h": "higgs"}
_TOP_AXIS: Final = Axis(50, 100.0, 300.0)
_AXES: Final = {
    "top": _TOP_AXIS,
    "leptonic_top": _TOP_AXIS,
    "w": Axis(50, 30.0, 130.0),
    "z": Axis(50, 40.0, 140.0),
}
_LABELS: Final = {"top": "$m_{jjj}$", "leptonic_top": r"$m_{j\ell\nu}$", "w": "$m_{jj}$", "z": "$m_{jj}$"}


def columns_of(hypothesis: Hypothesis, *, collection: str, knows_losses: bool = False) -> tuple[Column, ...]:
    """ln|M|², resonances, the object of every leg in the order of the process, and the results of the solver.

    ``knows_losses`` adds the probability that every quark has a jet.
    """
    peaks = (
        Column(name, "four-vector", per=len(legs), unit="GeV", label=_LABELS.get(name, ""), axis=_AXES.get(name))
        for name, legs in resonances_of(hypothesis).items()
    )
    leptons, number = LEPTONS if hypothesis.leptonic else (), len(hypothesis.leptonic)
    return (
        Column("log_me2", label=r"$\ln|M|^2$", axis=Axis(1000, -150.0, 50.0)),
        *peaks,
        Column("leg_index", "index", per=hypothesis.legs, of=collection),
        *(Column(f"{name.lower()}_index", "index", per=number if number > 1 else None, of=name) for name in leptons),
        Column("certified"),
        Column("calls"),
        Column("probability", label="posterior probability", axis=Axis(50, 0.0, 1.0)),
        Column("b_probability", per=collection),
        *((Column("complete_probability", axis=Axis(50, 0.0, 1.0)),) if knows_losses else ()),
    )


def resonances_of(hypothesis: Hypothesis) -> dict[str, list[tuple[int, ...]]]:
    """The legs of each entry of every four-vector column; leptonic resonances have columns of their own."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for branch in hypothesis.branches:
        for resonance in branch.resonances:
            name = resonance.particle.name.rstrip("+-~")
            kind = "leptonic_" if any(branch.kinds[leg] != "jet" for leg in resonance.legs) else ""
            legs = tuple(branch.legs[position] for position in resonance.legs)
            found.setdefault(kind + _NAMES.get(name, name), []).append(legs)
    if hypothesis.leptonic:
        found["neutrino"] = [(decay.neutrino,) for decay in hypothesis.leptonic]
    return found
