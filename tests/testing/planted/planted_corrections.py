"""A weight and a change of jets, and subclasses of them with one bug each."""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import awkward as ak
import numpy as np

from hepreco.plugin import CorrectionInput, ObjectCorrection, WeightCorrection

#: Of numbers that an event's identifiers are mixed with.
_PRIME = 7919
_SEEN: dict[int, float] = {}
_PER_PROCESS = np.random.default_rng().uniform()


def _uniform(event_id):
    """A number of each event."""
    return (event_id[:, 2] * _PRIME % 1000) / 1000


#: Of SmallestChunk.
SMALLEST = [1_000_000]


@dataclass(frozen=True)
class Weight(WeightCorrection):
    """A factor for each jet, and for the event."""

    slope: float = 0.001

    @property
    def reads(self):
        """Jets, and the density."""
        return ("jets.pt", "Rho.fixedGridRhoFastjetAll")

    @property
    def variations(self):
        """One pair."""
        return ("up", "down")

    def factor(self, events, slope):
        """One number for each event."""
        jets = ak.prod(1 + slope * events["jets.pt"], axis=1)
        return ak.to_numpy(jets) * (1 + 0.01 * ak.to_numpy(events["Rho.fixedGridRhoFastjetAll"]))

    def weights(self, events, wanted):
        """Three slopes."""
        slopes = {"nominal": self.slope, "up": 2 * self.slope, "down": 0.0}
        return {name: self.factor(events, slopes[name]) for name in wanted}


@dataclass(frozen=True)
class Jets(ObjectCorrection):
    """Jets with another energy, smeared by a number of their event."""

    scale: float = 1.02

    @property
    def reads(self):
        """Of jets."""
        return ("Jet.pt", "Jet.mass")

    @property
    def changes(self):
        """Both of them."""
        return ("Jet.pt", "Jet.mass")

    @property
    def variations(self):
        """One pair."""
        return ("up", "down")

    def smearing(self, events):
        """One number for each event."""
        return 1 + 0.1 * _uniform(events.event_id)

    def corrected(self, events, variation):
        """All jets of an event alike."""
        scale = self.scale + {"nominal": 0.0, "up": 0.01, "down": -0.01}[variation]
        return {path: scale * events[path] * self.smearing(events) for path in self.changes}


@dataclass(frozen=True)
class MeanOfChunk(Weight):
    """Divides by the mean."""

    def factor(self, events, slope):
        """Normalised to the chunk."""
        found = super().factor(events, slope)
        return found / found.mean() if len(found) else found


@dataclass(frozen=True)
class PositionInChunk(Weight):
    """Every other event is reweighted."""

    def factor(self, events, slope):
        """By the row."""
        return super().factor(events, slope) * (1 + np.arange(len(events)) % 2)


@dataclass(frozen=True)
class FirstEvent(Weight):
    """Compares with the first event."""

    def factor(self, events, slope):
        """Of the chunk."""
        number = events.event_id[:, 2]
        return super().factor(events, slope) * (1 + (number > number[:1].sum()))


@dataclass(frozen=True)
class SharedGenerator(Weight):
    """Draws from the generator that everybody shares."""

    def factor(self, events, slope):
        """At random."""
        return super().factor(events, slope) * (1 + random.random())


@dataclass(frozen=True)
class OwnGenerator(Weight):
    """Draws from a generator with a fixed seed, in the order of events."""

    def factor(self, events, slope):
        """At random."""
        return super().factor(events, slope) * np.random.default_rng(1).uniform(1, 2, len(events))


@dataclass(frozen=True)
class RandomPerProcess(Weight):
    """A number drawn when it is imported."""

    def factor(self, events, slope):
        """Another one in every process."""
        return super().factor(events, slope) * (1 + _PER_PROCESS)


@dataclass(frozen=True)
class Remembers(Weight):
    """Remembers the first density that it saw."""

    def factor(self, events, slope):
        """Relative to it."""
        density = ak.to_numpy(events["Rho.fixedGridRhoFastjetAll"])
        if len(density):
            _SEEN.setdefault(0, float(density[0]))
        return super().factor(events, slope) * _SEEN.get(0, 1.0)


@dataclass(frozen=True)
class SmallestChunk(Weight):
    """Remembers the smallest chunk so far."""

    def factor(self, events, slope):
        """Relative to its number of events."""
        SMALLEST[0] = min(SMALLEST[0], len(events) or SMALLEST[0])
        return super().factor(events, slope) * (len(events) / SMALLEST[0])


