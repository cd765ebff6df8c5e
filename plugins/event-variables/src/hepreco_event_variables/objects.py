"""From NanoAOD objects to the visible particles of a topology."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco import EventBatch, InputSpec, ObjectSpec
from hepreco.kinematics import pt


@dataclass(frozen=True)
class VisibleObjects:
    """Which collection each visible particle comes from.

    Parameters
    ----------
    collections
        For each particle a NanoAOD collection, or alternatives separated by ``|``. Particles with equal entries are the
        leading objects in pt of these collections.
    where
        Cuts on all objects.
    missing_momentum
        The collection of the missing momentum, if the topology has any.
    """

    collections: tuple[str, ...]
    where: tuple[str, ...]
    missing_momentum: str | None

    @property
    def inputs(self) -> InputSpec:
        """One object specification per collection, which requires as many objects as are surely taken from it.

        Particles that may come from several collections require none in each.
        """
        names = dict.fromkeys(name for entry in self.collections for name in entry.split("|"))
        return InputSpec(
            tuple(ObjectSpec(name, self.where, at_least=self.collections.count(name)) for name in names),
            missing_momentum=self.missing_momentum,
        )

    def select(self, batch: EventBatch) -> tuple[Float[Tensor, "event visible 4"], Bool[Tensor, " event"]]:
        """The visible particles of every event, and whether it has all of them."""
        visible = batch.momenta.new_zeros(len(batch), len(self.collections), 4)
        enough = torch.ones(len(batch), dtype=torch.bool, device=batch.device)
        for entry in dict.fromkeys(self.collections):
            places = [place for place, name in enumerate(self.collections) if name == entry]
            species = [batch.collections.index(name) for name in entry.split("|")]
            eligible = batch.mask & torch.isin(batch.species, torch.tensor(species, device=batch.device))
            wide = batch.padded(len(places))
            eligible = torch.nn.functional.pad(eligible, (0, wide.mask.shape[1] - eligible.shape[1]))
            key = torch.where(eligible, pt(wide.momenta), -torch.inf)
            order = key.sort(dim=1, descending=True, stable=True).indices[:, : len(places)]
            visible[:, places] = torch.take_along_dim(wide.momenta, order[..., None], dim=1)
            enough &= eligible.sum(dim=1) >= len(places)
        return visible, enough & torch.isfinite(visible).all(dim=(1, 2))
