"""What is asked about some events, and what is answered."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco_me_assigner.process import Hypothesis, partonic
from hepreco_me_assigner.transfer_functions import TransferFunctions


@dataclass(frozen=True)
class Solution:
    """One assignment per event.

    Parameters
    ----------
    objects
        Which object stands on which final leg.
    log_me2
        ln|M|² there; of a policy, what it predicts, or NaN where it does not.
    calls
        How many |M|² it took.
    certified
        1 where no assignment can be better, 0 where that is not known.
    probability
        Of the assignment's topology, where the solver knows it; otherwise NaN.
    on_leg
        (event, object, leg): posterior probability that an object stands on a leg, where the solver knows it;
        otherwise NaN.
    """

    objects: Int[Tensor, "event leg"]
    log_me2: Float[Tensor, " event"]
    calls: Int[Tensor, " event"]
    certified: Float[Tensor, " event"]
    probability: Float[Tensor, " event"]
    on_leg: Float[Tensor, "event object leg"]


@dataclass(frozen=True)
class Problem:
    """Objects of some events and what is asked about them.

    Parameters
    ----------
    momenta
        In GeV, in any frame; in the order that :class:`Hypothesis` states.
    prior
        ln of the probability of what is seen of an object, if it stands on a leg; None where nothing is.
    transfer
        Transfer functions of the energies; None where these are exact.
    """

    hypothesis: Hypothesis
    momenta: Float[Tensor, "event object 4"]
    prior: Float[Tensor, "event object leg"] | None = None
    transfer: TransferFunctions | None = None

    def __len__(self) -> int:
        return len(self.momenta)

    def __getitem__(self, events: Tensor) -> "Problem":
        """The same of some events."""
        prior = None if self.prior is None else self.prior[events]
        return replace(self, momenta=self.momenta[events], prior=prior)

    def value(self, objects: Int[Tensor, "event candidate leg"]) -> Float[Tensor, "event candidate"]:
        """ln|M|² of assignments, each in the centre of mass of the objects that it uses, with the prior.

        With transfer functions, ln of what |M|², parton densities and transfer functions integrate to.
        """
        rows = torch.arange(len(self), device=self.momenta.device)[:, None, None]
        assigned = self.momenta[rows, objects]
        return self._log_me2(assigned) if self.prior is None else self._log_me2(assigned) + self.log_prior(objects)

    def log_prior(self, objects: Int[Tensor, "event candidate leg"]) -> Float[Tensor, "event candidate"]:
        """What the prior says of assignments; 0 without one."""
        if self.prior is None:
            return self.momenta.new_zeros(objects.shape[:2])
        legs = torch.arange(objects.shape[2], device=objects.device)
        rows = torch.arange(len(self), device=objects.device)[:, None, None]
        return self.prior[rows, objects, legs].sum(dim=2)

    def _log_me2(self, assigned: Float[Tensor, "event candidate leg 4"]) -> Float[Tensor, "event candidate"]:
        if self.transfer is None:
            return self.hypothesis.log_me2(partonic(assigned))
        fits = [self.transfer.fit(branch, assigned[..., list(branch.legs), :]) for branch in self.hypothesis.branches]
        fitted = torch.cat([momenta for momenta, _ in fits], dim=-2)
        weight = torch.stack([weight for _, weight in fits]).sum(dim=0)
        log_flux = self.transfer.log_flux(self.hypothesis, fitted)
        return weight + self.hypothesis.log_me2(partonic(fitted), log_flux=log_flux)

    def solution(self, objects: Int[Tensor, "event leg"], value: Float[Tensor, " event"], calls: int) -> Solution:
        """An assignment without more that is known."""
        unknown = torch.full_like(value, torch.nan)
        shape = (*self.momenta.shape[:2], self.hypothesis.legs)
        rest = value if self.prior is None else value - self.log_prior(objects[:, None])[:, 0]
        return Solution(
            objects,
            rest,
            torch.full_like(objects[:, 0], calls),
            torch.zeros_like(value),
            unknown,
            self.momenta.new_full(shape, torch.nan),
        )