@dataclass(frozen=True)
class InfiniteWeight(Weight):
    """Divides by the number of jets."""

    def factor(self, events, slope):
        """Infinite without jets."""
        with np.errstate(divide="ignore"):
            return super().factor(events, slope) / ak.to_numpy(ak.num(events["jets.pt"], axis=1))


@dataclass(frozen=True)
class PerJet(Weight):
    """Forgets to multiply."""

    def factor(self, events, slope):
        """One list for each event."""
        return 1 + slope * events["jets.pt"]


@dataclass(frozen=True)
class OnlyNominal(Weight):
    """Promises variations that it does not give."""

    def weights(self, events, wanted):
        """One of three."""
        return {"nominal": self.factor(events, self.slope)}


@dataclass(frozen=True)
class EverythingAlways(Weight):
    """Gives variations that nobody wants."""

    def weights(self, events, wanted):
        """All."""
        return super().weights(events, ("nominal", "up", "down"))


@dataclass(frozen=True)
class NothingVaried(Weight):
    """A variation that changes nothing."""

    def weights(self, events, wanted):
        """The same."""
        return dict.fromkeys(wanted, self.factor(events, self.slope))


@dataclass(frozen=True)
class Undeclared(Weight):
    """Reads what it does not declare."""

    def factor(self, events, slope):
        """Of another column."""
        return super().factor(events, slope) * ak.to_numpy(events["Pileup.nTrueInt"])


@dataclass(frozen=True)
class ChangesColumns(Weight):
    """Works in the memory that it is given."""

    def factor(self, events, slope):
        """In place."""
        density = np.asarray(events["Rho.fixedGridRhoFastjetAll"])
        density *= 2
        return super().factor(events, slope)


@dataclass(frozen=True)
class NominalAmongVariations(Weight):
    """Calls a variation nominal."""

    @property
    def variations(self):
        """All three."""
        return ("nominal", "up", "down")


@dataclass(frozen=True)
class Unhashable(Weight):
    """An option is a list."""

    slopes: list = field(default_factory=list)


class Undecorated(Weight):
    """No dataclass of its own."""


@dataclass(frozen=True)
class LambdaOption(Weight):
    """An option is a function, another one in every process."""

    function: object = field(default_factory=lambda: lambda pt: pt)


@dataclass(frozen=True)
class WritesAFile(Weight):
    """Leaves a file in every call."""

    def factor(self, events, slope):
        """And writes."""
        (Path(os.environ.get("TMPDIR", "/tmp")) / "planted-correction.txt").write_text("here")
        return super().factor(events, slope)


@dataclass(frozen=True)
class MissingFile(Weight):
    """Reads a file that is not there."""

    def setup(self):
        """Which fails."""
        Path("/nowhere/weights.json").read_text()


@dataclass(frozen=True)
class GeneratedJets(Jets):
    """Reads generated jets, to correct data."""

    @property
    def reads(self):
        """With partners."""
        return ("Jet.pt", "Jet.mass", "Jet.genJetIdx", "GenJet.pt")


@dataclass(frozen=True)
class RowsForNumbers(Jets):
    """Random numbers belong to the row."""

    def smearing(self, events):
        """By the row."""
        return 1 + 0.1 * _uniform(np.arange(3 * len(events)).reshape(-1, 3))


@dataclass(frozen=True)
class DropsJets(Jets):
    """Drops jets of low pt."""

    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
        """Fewer of them."""
        return {path: values[events["Jet.pt"] > 40] for path, values in super().corrected(events, variation).items()}


@dataclass(frozen=True)
class ChangesMore(Jets):
    """Changes what it does not name."""

    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
        """One more."""
        return {**super().corrected(events, variation), "Jet.eta": events["Jet.pt"]}


@dataclass(frozen=True)
class ChangesUnread(Jets):
    """Replaces a column that it does not read."""

    @property
    def changes(self):
        """One more."""
        return ("Jet.pt", "Jet.phi")

    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
        """Made of pt."""
        return dict.fromkeys(self.changes, events["Jet.pt"])


@dataclass(frozen=True)
class NotANumber(Jets):
    """Gives NaN for soft jets."""

    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
        """Not finite."""
        found = super().corrected(events, variation)
        return {path: ak.where(events["Jet.pt"] < 40, np.nan, values) for path, values in found.items()}
