"""The variables derived by hand, as a reconstructor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.errors import ConfigError
from hepreco.kinematics import pt
from hepreco.plugin import Axis
from hepreco_event_variables.kinematic_variables import (
    invariant_mass,
    scalar_sum,
    stransverse_mass,
    transverse_mass,
)


@final
@dataclass(frozen=True)
class KinematicVariables(Reconstructor):
    """Invariant and transverse masses, m_T2, H_T, effective mass, missing momentum and its significance.

    Parameters
    ----------
    collections
        NanoAOD collections whose objects are together the visible particles.
    where
        Cuts on the objects.
    missing_momentum
        The collection of the missing momentum.
    at_least
        Events with fewer objects have no answer.
    trial_mass
        The assumed mass of each invisible particle, in GeV, for ``mt`` and ``mt2``.

    Example
    -------
    >>> [column.name for column in KinematicVariables(trial_mass=100.0).outputs]
    ['mass', 'mt', 'mt2', 'ht', 'missing_pt', 'effective_mass', 'missing_significance', 'min_delta_phi']
    """

    collections: tuple[str, ...] = ("Jet",)
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    missing_momentum: str = "PuppiMET"
    at_least: int = 1
    trial_mass: float = 0.0

    def __post_init__(self) -> None:
        if self.at_least < 1 or not 0 <= self.trial_mass < float("inf"):
            raise ConfigError(
                f"kinematic-variables: at_least = {self.at_least}, trial_mass = {self.trial_mass}",
                "give at least one object, and a trial mass of 0 GeV or more",
            )

    @property
    def inputs(self) -> InputSpec:
        """All objects of the collections, and the missing momentum."""
        alone = self.at_least if len(self.collections) == 1 else 0
        return InputSpec(
            tuple(ObjectSpec(name, self.where, at_least=alone) for name in self.collections),
            missing_momentum=self.missing_momentum,
        )

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The variables of all objects together; ``mt2`` is that of the two of largest pt."""
        wide = Axis(100, 0.0, 1000.0)
        return (
            Column("mass", unit="GeV", label="$m$", axis=wide),
            Column("mt", unit="GeV", label="$m_T$", axis=wide),
            Column("mt2", unit="GeV", label="$m_{T2}$", axis=wide),
            Column("ht", unit="GeV", label="$H_T$", axis=Axis(100, 0.0, 2000.0)),
            Column("missing_pt", unit="GeV", label="$p_T^{miss}$", axis=wide),
            Column("effective_mass", unit="GeV", label=r"$m_\mathrm{eff}$", axis=Axis(100, 0.0, 2000.0)),
            Column("missing_significance", label=r"$p_T^{miss}/\sqrt{H_T/\mathrm{GeV}}$", axis=Axis(100, 0.0, 50.0)),
            Column("min_delta_phi", unit="rad", label=r"min $\Delta\phi$", axis=Axis(50, 0.0, 3.2)),
        )

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The variables of every event; NaN with fewer than ``at_least`` objects, ``mt2`` also with fewer than two."""
        objects = batch.objects_ordered_by(pt(batch.momenta), at_most=batch.mask.shape[1]).padded(2)
        visible = torch.where(objects.mask[..., None], objects.momenta, 0.0)
        missing, number = batch.missing_momentum, objects.mask.sum(dim=1)
        missing_pt = missing.norm(dim=1)
        ht = scalar_sum(visible)
        angles = _angles(visible[..., 1:3], missing)
        found = {
            "mass": invariant_mass(visible),
            "mt": transverse_mass(visible, missing, trial_mass=self.trial_mass),
            "mt2": torch.where(
                number > 1,
                stransverse_mass(visible[:, 0], visible[:, 1], missing, trial_mass=self.trial_mass),
                torch.nan,
            ),
            "ht": ht,
            "missing_pt": missing_pt,
            "effective_mass": ht + missing_pt,
            "missing_significance": missing_pt / ht.sqrt(),
            "min_delta_phi": torch.where(objects.mask, angles, torch.inf).amin(dim=1),
        }
        return {name: torch.where(number >= self.at_least, value, torch.nan) for name, value in found.items()}


def _angles(one: Tensor, other: Tensor) -> Tensor:
    """Angles between each object (event, object, 2) and the missing momentum, from 0 to π."""
    cross = one[..., 0] * other[:, None, 1] - one[..., 1] * other[:, None, 0]
    return torch.atan2(cross.abs(), (one * other[:, None]).sum(dim=-1))
