"""Truth, the order of energy, and what a plugin finds beside truth: reconstructors of this analysis alone.

Generated files hold final partons in the order of the process. Plugins never see that order: objects come to them
by pt. Here it is read, to be compared with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.kinematics import mass
from hepreco.plugin import Axis
from hepreco_me_assigner import Hypothesis, MatrixElementAssigner
from hepreco_me_assigner.process.frames import partonic
from hepreco_me_assigner.process.hypothesis import beams

#: Final partons of a generated or imported sample.
PARTONS: Final = {"collection": "LHEPart", "where": ("status == 1",)}
_RATIO: Final = Column("log_ratio", label=r"$\ln(|M|^2 / |M_{\mathrm{true}}|^2)$", axis=Axis(230, -100.0, 15.0))


def in_order(batch: EventBatch) -> EventBatch:
    """The partons in the order of the process: truth."""
    return batch.objects_ordered_by(-batch.index.double(), at_most=batch.mask.shape[1])


def by_energy(batch: EventBatch) -> Tensor:
    """Momenta (GeV) in the partonic centre of mass, in decreasing order of energy: what an episode begins with."""
    final = partonic(batch.momenta)
    order = final[..., 0].argsort(dim=1, descending=True)
    return final.gather(1, order[..., None].expand(-1, -1, 4))


def true_log_me2(hypothesis: Hypothesis, batch: EventBatch) -> Tensor:
    """ln|M|² of the true assignment."""
    return hypothesis.log_me2(partonic(in_order(batch).momenta))


@final
@dataclass(frozen=True)
class AgainstTruth(Reconstructor):
    """What an assigner finds, and how large |M|² is there beside the true assignment's."""

    assigner: MatrixElementAssigner

    @property
    def inputs(self) -> InputSpec:
        """Those of the assigner."""
        return self.assigner.inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """Those of the assigner, and the ratio."""
        return (*self.assigner.outputs, _RATIO)

    @property
    def weights(self) -> Path | None:
        """Those of the assigner."""
        return self.assigner.weights

    def setup(self, device: str) -> None:
        """Load what the assigner needs."""
        self.assigner.setup(device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The columns of every event."""
        found = dict(self.assigner.reconstruct(batch))
        slot = (found["leg_index"][:, :, None] == batch.index[:, None, :]).int().argmax(dim=2)
        hypothesis = self.assigner.hypothesis
        reached = hypothesis.log_me2(partonic(batch.momenta.gather(1, slot[..., None].expand(-1, -1, 4))))
        return {**found, "log_ratio": reached - true_log_me2(hypothesis, batch)}


@final
@dataclass(frozen=True)
class Truth(Reconstructor):
    """W bosons and top quarks of the true assignment, and |M|² of the order of energy beside it."""

    process: str

    @property
    def inputs(self) -> InputSpec:
        """All final partons."""
        return MatrixElementAssigner(self.process, at_most=16, **PARTONS).inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The ratio before any assignment, and resonances."""
        columns = MatrixElementAssigner(self.process, at_most=16).outputs
        return (_RATIO, *(column for column in columns if column.kind == "four-vector"))

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The columns of every event."""
        hypothesis, momenta = Hypothesis(self.process), in_order(batch).momenta
        resonances: dict[str, list[Tensor]] = {"top": [], "w": []}
        for branch in hypothesis.branches:
            for resonance in branch.resonances:
                legs = [branch.legs[position] for position in resonance.legs]
                name = "top" if resonance.particle.name.startswith("t") else "w"
                resonances[name].append(momenta[:, legs].sum(dim=1))
        start = hypothesis.log_me2(by_energy(batch))
        return {
            "log_ratio": start - true_log_me2(hypothesis, batch),
            **{name: torch.stack(members, dim=1) for name, members in resonances.items() if members},
        }


@final
@dataclass(frozen=True)
class TrueJets(Reconstructor):
    """Top quarks of tt̄ from the jets that their three quarks have made, where each has made one."""

    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")

    @property
    def inputs(self) -> InputSpec:
        """Jets, and which of the six quarks each comes from."""
        return InputSpec((ObjectSpec("Jet", self.where, at_least=6, features=("truthParton",)),))

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The top quarks."""
        return (Column("top", "four-vector", per=2, unit="GeV", label="$m_{jjj}$", axis=Axis(50, 100.0, 300.0)),)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The columns of every event."""
        quark = torch.where(batch.mask, batch.features["truthParton"], -1.0)
        comes_from = quark[:, None, :] == torch.arange(6, device=batch.device)[:, None]  # event, quark, jet
        jets = comes_from.to(batch.momenta.dtype) @ batch.momenta
        tops = jets.unflatten(1, (2, 3)).sum(dim=2)
        found = (comes_from.sum(dim=2) == 1).unflatten(1, (2, 3)).all(dim=2)
        return {"top": torch.where(found[..., None], tops, torch.nan)}


@final
@dataclass(frozen=True)
class TrueRatio(Reconstructor):
    """The likelihood ratio of longitudinal W bosons (equation 7) at the true assignment."""

    process: str = "wwuu"

    @property
    def inputs(self) -> InputSpec:
        """All final partons."""
        return Truth(self.process).inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """As of ``me-likelihood-ratio``."""
        return (Column("log_ratio", label=r"$\ln \mathcal{L}$", axis=Axis(1000, -15.0, 10.0)),)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The score of every event."""
        final = partonic(in_order(batch).momenta)
        found = Hypothesis(self.process).matrix_element.polarised(torch.cat((beams(final), final), dim=1))
        return {"log_ratio": (found["LL"] / (found["LT"] + found["TL"] + found["TT"])).log()}


@final
@dataclass(frozen=True)
class Unassigned(Reconstructor):
    """−ln|M|² in the order of energy: the anomaly score of who assigns nothing."""

    process: str = "ttbar"

    @property
    def inputs(self) -> InputSpec:
        """All final partons."""
        return Truth(self.process).inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The score, on an axis fine enough for ROC curves."""
        return (Column("score", label=r"$-\ln|M|^2$", axis=Axis(1000, -20.0, 80.0)),)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The score of every event."""
        return {"score": -Hypothesis(self.process).log_me2(by_energy(batch))}


@final
@dataclass(frozen=True)
class InWindow(Reconstructor):
    """Another reconstructor, for events whose objects have a mass (GeV) in a window; others have no answer."""

    of: Reconstructor
    window: tuple[float, float] = (400.0, 700.0)

    @property
    def inputs(self) -> InputSpec:
        """Those of the other."""
        return self.of.inputs

    @property
    def outputs(self) -> tuple[Column, ...]:
        """Those of the other."""
        return self.of.outputs

    @property
    def weights(self) -> Path | None:
        """Those of the other."""
        return self.of.weights

    def setup(self, device: str) -> None:
        """Load what the other needs."""
        self.of.setup(device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The columns of the events inside."""
        total = mass(batch.momenta.sum(dim=1))
        inside = (total > self.window[0]) & (total < self.window[1])
        return {name: _spread(values, inside) for name, values in self.of.reconstruct(batch[inside]).items()}


def _spread(values: Tensor, inside: Tensor) -> Tensor:
    missing = torch.nan if values.is_floating_point() else -1
    rows = values.new_full((len(inside), *values.shape[1:]), missing)
    rows[inside] = values
    return rows
