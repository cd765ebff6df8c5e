"""The network and its loss."""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn


class Autoencoder(nn.Module):
    """An autoencoder of dense layers with ReLU between them.

    Parameters
    ----------
    objects
        Number of four-momenta in an event.
    hidden
        Sizes of the hidden layers of the encoder; the decoder has them in reverse.
    latent
        Size of the bottleneck.
    scale
        The unit, in GeV, in which the layers see the momenta.

    References
    ----------
    arXiv:2507.13447, section 5: 24-64-64-6 and 6-64-64-24 for six four-momenta, in units of 100 GeV.

    Example
    -------
    >>> import torch
    >>> network = Autoencoder(objects=6, hidden=(64, 64), latent=6, scale=100.0)
    >>> network(torch.ones(2, 6, 4)).shape
    torch.Size([2, 6, 4])
    """

    def __init__(self, *, objects: int, hidden: Sequence[int], latent: int, scale: float) -> None:
        super().__init__()
        self.objects, self.hidden, self.latent, self.scale = objects, tuple(hidden), latent, scale
        sizes = (4 * objects, *hidden, latent)
        self.encoder = _dense(sizes)
        self.decoder = _dense(sizes[::-1])

    def forward(self, momenta: Float[Tensor, "event object 4"]) -> Float[Tensor, "event object 4"]:
        """The reconstructed momenta, in GeV as the given ones."""
        code = self.encoder(momenta.flatten(start_dim=1) / self.scale)
        restored: Tensor = self.decoder(code)
        return restored.reshape(momenta.shape) * self.scale

    def extra_repr(self) -> str:
        """The unit of the momenta, which the list of layers does not show."""
        return f"scale={self.scale}"


def reconstruction_error(network: Autoencoder, momenta: Float[Tensor, "event object 4"]) -> Float[Tensor, " event"]:
    r"""Mean squared difference of the components, in units of the network's scale s.

    .. math:: \frac{1}{4n} \sum_{i=1}^{n} \sum_{\mu=0}^{3} \left(\frac{\hat p_i^\mu - p_i^\mu}{s}\right)^2
    """
    difference: Tensor = (network(momenta) - momenta) / network.scale
    return difference.square().mean(dim=(1, 2))


def _dense(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
