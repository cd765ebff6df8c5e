"""The assignment problem of some events, and its solution."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco_me_assigner.process import Hypothesis, completions, partonic
from hepreco_me_assigner.transfer_functions import TransferFunctions


@dataclass(frozen=True)
class Solution:
    """One assignment per event.

    Parameters
    ----------
    objects
        Which object is assigned to which final leg.
    log_me2
        ln|M|² of this assignment; for a policy its prediction, or NaN if it makes none.
    calls
        Number of |M|² that were computed.
    certified
        1 where no other assignment has a larger |M|², given bounds that were measured in training; otherwise 0.
    probability
        Posterior probability of the assignment's topology; NaN if the solver does not compute it.
    on_leg
        (event, object, leg): posterior probability that an object belongs to a leg; NaN if the solver does not compute
        it.
    """

    objects: Int[Tensor, "event leg"]
    log_me2: Float[Tensor, " event"]
    calls: Int[Tensor, " event"]
    certified: Float[Tensor, " event"]
    probability: Float[Tensor, " event"]
    on_leg: Float[Tensor, "event object leg"]


@dataclass(frozen=True)
class Problem:
    """Objects of some events, to be assigned to the legs of a process.

    Parameters
    ----------
    hypothesis
        The process.
    momenta
        In GeV, in any frame, in the order that :class:`Hypothesis` states.
    prior
        Added to ln|M|² for an object on a leg: ln of the probability of its tag, minus ln of the density of radiated
        jets; None without both.
    transfer
        Transfer functions of jet energies; None if energies are exact.
    missing_momentum
        For a process with two neutrinos, whose momenta are then summed over for every assignment.
    """

    hypothesis: Hypothesis
    momenta: Float[Tensor, "event object 4"]
    prior: Float[Tensor, "event object leg"] | None = None
    transfer: TransferFunctions | None = None
    missing_momentum: Float[Tensor, "event 2"] | None = None

    def __len__(self) -> int:
        return len(self.momenta)

    def __getitem__(self, events: Tensor) -> "Problem":
        """The problem of some of the events."""
        prior = None if self.prior is None else self.prior[events]
        missing = None if self.missing_momentum is None else self.missing_momentum[events]
        return replace(self, momenta=self.momenta[events], prior=prior, missing_momentum=missing)

    def value(self, objects: Int[Tensor, "event candidate leg"]) -> Float[Tensor, "event candidate"]:
        """ln|M|² of assignments, each in the centre of mass of the objects that it uses, plus the prior.

        With transfer functions, ln of the integral of |M|², parton densities and transfer functions. −∞ where |M|² is
        not a number, as for two parallel jets from one W.
        """
        rows = torch.arange(len(self), device=self.momenta.device)[:, None, None]
        assigned = self.momenta[rows, objects]
        value = self._log_me2(assigned).nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
        return value if self.prior is None else value + self.log_prior(objects)

    def log_prior(self, objects: Int[Tensor, "event candidate leg"]) -> Float[Tensor, "event candidate"]:
        """The prior of assignments, summed over their legs; 0 if there is none."""
        if self.prior is None:
            return self.momenta.new_zeros(objects.shape[:2])
        legs = torch.arange(objects.shape[2], device=objects.device)
        rows = torch.arange(len(self), device=objects.device)[:, None, None]
        return self.prior[rows, objects, legs].sum(dim=2)

    def assigned(self, objects: Int[Tensor, "event leg"]) -> Float[Tensor, "event leg 4"]:
        """The momenta on the legs; of two neutrinos those of largest weight times |M|²."""
        found = self.momenta.gather(1, objects[..., None].expand(-1, -1, 4))
        if self.missing_momentum is None:
            return found
        momenta, log_weight = self._completions(found[:, None])
        best = (self._of_legs(momenta) + log_weight).argmax(dim=2)[:, 0]
        return momenta[torch.arange(len(self), device=best.device), 0, best]

    def _log_me2(self, assigned: Float[Tensor, "event candidate leg 4"]) -> Float[Tensor, "event candidate"]:
        if self.missing_momentum is None:
            return self._of_legs(assigned)
        momenta, log_weight = self._completions(assigned)
        return (self._of_legs(momenta) + log_weight).logsumexp(dim=2)

    def _completions(self, assigned: Float[Tensor, "event candidate leg 4"]) -> tuple[Tensor, Tensor]:
        assert self.missing_momentum is not None
        missing = self.missing_momentum[:, None].expand(*assigned.shape[:2], 2)
        resolution = None if self.transfer is None else self.transfer.detector.missing_resolution
        return completions(self.hypothesis, assigned, missing, missing_resolution=resolution)

    def _of_legs(self, assigned: Float[Tensor, "*batch leg 4"]) -> Float[Tensor, "*batch"]:
        if self.transfer is None:
            return self.hypothesis.log_me2(partonic(assigned))
        fits = [self.transfer.fit(branch, assigned[..., list(branch.legs), :]) for branch in self.hypothesis.branches]
        fitted = torch.cat([momenta for momenta, _ in fits], dim=-2)
        weight = torch.stack([weight for _, weight in fits]).sum(dim=0)
        log_flux = self.transfer.log_flux(self.hypothesis, fitted)
        return weight + self.hypothesis.log_me2(partonic(fitted), log_flux=log_flux)

    def solution(self, objects: Int[Tensor, "event leg"], value: Float[Tensor, " event"], calls: int) -> Solution:
        """A solution that is not certified and has no probabilities, whose ``log_me2`` is a value without its prior.

        It is NaN where no assignment is possible.
        """
        unknown = torch.full_like(value, torch.nan)
        shape = (*self.momenta.shape[:2], self.hypothesis.legs)
        rest = value if self.prior is None else value - self.log_prior(objects[:, None])[:, 0]
        return Solution(
            objects,
            rest.masked_fill(rest.isinf(), torch.nan),
            torch.full_like(objects[:, 0], calls),
            torch.zeros_like(value),
            unknown,
            self.momenta.new_full(shape, torch.nan),
        )
