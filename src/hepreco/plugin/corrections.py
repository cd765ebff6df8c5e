"""The contract of a correction of event weights or of objects."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError

if TYPE_CHECKING:
    import awkward as ak

#: The name of a correction's central value.
CENTRAL: Final = "nominal"


@dataclass(frozen=True)
class CorrectionInput:
    """The columns of events that a correction reads.

    Parameters
    ----------
    columns
        Columns by their paths, such as ``Jet.pt`` (a list in each event) or ``Pileup.nTrueInt`` (a number in each
        event).
    event_id
        (run, luminosity block, event) of each event, int64, of shape (event, 3). Random numbers must derive from it, so
        that they do not depend on the chunk.
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
        """One column; :class:`~hepreco.errors.ConfigError` if the correction does not declare that it reads it."""
        if path not in self.columns:
            raise ConfigError(
                f"the column {path!r} was not declared", "return it from the property 'reads' of the correction"
            )
        return self.columns[path]


@dataclass(frozen=True)
class Correction(ABC):
    """A correction of simulated or measured events.

    A subclass derives from :class:`WeightCorrection` or :class:`ObjectCorrection` and is a final, frozen dataclass
    whose fields are its options. These are plain values, since the correction is built on the driver and pickled to the
    workers. Files are read once per process, not in the constructor.
    """

    @property
    @abstractmethod
    def reads(self) -> tuple[str, ...]:
        """The columns that it needs, such as ``Jet.pt``, ``jets.pt`` of selected objects, or ``Pileup.nTrueInt``."""

    @property
    def variations(self) -> tuple[str, ...]:
        """Names of its systematic variations, such as ``("up", "down")`` or ``("hf_up", "hf_down")``.

        On the axis ``variation`` they are preceded by the name of the correction's table: ``pileup_up``.
        """
        return ()

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of the files that it uses. Their content is part of the identity of every result."""
        return ()

    @classmethod
    def examples(cls) -> tuple["Correction", ...]:
        """Option sets that ``hepreco plugins check`` tries."""
        return ()

    def setup(self) -> None:  # noqa: B027  optional to override
        """Read files, so that errors occur early; called once per worker process, before the first chunk."""


@dataclass(frozen=True)
class WeightCorrection(Correction):
    """A correction that multiplies the weight of each event by a factor.

    It runs on selected events, after the plugins, so that it may also read selected objects and columns of plugins.

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
            ``nominal``, and names among :attr:`variations`. For varied objects only ``nominal`` is wanted.
        """


@dataclass(frozen=True)
class ObjectCorrection(Correction):
    """A correction that replaces columns of NanoAOD, such as the pt and mass of jets.

    It runs before objects are selected. Several run in the order of the configuration, each on the result of the
    previous one.
    """

    @property
    @abstractmethod
    def changes(self) -> tuple[str, ...]:
        """The columns that it replaces, such as ``("Jet.pt", "Jet.mass", "PuppiMET.pt", "PuppiMET.phi")``."""

    @abstractmethod
    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, "ak.Array"]:
        """The new values of :attr:`changes`, in the order in which objects are read.

        Parameters
        ----------
        events
            The columns that it reads.
        variation
            ``nominal``, or a name among :attr:`variations`.
        """
