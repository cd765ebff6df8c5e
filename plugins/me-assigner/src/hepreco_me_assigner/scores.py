"""Scores of events from |M|²: the polarisation of a W pair, and how unlike a background an event is."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, Reconstructor
from hepreco.errors import ConfigError
from hepreco.plugin import Axis
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import beams
from hepreco_me_assigner.reconstructor import MatrixElementAssigner
from hepreco_me_assigner.search import ranked_assignments
from hepreco_me_assigner.solvers import Solver


@final
@dataclass(frozen=True)
class LikelihoodRatio(Reconstructor):
    """ln of |M_LL|² / (|M_LT|² + |M_TL|² + |M_TT|²), which is large where both W bosons are longitudinal.

    Polarisations are defined in the partonic centre of mass. Since the true assignment of jets is unknown, the most
    powerful test sums numerator and denominator over all assignments (``marginal``).

    Parameters
    ----------
    process
        A process that produces one W⁺ and one W⁻.
    assignments
        ``marginal``, or the solver of ``me-assigner`` that chooses one assignment by the unpolarised |M|².
    collection, where, at_most
        As for ``me-assigner``.
    calls
        Number of assignments that are summed, or from which a solver chooses.

    References
    ----------
    arXiv:2507.13447, equation 7; the sum over assignments is ours.
    """

    process: str = "wwuu"
    assignments: Solver = "marginal"
    collection: str = "Jet"
    where: tuple[str, ...] = ("pt > 30", "|eta| < 4.7")
    at_most: int = 6
    calls: int = 128

    def __post_init__(self) -> None:
        names = sorted(leg.particle.name for leg in self.assigner.hypothesis.parsed.outgoing)
        if names.count("w+") != 1 or names.count("w-") != 1:
            raise ConfigError(
                f"me-likelihood-ratio: {self.process!r} does not produce one W⁺ and one W⁻", "give a process that does"
            )

    @property
    def assigner(self) -> MatrixElementAssigner:
        """Finds the assignments."""
        return _assigner(self, self.process, self.assignments)

    @property
    def inputs(self) -> InputSpec:
        """The inputs of ``me-assigner`` with these options."""
        return self.assigner.inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The score, on an axis fine enough for ROC curves."""
        return (Column("log_ratio", label=r"$\ln \mathcal{L}$", axis=Axis(1000, -15.0, 10.0)),)

    @property
    def weights(self) -> Path | None:
        """The weights of the assigner."""
        return self.assigner.weights

    def setup(self, device: str) -> None:
        """Build the matrix element; load weights."""
        self.assigner.setup(device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The score of every event."""
        score = batch.momenta.new_full((len(batch),), torch.nan)
        assigner = self.assigner
        for events, _, problem in assigner.problems(batch):
            if self.assignments == "marginal":
                objects = ranked_assignments(problem, at_most=self.calls).objects
            else:
                objects = assigner.solve(problem).objects[:, None]
            rows = torch.arange(len(events))[:, None, None]
            final = partonic(problem.momenta[rows, objects])
            found = problem.hypothesis.matrix_element.polarised(torch.cat((beams(final), final), dim=-2))
            rest = found["LT"] + found["TL"] + found["TT"]
            score[events] = found["LL"].sum(dim=1).log() - rest.sum(dim=1).log()
        return {"log_ratio": score}


@final
@dataclass(frozen=True)
class Anomaly(Reconstructor):
    """−ln|M|² of backgrounds at their best assignments: large where no background explains an event.

    Parameters
    ----------
    backgrounds
        Processes of ``me-assigner`` with the same numbers of jets and leptons; |M|² is summed over them.
    fractions
        Weights of that sum; all 1 by default.
    solver, collection, where, at_most, calls
        As for ``me-assigner``.

    References
    ----------
    arXiv:2507.13447, equation 8; the score of decays alone is ours.
    """

    backgrounds: tuple[str, ...] = ("ttbar",)
    fractions: tuple[float, ...] = ()
    solver: Solver = "exact"
    collection: str = "Jet"
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    at_most: int = 6
    calls: int = 64

    def __post_init__(self) -> None:
        legs = {tuple(sorted(assigner.hypothesis.kinds)) for assigner in self.assigners}
        if (
            len(legs) != 1
            or len(self.fractions) not in (0, len(self.backgrounds))
            or min(self.fractions, default=1) <= 0
        ):
            raise ConfigError(
                f"me-anomaly: backgrounds {self.backgrounds} with fractions {self.fractions}",
                "give processes with equally many jets and leptons, and a positive fraction for each or none",
            )

    @property
    def assigners(self) -> tuple[MatrixElementAssigner, ...]:
        """One for each background."""
        return tuple(_assigner(self, process, self.solver) for process in self.backgrounds)

    @property
    def inputs(self) -> InputSpec:
        """The inputs of ``me-assigner`` with these options."""
        return self.assigners[0].inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The score, and that of Breit-Wigner factors and decays alone, each at its own best assignment."""
        return (
            Column("score", label=r"$-\ln|M|^2$", axis=Axis(1000, -20.0, 80.0)),
            Column("decay_score", label="$-$ln (Breit-Wigner, decays)", axis=Axis(1000, 0.0, 200.0)),
        )

    @property
    def weights(self) -> Path | None:
        """The weights of the assigner of the first background."""
        return self.assigners[0].weights

    def setup(self, device: str) -> None:
        """Build the matrix elements; load weights."""
        for assigner in self.assigners:
            assigner.setup(device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The scores of every event."""
        found: dict[str, list[Tensor]] = {"score": [], "decay_score": []}
        for assigner in self.assigners:
            log_me2, decays = (batch.momenta.new_full((len(batch),), torch.nan) for _ in range(2))
            for events, _, problem in assigner.problems(batch):
                log_me2[events] = assigner.solve(problem).log_me2
                decays[events] = ranked_assignments(problem, at_most=1).score[:, 0]
            found["score"].append(log_me2)
            found["decay_score"].append(decays)
        fractions = batch.momenta.new_tensor(self.fractions or (1.0,) * len(self.backgrounds)).log()[:, None]
        return {name: -torch.logsumexp(torch.stack(values) + fractions, dim=0) for name, values in found.items()}


def _assigner(options: LikelihoodRatio | Anomaly, process: str, solver: Solver) -> MatrixElementAssigner:
    shared = {name: getattr(options, name) for name in ("collection", "where", "at_most", "calls")}
    return MatrixElementAssigner(process=process, solver=solver, **shared)
