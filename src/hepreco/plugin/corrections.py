"""The contract of a correction: what an event weighs, or what its objects are."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError

if TYPE_CHECKING:
    import awkward as ak

#: The name of a correction's central value, beside those of its variations.
CENTRAL: Final = "nominal"


@dataclass(frozen=True)
class CorrectionInput:
    """What a correction is given of some events.

    Parameters
    ----------
    columns
        The columns that it reads, by their paths, such as ``Jet.pt`` (a list in each event) or ``Pileup.nTrueInt``
        (a number in each event).
    event_id
        (run, luminosity block, event) of each event, int64, of shape (event, 3). Random numbers derive from it, so that
        they do not depend on the chunk.
    dataset, period
        The names of the dataset and of its data-taking period.

    Example
    -------
    >>> import awkward as ak
    >>> given = CorrectionInput({"Jet.pt": ak.Array([[30.0, 20.0], []])}, event_id=np.array([[1, 1, 1], [1, 1, 2]]))
    >>> len(given), given["Jet.pt"].tolist()
    (2, [[30.0, 20.0], []])
    """

    columns: Mapping[str, "ak.Array"]
    event_id: NDArray[np.int64]
    dataset: str = ""
    period: str = ""

    def __len__(self) -> int:
        return len(self.event_id)

    def __getitem__(self, path: str) -> "ak.Array":
        """One column; :class:`~hepreco.errors.ConfigError` where the correction does not declare that it reads it."""
        if path not in self.columns:
            raise ConfigError(
                f"the column {path!r} was not declared", "return it from the property 'reads' of the correction"
            )
        return self.columns[path]


@dataclass(frozen=True)
class Correction(ABC):
    """A correction of simulated or measured events.

    A subclass derives from :class:`WeightCorrection` or :class:`ObjectCorrection`, is final and a frozen dataclass,
    whose fields are its options: plain values, built on the driver and pickled to the workers. Files are read once per
    process, not in the constructor.
    """

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """The columns that it needs, such as ``Jet.pt``, ``jets.pt`` of selected objects, or ``Pileup.nTrueInt``."""

    @property
    def variations(self) -> tuple[str, ...]:
        """Names of its systematic variations, such as ``("up", "down")`` or ``("hf_up", "hf_down")``.

        On the axis ``variation`` the name of the correction's table stands before them: ``pileup_up``.
        """
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files that determine its answer. Their content enters the identity of every result."""
        return ()

    @classmethod
    def examples(cls) -> tuple["Correction", ...]:
        """Option sets that ``hepreco plugins check`` tries."""
        return ()

    def setup(self) -> None:  # noqa: B027  optional to override
        """Read files and fail early: called once per worker process, before the first chunk."""


@dataclass(frozen=True)
class WeightCorrection(Correction):
    """A correction that gives a factor on each event's weight.

    It runs on selected events, after plugins, so that it may also read selected objects and answers of plugins.

    Example
    -------
    >>> import awkward as ak
    >>> @dataclass(frozen=True)
    ... class Pileup(WeightCorrection):
    ...     slope: float = 0.01
    ...
    ...     @property
    ...     def reads(self):
    ...         return ("Pileup.nTrueInt",)
    ...
    ...     @property
    ...     def variations(self):
    ...         return ("up", "down")
    ...
    ...     def weights(self, events, wanted):
    ...         number = ak.to_numpy(events["Pileup.nTrueInt"])
    ...         slopes = {"nominal": self.slope, "up": 2 * self.slope, "down": 0.0}
    ...         return {name: 1 + slopes[name] * number for name in wanted}
    """

    @abstractmethod
    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The factors, one finite number per event, for each wanted name.

        Parameters
        ----------
        events
            The columns that it reads.
        wanted
            ``nominal``, and names among :attr:`variations`. Where objects are varied, only ``nominal`` is wanted.
        """


@dataclass(frozen=True)
class ObjectCorrection(Correction):
    """A correction that replaces columns of NanoAOD, such as the pt and mass of jets.

    It runs before objects are selected. Several run in the order of the configuration, each on what the ones before it
    have made.
    """

    @property
    @abstractmethod
    def changes(self) -> tuple[str, ...]:
        """The columns that it replaces, such as ``("Jet.pt", "Jet.mass", "PuppiMET.pt", "PuppiMET.phi")``."""

    @abstractmethod
    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, "ak.Array"]:
        """The new values of :attr:`changes`, in the order of the objects as they are read.

        Parameters
        ----------
        events
            The columns that it reads.
        variation
            ``nominal``, or a name among :attr:`variations`.
        """
