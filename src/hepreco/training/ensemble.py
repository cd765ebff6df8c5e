"""Several networks of one architecture, trained at once."""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from hepreco.training.fit import Loss


class Ensemble(nn.Module):
    """Members that are trained each on its own sample, in one :func:`~hepreco.training.fit`.

    Small networks train several times faster together than one after the other. Adam's step for a parameter does not
    depend on other parameters, so that each member is trained as it would be alone, up to rounding. One best epoch is
    chosen for all members.

    Parameters
    ----------
    members
        Networks of equal architecture.
    loss
        The loss of a member, ``loss(network, *tensors)``.

    Example
    -------
    >>> members = [nn.Linear(2, 1), nn.Linear(2, 1)]
    >>> ensemble = Ensemble(members, lambda network, x, y: (network(x) - y).square().mean())
    >>> x, y = torch.zeros(5, 2, 2), torch.ones(5, 2, 1)  # event, member, component
    >>> losses = ensemble(x, y)
    >>> losses.shape
    torch.Size([2])
    """

    def __init__(self, members: Sequence[nn.Module], loss: Loss) -> None:
        super().__init__()
        parameters, buffers = stack_module_state([_WithLoss(member, loss) for member in members])
        self._names, self._buffer_names = tuple(parameters), tuple(buffers)
        self.stacked = nn.ParameterList([nn.Parameter(value.detach()) for value in parameters.values()])
        for number, value in enumerate(buffers.values()):
            self.register_buffer(f"stacked_buffer_{number}", value)
        self._skeleton = [_WithLoss(deepcopy(members[0]), loss)]  # in a list, so that its parameters are not registered

    def forward(self, *tensors: Tensor) -> Tensor:
        """The loss of each member; the tensors are (event, member, ...)."""

        def of_one(parameters: dict[str, Tensor], buffers: dict[str, Tensor], *own: Tensor) -> Tensor:
            return functional_call(self._skeleton[0], (parameters, buffers), own)

        axes = (0, 0, *(1 for _ in tensors))
        losses: Tensor = torch.func.vmap(of_one, in_dims=axes)(*self._named(), *tensors)
        return losses

    def states(self) -> list[dict[str, Tensor]]:
        """The state of every member's network, on the CPU."""
        parameters, buffers = self._named()
        named = {**parameters, **buffers}
        return [
            {name.removeprefix("network."): value[number].detach().cpu().clone() for name, value in named.items()}
            for number in range(len(self.stacked[0]))
        ]

    def _named(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Stacked parameters and buffers of all members, by their names in a single member."""
        parameters = dict(zip(self._names, self.stacked, strict=True))
        return parameters, dict(zip(self._buffer_names, self.buffers(), strict=True))


def loss_of_all(ensemble: nn.Module, *tensors: Tensor) -> Tensor:
    """The sum of the members' losses, for :func:`~hepreco.training.fit`."""
    losses: Tensor = ensemble(*tensors)
    return losses.sum()


class _WithLoss(nn.Module):
    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network, self._loss = network, loss

    def forward(self, *tensors: Tensor) -> Tensor:
        return self._loss(self.network, *tensors)
