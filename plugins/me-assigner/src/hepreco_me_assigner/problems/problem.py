"""What is asked about some events, and what is answered."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco_me_assigner.process.hypothesis import Hypothesis
from hepreco_me_assigner.search.evaluation import evaluate, log_prior
from hepreco_me_assigner.search.ranking import RankedAssignments, ranked_assignments
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

    def ranked(self, at_most: int) -> RankedAssignments:
        """The assignments whose decays are likeliest."""
        return ranked_assignments(
            self.hypothesis, self.momenta, at_most=at_most, prior=self.prior, transfer=self.transfer
        )

    def value(self, objects: Int[Tensor, "event candidate leg"]) -> Float[Tensor, "event candidate"]:
        """ln|M|² with the prior."""
        found = evaluate(self.hypothesis, self.momenta, objects, self.transfer)
        return found if self.prior is None else found + log_prior(self.prior, objects)

    def solution(self, objects: Int[Tensor, "event leg"], value: Float[Tensor, " event"], calls: int) -> Solution:
        """An assignment without more that is known."""
        unknown = torch.full_like(value, torch.nan)
        shape = (*self.momenta.shape[:2], self.hypothesis.legs)
        rest = value if self.prior is None else value - log_prior(self.prior, objects[:, None])[:, 0]
        return Solution(
            objects,
            rest,
            torch.full_like(objects[:, 0], calls),
            torch.zeros_like(value),
            unknown,
            self.momenta.new_full(shape, torch.nan),
        )
