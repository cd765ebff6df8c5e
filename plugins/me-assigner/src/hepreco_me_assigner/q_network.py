"""The transformer of arXiv:2507.13447 that values every exchange."""

from itertools import combinations

from jaxtyping import Float
from torch import Tensor, arange, nn

from hepreco.weights.manifest import Option


class QNetwork(nn.Module):
    """Values of all actions: momenta and slot numbers embedded and added, an encoder, a sum over slots, a head.

    Parameters
    ----------
    particles
        How many momenta, the incoming two included.
    width, layers, heads
        Of the encoder; its feed-forward layers are ``heads`` times as wide, with ReLU and normalisation at the end.
    dropout
        In the encoder, while training.
    unit
        Momenta are divided by that many GeV; 1 feeds them as the paper's code does.

    References
    ----------
    arXiv:2507.13447, section 3 and Table 1.

    Example
    -------
    >>> sum(parameter.numel() for parameter in QNetwork(particles=8).parameters())
    813328
    """

    def __init__(
        self,
        *,
        particles: int,
        width: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        unit: float = 100.0,
    ) -> None:
        super().__init__()
        self.particles, self.width, self.depth, self.heads = particles, width, layers, heads
        self.dropout, self.unit = dropout, unit
        self.momentum = nn.Linear(4, width)
        self.slot = nn.Embedding(particles, width)
        layer = nn.TransformerEncoderLayer(width, heads, heads * width, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        actions = 1 + len(list(combinations(range(particles - 2), 2)))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, actions))

    @property
    def options(self) -> dict[str, Option]:
        """The keyword arguments that build this network."""
        return {
            "particles": self.particles,
            "width": self.width,
            "layers": self.depth,
            "heads": self.heads,
            "dropout": self.dropout,
            "unit": self.unit,
        }

    def forward(self, momenta: Float[Tensor, "episode particle 4"]) -> Float[Tensor, "episode action"]:
        """Values in units of the (scaled) reward; momenta in GeV."""
        tokens = self.momentum(momenta / self.unit) + self.slot(arange(self.particles, device=momenta.device))
        values: Tensor = self.head(self.encoder(tokens).sum(dim=1))
        return values
