"""Networks that score how unlike their training events an event is."""

from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.training import seeded
from hepreco_part_sm.models import Size, build_member
from hepreco_part_sm.particles import Particles
from hepreco_part_sm.transformer import ParticleTransformer

Method = Literal["deep-svdd", "ddd"]

#: Numbers that Deep SVDD represents an event by; classes of DDD, originals and copies.
OUTPUTS: Final = {"deep-svdd": 10, "ddd": 2}
#: Components of the centre closer to 0 than this are moved there, as in arXiv:1801.06365's code: a network without
#: constants reaches 0 by vanishing weights.
_LEAST: Final = 0.1
#: Events that settle the centre, in minibatches of this size.
_SETTLING, _MINIBATCH = 10_000, 500


class OneClassNetwork(nn.Module):
    """A backbone whose numbers become one score; higher is more anomalous.

    Parameters
    ----------
    method
        ``deep-svdd``, the squared distance of ten numbers to a fixed centre, of a backbone without constants; or
        ``ddd``, the logarithm of the odds that the event is a distorted copy.
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
        """Fix the centre of Deep SVDD: the mean of the numbers of the first 10 000 events, before training.

        The statistics of batch normalisation are taken from these events first. Components of less than 0.1 get 0.1,
        with their sign.
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
    """Take from a network what could map all events on one point: biases, and the class token, which becomes 0.

    Batch normalisation keeps its statistics, which are measured and not learned.

    References
    ----------
    Ruff et al., Deep one-class classification, ICML 2018, section 3.3, and arXiv:1801.06365.
    """
    for part in network.modules():
        if isinstance(getattr(part, "bias", None), nn.Parameter):
            part.register_parameter("bias", None)
        if isinstance(part, ParticleTransformer):
            nn.init.zeros_(part.token.requires_grad_(False))
