"""Weights that the generator stores with each event, for scales, parton densities and the parton shower."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, final

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError
from hepreco.plugin import CorrectionInput, WeightCorrection
from hepreco.plugin.corrections import CENTRAL
from hepreco_corrections.tables import freeze

_SEVEN_POINTS: Final = {
    9: {
        "mur_down_muf_down": 0,
        "mur_down": 1,
        "muf_down": 3,
        CENTRAL: 4,
        "muf_up": 5,
        "mur_up": 7,
        "mur_up_muf_up": 8,
    },
    8: {"mur_down_muf_down": 0, "mur_down": 1, "muf_down": 3, "muf_up": 4, "mur_up": 6, "mur_up_muf_up": 7},
}


@final
@dataclass(frozen=True)
class LheScale(WeightCorrection):
    """Seven-point variation of renormalisation and factorisation scales by factors of two, from ``LHEScaleWeight``.

    Parameters
    ----------
    members
        Number of weights in the files: 9, or 8 without the central one.
    points
        The position of each variation among the members, if it differs from NanoAOD's. All are divided by the one
        called ``nominal``, if there is one.
    """

    members: int = 9
    points: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze(self)
        if not self.points and self.members not in _SEVEN_POINTS:
            raise ConfigError(
                f"lhe-scale: nothing is known of the order of {self.members} members",
                "say by 'points' which member is which variation",
            )
        _require_positions("lhe-scale", self._points, self.members)

    @property
    def reads(self) -> tuple[str, ...]:
        """The members."""
        return ("LHEScaleWeight",)

    @property
    def variations(self) -> tuple[str, ...]:
        """The six points beside the central one."""
        return tuple(name for name in self._points if name != CENTRAL)

    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The weights of the wanted variations."""
        return _ratios(events, "LHEScaleWeight", self._points, wanted, members=self.members)

    @property
    def _points(self) -> Mapping[str, int]:
        return self.points or _SEVEN_POINTS[self.members]


@final
@dataclass(frozen=True)
class LhePdf(WeightCorrection):
    """Parton densities, from ``LHEPdfWeight``: one variation for each member of the set, divided by the central one.

    Parameters
    ----------
    members
        Number of weights in the files, the central one first.
    kind
        Kind of the set: ``replicas``, a symmetric Hessian (``symmhessian``), or a ``hessian`` of pairs. Variations are
        accordingly named ``replica_1``, ``eigenvector_1``, or ``eigenvector_1_up`` and ``eigenvector_1_down``.
    alpha_s
        Whether the last two members have a lower and a higher strong coupling.

    Example
    -------
    >>> LhePdf(5, "hessian", alpha_s=False).variations
    ('eigenvector_1_up', 'eigenvector_1_down', 'eigenvector_2_up', 'eigenvector_2_down')
    """

    members: int = 103
    kind: Literal["replicas", "symmhessian", "hessian"] = "symmhessian"
    alpha_s: bool = True

    def __post_init__(self) -> None:
        number = self.members - 1 - 2 * self.alpha_s
        if number < 1 or (self.kind == "hessian" and number % 2):
            raise ConfigError(
                f"lhe-pdf: {self.members} members are no {kind_in_words(self.kind, alpha_s=self.alpha_s)}",
                "give the number of LHEPdfWeight in the files, and say whether the last two are of alpha_s",
            )

    @property
    def reads(self) -> tuple[str, ...]:
        """The members."""
        return ("LHEPdfWeight",)

    @property
    def variations(self) -> tuple[str, ...]:
        """One variation for each member except the central one."""
        return tuple(name for name in self._positions if name != CENTRAL)

    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The weights of the wanted variations."""
        return _ratios(events, "LHEPdfWeight", self._positions, wanted, members=self.members)

    @property
    def _positions(self) -> dict[str, int]:
        number = self.members - 1 - 2 * self.alpha_s
        match self.kind:
            case "replicas":
                names = [f"replica_{i + 1}" for i in range(number)]
            case "symmhessian":
                names = [f"eigenvector_{i + 1}" for i in range(number)]
            case "hessian":
                names = [f"eigenvector_{i // 2 + 1}_{('up', 'down')[i % 2]}" for i in range(number)]
        named = [CENTRAL, *names, *(["alpha_s_down", "alpha_s_up"] if self.alpha_s else [])]
        return {name: position for position, name in enumerate(named)}


@final
@dataclass(frozen=True)
class PartonShower(WeightCorrection):
    """Variations of initial- and final-state radiation in the parton shower by factors of two, from ``PSWeight``.

    Parameters
    ----------
    members
        Number of weights in the files. Files of some generators have a single weight, which is no variation.
    points
        The position of each variation among the members.
    """

    members: int = 4
    points: Mapping[str, int] = field(default_factory=lambda: {"isr_up": 0, "fsr_up": 1, "isr_down": 2, "fsr_down": 3})

    def __post_init__(self) -> None:
        freeze(self)
        _require_positions("parton-shower", self.points, self.members)

    @property
    def reads(self) -> tuple[str, ...]:
        """The members."""
        return ("PSWeight",)

    @property
    def variations(self) -> tuple[str, ...]:
        """``isr_up``, ``isr_down``, ``fsr_up`` and ``fsr_down``."""
        return tuple(name for name in self.points if name != CENTRAL)

    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The weights of the wanted variations."""
        return _ratios(events, "PSWeight", self.points, wanted, members=self.members)


def kind_in_words(kind: str, *, alpha_s: bool) -> str:
    """The kind of a set of parton densities, for error messages."""
    words = {"replicas": "replicas", "symmhessian": "symmetric Hessian", "hessian": "Hessian of pairs"}[kind]
    return f"{words} with a central member" + (" and two of alpha_s" if alpha_s else "")


def _require_positions(plugin: str, points: Mapping[str, int], members: int) -> None:
    for name, position in points.items():
        if not 0 <= position < members:
            raise ConfigError(
                f"{plugin}: {name} is member {position}, and there are {members}, counted from 0",
                "correct the position, or 'members'",
            )


def _ratios(
    events: CorrectionInput, column: str, positions: Mapping[str, int], wanted: Sequence[str], *, members: int
) -> dict[str, NDArray[np.float64]]:
    """The members of the wanted variations over the central one; the nominal weight is 1.

    Raises
    ------
    DatasetError
        An event has another number of members, or its central one is zero.
    """
    values = _members(events, column, members=members)
    central = values[:, positions[CENTRAL]] if CENTRAL in positions else np.ones(len(values))
    if np.any(central == 0):
        raise DatasetError(f"{_named(events, column)} has a central member of 0", "leave the dataset out of 'datasets'")
    return {name: np.ones(len(values)) if name == CENTRAL else values[:, positions[name]] / central for name in wanted}


def _members(events: CorrectionInput, column: str, *, members: int) -> NDArray[np.float64]:
    array = events[column]
    numbers = np.unique(ak.to_numpy(ak.num(array, axis=1)))
    if not len(numbers):
        return np.empty((0, members))
    if numbers.tolist() != [members]:
        held = " or ".join(map(str, numbers[:3]))
        raise DatasetError(
            f"{_named(events, column)} has {held} members, {members} were expected",
            f"set members = {numbers[0]} if these are what you want, or leave the dataset out of 'datasets'",
        )
    return ak.to_numpy(ak.flatten(array, axis=1)).astype(np.float64).reshape(-1, members)


def _named(events: CorrectionInput, column: str) -> str:
    return f"{column} of dataset {events.dataset!r}" if events.dataset else column
