"""Problems from events: selects their objects and adds what b tags and radiation say about them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import pad

from hepreco import EventBatch
from hepreco.kinematics import pt
from hepreco_me_assigner.problems.leptons import apart, leading_lepton
from hepreco_me_assigner.problems.measurement import Measurement
from hepreco_me_assigner.problems.problem import Problem
from hepreco_me_assigner.process import Hypothesis, Resonance, neutrinos, partonic

#: Events that are solved together, to bound memory.
EVENTS_AT_A_TIME: Final = 256


def problems_of(
    batch: EventBatch,
    jets: EventBatch,
    *,
    hypothesis: Hypothesis,
    at_most: int,
    measurement: Measurement,
) -> Iterator[tuple[Tensor, Tensor, Problem]]:
    """Problems of events with the same number of objects and charge of the lepton.

    Each comes with the positions of its events in the batch, and those of their jets in NanoAOD.

    Parameters
    ----------
    batch, jets
        All objects, among them the lepton that the process may have; and the objects for all other legs.
    at_most
        Largest number of jets; those of largest pt are kept.
    """
    behind, is_conjugate = jets.momenta[:, :0], torch.zeros_like(jets.mask[:, 0])
    if hypothesis.leptonic_w:
        lepton = leading_lepton(batch)
        behind = _with_neutrinos(lepton, hypothesis.leptonic_w)
        is_conjugate = _is_conjugate(lepton, hypothesis)
        jets = replace(jets, mask=jets.mask & apart(jets.momenta, lepton.momenta))
    jets = jets.objects_ordered_by(pt(jets.momenta), at_most=at_most)
    count = jets.mask.sum(dim=1)
    usable = _usable(jets, behind) & (count >= hypothesis.jets)
    for number, conjugate in product(count[usable].unique().tolist(), (False, True)):
        chosen = torch.nonzero(usable & (count == number) & (is_conjugate == conjugate))[:, 0]
        for events in chosen.split(EVENTS_AT_A_TIME) if len(chosen) else ():
            some = jets[events]
            momenta = torch.cat((some.momenta[:, :number], behind[events]), dim=1)
            index = pad(some.index[:, :number], (0, behind.shape[1]), value=-1)
            prior = measurement.prior(some, number, hypothesis)
            prior = None if prior is None else pad(prior, (0, 0, 0, behind.shape[1]))
            yield (
                events,
                index,
                Problem(hypothesis.conjugate if conjugate else hypothesis, momenta, prior, measurement.transfer),
            )


def _usable(jets: EventBatch, behind: Tensor) -> Tensor:
    """Which events have a centre of mass, and only finite momenta that are not zero."""
    energy = partonic(torch.cat((jets.momenta, behind), dim=1))[..., 0]
    empty = torch.cat((~jets.mask, torch.zeros_like(behind[..., 0], dtype=torch.bool)), dim=1)
    return (energy.isfinite() & ((energy > 0) | empty)).all(dim=1)


def _with_neutrinos(lepton: EventBatch, boson: Resonance) -> Tensor:
    """The lepton and both solutions for its neutrino; NaN where there is no lepton."""
    momenta = torch.where(lepton.mask[..., None], lepton.momenta, torch.nan)
    return torch.cat((momenta, neutrinos(momenta[:, 0], lepton.missing_momentum, w_mass=boson.mass)), dim=1)


def _is_conjugate(lepton: EventBatch, hypothesis: Hypothesis) -> Tensor:
    """Whether the charge of the lepton is opposite to that in the process."""
    particle = hypothesis.parsed.final[hypothesis.kinds.index("lepton")]
    return lepton.features["charge"][:, 0] * float(particle.charge) < 0
