"""ln|M|² of assignments, and what is known of their objects besides."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import Hypothesis
from hepreco_me_assigner.transfer_functions import TransferFunctions


def evaluate(
    hypothesis: Hypothesis,
    momenta: Float[Tensor, "event object 4"],
    objects: Int[Tensor, "event candidate leg"],
    transfer: TransferFunctions | None = None,
) -> Float[Tensor, "event candidate"]:
    """ln|M|² of assignments, each in the centre of mass of the objects that it uses.

    With a transfer, ln of what |M|², parton densities and transfer functions integrate to.
    """
    rows = torch.arange(len(momenta), device=momenta.device)[:, None, None]
    assigned = momenta[rows, objects]
    if transfer is None:
        return hypothesis.log_me2(partonic(assigned))
    fits = [transfer.fit(branch, assigned[..., list(branch.legs), :]) for branch in hypothesis.branches]
    fitted = torch.cat([momenta for momenta, _ in fits], dim=-2)
    weight = torch.stack([weight for _, weight in fits]).sum(dim=0)
    return weight + hypothesis.log_me2(partonic(fitted), log_flux=transfer.log_flux(hypothesis, fitted))


def log_prior(
    prior: Float[Tensor, "event object leg"], objects: Int[Tensor, "event candidate leg"]
) -> Float[Tensor, "event candidate"]:
    """What the prior says of assignments."""
    legs = torch.arange(objects.shape[2], device=objects.device)
    rows = torch.arange(len(prior), device=objects.device)[:, None, None]
    return prior[rows, objects, legs].sum(dim=2)
