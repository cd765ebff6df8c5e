"""Problems from events: selects their objects and adds what b tags and radiation say about them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor
from torch.nn.functional import pad

from hepreco import EventBatch
from hepreco.kinematics import pt
from hepreco_me_assigner.problems.leptons import LEPTONS, apart, leptons_of
from hepreco_me_assigner.problems.measurement import Measurement
from hepreco_me_assigner.problems.problem import Problem
from hepreco_me_assigner.process import Hypothesis, neutrinos, partonic

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
    is_pair = len(hypothesis.leptonic) == 2
    if hypothesis.leptonic:
        leptons, is_conjugate = leptons_of(batch, [decay.charge for decay in hypothesis.leptonic])
        behind = torch.where(leptons.mask[..., None], leptons.momenta, torch.nan)
        jets = replace(jets, mask=jets.mask & apart(jets.momenta, leptons.momenta, where=leptons.mask))
    if hypothesis.leptonic_w and not is_pair:
        solutions = neutrinos(behind[:, 0], batch.missing_momentum, w_mass=hypothesis.leptonic_w.mass)
        behind = torch.cat((behind, solutions), dim=1)
    jets = jets.objects_ordered_by(pt(jets.momenta), at_most=at_most)
    count = jets.mask.sum(dim=1)
    usable = _usable(jets, behind) & (count >= hypothesis.jets)
    if is_pair:
        usable &= batch.missing_momentum.isfinite().all(dim=1)
        behind = pad(behind, (0, 0, 0, 2), value=torch.nan)  # neutrinos of unknown momenta
    for number, conjugate in product(count[usable].unique().tolist(), (False, True)):
        chosen = torch.nonzero(usable & (count == number) & (is_conjugate == conjugate))[:, 0]
        for events in chosen.split(EVENTS_AT_A_TIME) if len(chosen) else ():
            some = jets[events]
            momenta = torch.cat((some.momenta[:, :number], behind[events]), dim=1)
            index = pad(some.index[:, :number], (0, behind.shape[1]), value=-1)
            prior = measurement.prior(some, number, hypothesis)
            prior = None if prior is None else pad(prior, (0, 0, 0, behind.shape[1]))
            chosen_hypothesis = hypothesis.conjugate if conjugate else hypothesis
            missing = batch.missing_momentum[events] if is_pair else None
            yield events, index, Problem(chosen_hypothesis, momenta, prior, measurement.transfer, missing)


def _usable(jets: EventBatch, behind: Tensor) -> Tensor:
    """Which events have a centre of mass, and only finite momenta that are not zero."""
    energy = partonic(torch.cat((jets.momenta, behind), dim=1))[..., 0]
    empty = torch.cat((~jets.mask, torch.zeros_like(behind[..., 0], dtype=torch.bool)), dim=1)
    return (energy.isfinite() & ((energy > 0) | empty)).all(dim=1)


def lepton_indices(
    batch: EventBatch, problem: Problem, objects: Int[Tensor, "event leg"]
) -> dict[str, Int[Tensor, "event lepton"]]:
    """The row of each assigned lepton in each of the collections, −1 where it is of another."""
    decays, kinds = problem.hypothesis.leptonic, problem.hypothesis.object_kinds(problem.momenta.shape[1])
    leptons, _ = leptons_of(batch, [decay.charge for decay in decays])
    which = objects[:, [decay.lepton for decay in decays]] - kinds.count("jet")
    return {
        name: torch.where(leptons.species == leptons.collections.index(name), leptons.index, -1).gather(1, which)
        for name in LEPTONS
    }
