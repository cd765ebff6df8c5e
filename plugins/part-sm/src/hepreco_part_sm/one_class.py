"""Networks whose score is large for events unlike those of the training."""

from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.training import seeded
from hepreco_part_sm.models import Size, build_member
from hepreco_part_sm.particles import Particles
from hepreco_part_sm.transformer import ParticleTransformer

Method = Literal["deep-svdd", "ddd"]

#: Outputs of the backbone: coordinates of an event in Deep SVDD; classes of DDD (originals and copies).
OUTPUTS: Final = {"deep-svdd": 10, "ddd": 2}
#: Components of the centre are at least this far from 0, as in the code of arXiv:1801.06365, because a network without
#: constants could reach 0 with vanishing weights.
_LEAST: Final = 0.1
#: Number of events that determine the centre, and the size of their minibatches.
_SETTLING, _MINIBATCH = 10_000, 500


class OneClassNetwork(nn.Module):
    """A backbone with a score that is higher for more anomalous events.

    Parameters
    ----------
    method
        ``deep-svdd``: the score is the squared distance of ten outputs to a fixed centre, and the backbone has no
        constants. ``ddd``: the score is the log-odds that the event is a distorted copy.
    model, size
        A name of :data:`~hepreco_part_sm.models.MODELS`, and ``full`` or ``small``.
    """

    center: Tensor

    def __init__(self, *, method: Method, model: str, size: Size) -> None:
        super().__init__()
        self.method: Method = method
        self.backbone = build_member(model, size=size, outputs=OUTPUTS[method])
        if method == "deep-svdd":
            remove_constants(self.backbone)
        self.register_buffer("center", torch.zeros(OUTPUTS[method]))

    def forward(self, particles: Particles) -> Float[Tensor, " event"]:
        """The score of every event, dimensionless."""
        numbers = self.backbone(particles.trimmed())
        if self.method == "deep-svdd":
            return (numbers - self.center).square().sum(dim=1)
        return numbers[:, 1] - numbers[:, 0]

    @torch.no_grad()
    def settle(self, particles: Particles, *, seed: int) -> None:
        """Set the centre of Deep SVDD to the mean output for the first 10 000 events, before training.

        The statistics of batch normalisation are taken from these events first. Components below 0.1 in absolute value
        become ±0.1.
        """
        number = min(len(particles.kinds), _SETTLING)
        if not number:
            return
        minibatches = torch.arange(number).tensor_split(-(-number // _MINIBATCH))
        with seeded(seed):
            self.train()
            for rows in minibatches:
                self.backbone(Particles(*(tensor[rows] for tensor in particles)).trimmed())
        self.eval()
        numbers = [self.backbone(Particles(*(tensor[rows] for tensor in particles)).trimmed()) for rows in minibatches]
        mean = torch.cat(numbers).mean(dim=0)
        self.center = torch.where(mean < 0, mean.clamp(max=-_LEAST), mean.clamp(min=_LEAST))


def remove_constants(network: nn.Module) -> None:
    """Remove what would let a network map all events to one point: biases, and the class token, which becomes 0.

    Batch normalisation keeps its statistics, which are measured, not learned.

    References
    ----------
    Ruff et al., Deep one-class classification, ICML 2018, section 3.3, and arXiv:1801.06365.
    """
    for part in network.modules():
        if isinstance(getattr(part, "bias", None), nn.Parameter):
            part.register_parameter("bias", None)
        if isinstance(part, ParticleTransformer):
            nn.init.zeros_(part.token.requires_grad_(False))
