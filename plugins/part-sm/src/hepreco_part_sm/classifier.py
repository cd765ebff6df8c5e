"""A classifier of events: an ensemble of one model, and the calibration of its probabilities."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.weights import Option
from hepreco_part_sm.models import Size, build_member
from hepreco_part_sm.particles import Particles


class ClassifierNetwork(nn.Module):
    """Probabilities of classes of events, from an ensemble whose members differ in their seeds.

    Parameters
    ----------
    model
        A name of :data:`~hepreco_part_sm.models.MODELS`.
    size
        ``full`` or ``small``.
    classes
        Names of the classes; the first is the signal of the focal loss.
    members
        Number of members.
    """

    temperature: Tensor
    offset: Tensor

    def __init__(self, *, model: str, size: Size, classes: Sequence[str], members: int = 1) -> None:
        super().__init__()
        self.options: dict[str, Option] = {
            "model": model,
            "size": size,
            "classes": list(classes),
            "members": members,
        }
        self.members = nn.ModuleList([build_member(model, size=size, outputs=len(classes)) for _ in range(members)])
        self.register_buffer("temperature", torch.tensor(1.0, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros(len(classes), dtype=torch.float64))

    def forward(self, particles: Particles) -> Float[Tensor, "event member class"]:
        """Probabilities of each member, for equally frequent classes; only their mean over members is calibrated."""
        particles = particles.trimmed()
        logits = torch.stack([member(particles) for member in self.members], dim=1)
        return torch.softmax(logits / self.temperature + self.offset.to(logits), dim=-1)


def likelihood_ratio(
    probabilities: Float[Tensor, "*event class"], yields: Float[Tensor, " class"], *, signal: int
) -> Float[Tensor, "*event"]:
    r"""The optimal discriminant of one class against a mixture of all others.

    .. math:: D = \frac{p_s}{p_s + \sum_{b \ne s} f_b\, p_b}, \qquad f_b = \frac{y_b}{\sum_{b' \ne s} y_{b'}}

    Parameters
    ----------
    probabilities
        Probabilities for equally frequent classes, whose ratios are those of the densities.
    yields
        Expected numbers of events of the classes, up to a common factor; that of the signal does not matter.
    signal
        Position of the signal among the classes.
    """
    background = torch.ones_like(yields, dtype=torch.bool)
    background[signal] = False
    fractions = torch.where(background, yields, 0.0)
    mixed = (probabilities * fractions / fractions.sum()).sum(dim=-1)
    return probabilities[..., signal] / (probabilities[..., signal] + mixed)
