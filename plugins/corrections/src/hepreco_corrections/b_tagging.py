"""Scale factors of b tagging at fixed working points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from hepreco.errors import ConfigError, DatasetError
from hepreco.plugin import CorrectionInput, WeightCorrection
from hepreco_corrections.columns import FlatColumns, flat
from hepreco_corrections.examples import EXAMPLE, EXAMPLE_EFFICIENCIES
from hepreco_corrections.files import ByPeriod, NamedCorrection, all_of, find, of_period
from hepreco_corrections.tables import freeze

#: Flavour groups of the files: heavy flavours are b and c, all others are light.
Group = Literal["hf", "lf"]
_FLAVOURS: Final[Mapping[Group, tuple[int, ...]]] = {"hf": (4, 5), "lf": (0,)}
#: The inputs of published scale factors, and of efficiencies.
_INPUTS: Final = ("systematic", "working_point", "flavor", "abseta", "pt")
_EFFICIENCY_INPUTS: Final = ("systematic", "working_point", "flavour", "pt", "abseta")


@final
@dataclass(frozen=True)
class FixedWorkingPoints(WeightCorrection):
    """The weight that gives simulated jets the b-tagging efficiencies of data, at one working point or several.

    A jet that passes working point i but not the next tighter one has the factor
    (SF_i ε_i − SF_i+1 ε_i+1) / (ε_i − ε_i+1), where ε and SF ε are 1 below the loosest working point and 0 beyond the
    tightest. With one working point this is SF for a tagged jet and (1 − SF ε) / (1 − ε) for an untagged one. The
    weight of an event is the product over its jets.

    Parameters
    ----------
    file
        A JSON file of scale factors with the inputs ``systematic``, ``working_point``, ``flavor``, ``abseta`` and
        ``pt``; or a table of them by data-taking period.
    efficiencies
        A JSON file of the efficiencies ε in simulation, as ``write_efficiencies`` writes it; or a table by period.
    working_points
        The score that a jet must exceed, by the name of each working point in the files.
    score
        The tagger's column.
    jets
        The jets over which the product is taken, by default the selected objects ``jets``.
    heavy, light
        Names in the file of the corrections for b and c jets, and for all others.
    systematics
        Sources of uncertainty, as the file names them after ``up_`` and ``down_``. Without any, there is one pair of
        variations for heavy and one for light flavours.

    Example
    -------
    >>> FixedWorkingPoints("sf.json", "efficiencies.json", {"M": 0.3}, systematics=("correlated",)).variations
    ('hf_correlated_up', 'hf_correlated_down', 'lf_correlated_up', 'lf_correlated_down')
    """

    file: ByPeriod
    efficiencies: ByPeriod
    working_points: Mapping[str, float]
    score: str = "btagDeepFlavB"
    jets: str = "jets"
    heavy: str = "deepJet_comb"
    light: str = "deepJet_light"
    systematics: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        freeze(self)
        if not self.working_points:
            raise ConfigError("btag-fixed-working-points: no working point", "write working_points = { M = 0.3 }")

    @property
    def reads(self) -> tuple[str, ...]:
        """Flavour, η, pt and score of the jets."""
        return tuple(self._columns.values())

    @property
    def variations(self) -> tuple[str, ...]:
        """A pair for each source and flavour group."""
        return tuple(self._meaning)

    @property
    def files(self) -> tuple[str, ...]:
        """Scale factors and efficiencies of all periods."""
        return (*all_of(self.file), *all_of(self.efficiencies))

    @classmethod
    def examples(cls) -> tuple["FixedWorkingPoints", ...]:
        """Examples with one working point and with two."""
        points = {"L": 0.2, "M": 0.6}
        sources = ("correlated", "uncorrelated")
        return (
            cls(EXAMPLE, EXAMPLE_EFFICIENCIES, {"M": 0.6}),
            cls(EXAMPLE, EXAMPLE_EFFICIENCIES, points, systematics=sources),
        )

    def setup(self) -> None:
        """Read the files, and check the inputs and the working points."""
        for path, name in product(all_of(self.file), (self.heavy, self.light)):
            find(path, name).require_inputs(_INPUTS)
        for path in all_of(self.efficiencies):
            find(path).require_inputs(_EFFICIENCY_INPUTS)

    def weights(self, events: CorrectionInput, wanted: Sequence[str]) -> Mapping[str, NDArray[np.float64]]:
        """The factors; those that a variation does not change are evaluated once."""
        jets = flat(events, self._columns)
        jets = FlatColumns({**jets.values, "abseta": abs(jets.values["eta"])}, jets.counts)
        groups = {group: np.isin(jets.values["flavor"], flavours) for group, flavours in _FLAVOURS.items()}
        if not np.all(groups["hf"] | groups["lf"]):
            raise DatasetError(
                f"{self._columns['flavor']} is none of 0, 4 and 5", "read hadronFlavour of simulated jets"
            )
        efficiencies = self._efficiencies(events, jets)
        passed = np.stack([jets.values["score"] > cut for cut in self.working_points.values()]).sum(axis=0)
        factors: dict[tuple[Group, str], NDArray[np.float64]] = {}

        def of_group(group: Group, systematic: str) -> NDArray[np.float64]:
            if (group, systematic) not in factors:
                held = groups[group]
                scale = self._scale_factors(events, jets, group, systematic, held=held)
                factors[group, systematic] = _factors(scale, efficiencies[:, held], passed[held])
            return factors[group, systematic]

        weights = {}
        for name in wanted:
            varied, systematic = self._meaning.get(name, ("", "central"))
            factor = np.ones(len(passed))
            for group, held in groups.items():
                factor[held] = of_group(group, systematic if group == varied else "central")
            weights[name] = jets.per_event(factor, events=len(events))
        return weights

    @property
    def _columns(self) -> dict[str, str]:
        names = {"flavor": "hadronFlavour", "eta": "eta", "pt": "pt", "score": self.score}
        return {name: f"{self.jets}.{column}" for name, column in names.items()}

    @property
    def _meaning(self) -> dict[str, tuple[Group, str]]:
        """The flavour group and the name in the file of each variation."""
        return {
            "_".join(filter(None, (group, source, direction))): (group, "_".join(filter(None, (direction, source))))
            for group in _FLAVOURS
            for source in self.systematics or ("",)
            for direction in ("up", "down")
        }

    @property
    def _points(self) -> list[str]:
        """The working points from the loosest to the tightest."""
        return sorted(self.working_points, key=lambda name: self.working_points[name])

    def _efficiencies(self, events: CorrectionInput, jets: FlatColumns) -> NDArray[np.float64]:
        correction = find(of_period(self.efficiencies, events.period))
        correction.require_inputs(_EFFICIENCY_INPUTS)
        values = {**jets.values, "flavour": jets.values["flavor"], "systematic": "central"}
        return np.stack([_evaluated(correction, {**values, "working_point": name}) for name in self._points])

    def _scale_factors(
        self, events: CorrectionInput, jets: FlatColumns, group: Group, systematic: str, *, held: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        correction = find(of_period(self.file, events.period), {"hf": self.heavy, "lf": self.light}[group])
        correction.require_inputs(_INPUTS)
        values = {name: value[held] for name, value in jets.values.items()}
        found = [
            _evaluated(correction, {**values, "systematic": systematic, "working_point": name}) for name in self._points
        ]
        return np.stack(found)


def _evaluated(correction: NamedCorrection, values: Mapping[str, object]) -> NDArray[np.float64]:
    return np.asarray(correction.evaluate(*(values[name] for name in correction.signature)), dtype=np.float64)


def _factors(
    scale: NDArray[np.float64], efficiency: NDArray[np.float64], passed: NDArray[np.int64]
) -> NDArray[np.float64]:
    """The factor of each jet, from arrays of shape (working point, jet) and the number of working points it passes."""
    one, none = np.ones((1, scale.shape[1])), np.zeros((1, scale.shape[1]))
    simulated, measured = (np.concatenate((one, each, none)) for each in (efficiency, scale * efficiency))
    jet = np.arange(scale.shape[1])
    here, expected = (each[passed, jet] - each[passed + 1, jet] for each in (measured, simulated))
    tightest = passed == len(scale)
    if np.any(impossible := (expected <= 0) & ~tightest):
        raise DatasetError(
            f"{impossible.sum()} jets fail a working point that, by the efficiencies, all jets of their flavour, pt "
            "and eta pass",
            "measure the efficiencies in fewer bins, or with more events",
        )
    ratio = here / np.where(tightest, 1.0, expected)
    return np.where(tightest, scale[-1], ratio)
