"""The transformer of arXiv:2507.13447 that values every exchange."""

from itertools import combinations

from jaxtyping import Float
from torch import Tensor, arange, nn

from hepreco.weights import Option
from hepreco_me_assigner.process.hypothesis import Hypothesis


class QNetwork(nn.Module):
    """Values of all actions, by a transformer encoder.

    Embeddings of momenta and of slot numbers are added, encoded, and summed over slots; a head gives the values.

    Parameters
    ----------
    process
        As in :class:`~hepreco_me_assigner.Hypothesis`.
    width, layers, heads
        Sizes of the encoder; its feed-forward layers are ``heads`` times as wide, with ReLU, and normalisation comes
        last.
    dropout
        Dropout of the encoder in training.
    unit
        Momenta are divided by this number of GeV; the paper's code has 1.

    References
    ----------
    arXiv:2507.13447, section 3 and Table 1.

    Example
    -------
    >>> sum(parameter.numel() for parameter in QNetwork(process="ttbar").parameters())
    813328
    """

    def __init__(
        self,
        *,
        process: str,
        width: int = 128,
        layers: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
        unit: float = 100.0,
    ) -> None:
        super().__init__()
        self.process, self.width, self.depth, self.heads = process, width, layers, heads
        self.dropout, self.unit = dropout, unit
        self.hypothesis = Hypothesis(process)
        legs = self.hypothesis.legs
        self.momentum = nn.Linear(4, width)
        self.slot = nn.Embedding(2 + legs, width)
        layer = nn.TransformerEncoderLayer(width, heads, heads * width, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        actions = 1 + len(list(combinations(range(legs), 2)))
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, actions))

    @property
    def options(self) -> dict[str, Option]:
        """The keyword arguments that build this network."""
        return {
            "process": self.process,
            "width": self.width,
            "layers": self.depth,
            "heads": self.heads,
            "dropout": self.dropout,
            "unit": self.unit,
        }

    def forward(self, momenta: Float[Tensor, "episode particle 4"]) -> Float[Tensor, "episode action"]:
        """Values in units of the (scaled) reward; momenta in GeV."""
        tokens = self.momentum(momenta / self.unit) + self.slot(arange(momenta.shape[1], device=momenta.device))
        values: Tensor = self.head(self.encoder(tokens).sum(dim=1))
        return values
