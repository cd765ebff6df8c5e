"""The reconstructor: its options, its inputs, its outputs, and how its policy is trained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.conventions import B_TAG_THRESHOLD
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.kinematics import pt
from hepreco.plugin import Report, Trainable, TrainedNetwork, TrainingOptions
from hepreco.training import split
from hepreco_me_assigner.columns import columns_of, resonances_of
from hepreco_me_assigner.detector_fit import (
    JetSample,
    Likelihood,
    fit_detector,
    in_groups,
    is_pair_of_tops,
    pair_of_tops,
    read_detector,
    read_losses,
)
from hepreco_me_assigner.policy import NO_BOUNDS, Policy, Recipe
from hepreco_me_assigner.problems import (
    LEPTONS,
    Measurement,
    Problem,
    Solution,
    apart,
    leading_lepton,
    lepton_indices,
    problems_of,
)
from hepreco_me_assigner.process import massless
from hepreco_me_assigner.process.hypothesis import Hypothesis, hypothesis_of
from hepreco_me_assigner.solvers import Search, Solver
from hepreco_me_assigner.training import Potential, QNetwork


@final
@dataclass(frozen=True)
class MatrixElementAssigner(Reconstructor, Trainable):
    """Assign objects to the final legs of a process by its tree-level |M|², without any labels.

    Parameters
    ----------
    process
        ``ttbar``, ``ttw``, ``tttt``, ``wwuu``, ``ttbar-lepton-jets``, ``ttbar-dilepton``, ``tth-lepton-jets``,
        ``tttt-lepton-jets``, ``ttw-two-leptons``, or any process in MadGraph's syntax whose final particles are quarks,
        gluons, and at most two charged leptons with their neutrinos from W bosons. A lepton may be written as an
        electron or a muon: both are accepted. Events with a single lepton of the other charge are assigned to the
        charge-conjugate process.
    solver
        ``exact``: the largest |M|², certified given bounds measured on 2000 training events. ``marginal``: the topology
        of largest posterior probability. ``policy``: a trained network alone, without |M|². ``beam``: the network
        proposes, |M|² decides. ``greedy``: exchange two objects as long as |M|² grows.
    collection, where, at_most
        Collection of the objects, cuts on them, and their largest number; those of largest pt are kept. At parton level
        ``LHEPart`` with ``where = ["status == 1"]``.
    leptons_where, lepton_charge, missing_momentum
        For processes with a lepton: cuts on electrons and muons, of which that of largest pt is taken, and the
        collection of missing transverse momentum. Jets within ΔR = 0.4 of the lepton are removed. The neutrino is the
        solution of m(ℓν) = m_W with the larger |M|²; ``marginal`` sums over both. Without ``lepton_charge``, for files
        that do not tell it, events with one lepton are assigned to the process as written; for processes from two
        gluons that makes no difference.
    resolution
        The assumed detector: a :class:`~hepreco.detector.Detector`, with which samples are simulated too, or (a, b) for
        the default one with σ(E)/E = a/√(E/GeV) ⊕ b of jets. The product of |M|², parton densities and transfer
        functions is integrated with resonances on their poles; jets assigned to no leg count as radiation. Leptons are
        exact. ``None`` takes energies as they are.
    top_width, w_width
        Widths in GeV instead of the natural ones, to account for mass resolution.
    b_tag, b_tag_threshold, b_efficiency, light_efficiency
        A discriminator, its threshold, and the probabilities that b jets and others exceed it, by default those of the
        detector; ``None`` for ``b_tag`` ignores tags.
    calls
        Number of assignments that ``marginal`` sums, and from which ``policy`` and ``beam`` choose.
    beam
        Number of assignments that the policy proposes.
    recipe
        For training: ``efficient``, a network that predicts ln|M|² of likely assignments; or ``paper``, deep Q-learning
        of exchanges, whose weights only ``policy`` can use.
    hidden
        Sizes of the efficient network's layers.
    discount
        Discount γ of ``paper``; by default 0.01 for tt̄W and tt̄tt̄, as in the paper, and 0.5 otherwise.
    weights_directory
        Directory of the trained weights; ``None`` takes those that come with the plugin.

    References
    ----------
    arXiv:2507.13447, for the idea that |M|² is all the supervision that assignments need.
    """

    process: str = "ttbar"
    solver: Solver = "exact"
    collection: str = "Jet"
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    at_most: int = 8
    leptons_where: tuple[str, ...] = ("pt > 25", "|eta| < 2.5")
    lepton_charge: bool = True
    missing_momentum: str = "PuppiMET"
    resolution: Detector | tuple[float, float] | None = None
    top_width: float | None = None
    w_width: float | None = None
    b_tag: str | None = None
    b_tag_threshold: float = B_TAG_THRESHOLD
    b_efficiency: float | None = None
    light_efficiency: float | None = None
    calls: int = 64
    beam: int = 24
    recipe: Recipe = "efficient"
    hidden: tuple[int, ...] = (256, 256, 256)
    discount: float | None = None
    weights_directory: str | None = None

    def __post_init__(self) -> None:
        _ = self._measurement, self._policy  # are checked now
        jets = self.hypothesis.jets
        if not jets <= self.at_most <= 16:
            raise ConfigError(f"me-assigner: at_most = {self.at_most}", f"give {jets} to 16 objects")
        if not self.lepton_charge and len(self.hypothesis.leptonic) > 1:
            raise ConfigError(
                f"me-assigner: {self.process!r} has two leptons, whose charges tell them apart",
                "set lepton_charge = true",
            )
        if self._search.needs_weights and self._has_lepton:
            raise ConfigError(
                f"me-assigner: no policy is trained for a process with a lepton ({self.process!r})",
                "choose solver exact, marginal or greedy",
            )
        if self._search.needs_weights and self._is_measured:
            raise ConfigError(
                f"me-assigner: {self.solver} is trained with natural widths and exact energies",
                "choose another solver, or leave resolution and widths out",
            )

    @classmethod
    def examples(cls) -> tuple["MatrixElementAssigner", ...]:
        """Solvers of every kind, and a process with a lepton."""
        return (
            cls(at_most=6),
            cls(solver="marginal", b_tag="btagDeepFlavB", resolution=(0.8, 0.05)),
            cls(solver="policy"),
            cls(solver="greedy", at_most=7),
            cls(process="ttbar-lepton-jets", solver="greedy", top_width=15.0),
        )

    @property
    def hypothesis(self) -> Hypothesis:
        """The process with these widths."""
        return hypothesis_of(self.process, top_width=self.top_width, w_width=self.w_width)

    @property
    def inputs(self) -> InputSpec:
        """Objects of one collection; for processes with a lepton also electrons, muons and missing momentum."""
        features = (self.b_tag,) if self.b_tag else ()
        at_least = self.hypothesis.jets
        jets = ObjectSpec(self.collection, self.where, at_least=at_least, at_most=self.at_most, features=features)
        if not self._has_lepton:
            return InputSpec((jets,))
        number = len(self.hypothesis.leptonic)
        features = ("charge",) if self.lepton_charge else ()
        leptons = [ObjectSpec(name, self.leptons_where, at_most=number, features=features) for name in LEPTONS]
        return InputSpec((jets, *leptons), missing_momentum=self.missing_momentum)

    @property
    def outputs(self) -> tuple[Column, ...]:
        """ln|M|², the object of every leg in the order of the process, resonances, and the solver's certificate."""
        return columns_of(self.hypothesis, collection=self.collection, knows_losses=self._knows_losses)

    @property
    def weights(self) -> Path | None:
        """The directory of the trained weights; ``None`` if the solver needs none."""
        return self._policy.directory if self._search.needs_weights else self._learned

    def setup(self, device: str) -> None:
        """Build the matrix element, and load the weights."""
        _ = self.hypothesis.matrix_element
        if self._has_lepton:
            _ = self.hypothesis.conjugate.matrix_element
        self._network(torch.empty(0, device=device).device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The assignment of every event."""
        found = {
            column.name: (batch.index if column.kind == "index" else batch.momenta).new_full(
                column.shape(batch), -1 if column.kind == "index" else torch.nan
            )
            for column in self.outputs
        }
        slots, resonances = batch.collection(self.collection).index, resonances_of(self.hypothesis)
        for events, index, problem in self.problems(batch):
            solution = self.solve(problem)
            assigned = problem.assigned(solution.objects)
            found["log_me2"][events] = solution.log_me2
            found["leg_index"][events] = index.gather(1, solution.objects)
            found["certified"][events] = solution.certified
            found["calls"][events] = solution.calls.to(assigned.dtype)
            found["probability"][events] = solution.probability
            found["b_probability"][events] = self._per_slot(solution, index, slots[events])
            for name, members in resonances.items():
                found[name][events] = torch.stack([assigned[:, list(m)].sum(dim=1) for m in members], dim=1)
            if self._has_lepton:
                for name, indices in lepton_indices(batch[events], problem, solution.objects).items():
                    column = found[f"{name.lower()}_index"]
                    column[events] = indices.reshape(-1, *column.shape[1:])
        if self._knows_losses:
            losses = self._losses
            events, sample = self._jets(batch)
            for rows, some in in_groups(sample):
                found["complete_probability"][events[rows]] = losses.probability_complete(some)
        return found

    def problems(self, batch: EventBatch) -> Iterator[tuple[Tensor, Tensor, Problem]]:
        """Groups of events with equal numbers of objects and lepton charge: positions, indices of jets, and problem.

        Events are left out if they have no centre of mass, a momentum that is zero or not finite, or no lepton where
        the process has one.
        """
        jets = batch.collection(self.collection)
        return problems_of(batch, jets, hypothesis=self.hypothesis, at_most=self.at_most, measurement=self._measurement)

    def solve(self, problem: Problem) -> Solution:
        """Solve a problem with the chosen solver."""
        bounds = NO_BOUNDS if self._is_measured or self.solver != "exact" else self._policy.bounds
        return self._search.solve(problem, bounds=bounds, network=self._network(problem.momenta.device))

    def train(self, samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Fit a detector for ``marginal``; otherwise train a policy and measure the bounds of ``exact``. No labels."""
        if self.solver == "marginal":
            return self._fit_detector(samples["events"], options, report)
        if self._has_lepton:
            raise ConfigError(
                f"me-assigner: {self.process!r} has a lepton, and policies are trained for jets alone",
                "choose solver exact, marginal or greedy, which need no training",
            )
        parts = split(samples["events"], fraction=options.validation_fraction, seed=options.seed)
        legs = self.hypothesis.legs
        training, validation = (part.objects_ordered_by(pt(part.momenta), at_most=legs).momenta for part in parts)
        momenta = training, validation
        return self._policy.train(self.hypothesis, momenta, calls=self.calls, options=options, report=report)

    def _fit_detector(self, batch: EventBatch, options: TrainingOptions, report: Report) -> TrainedNetwork:
        branches = pair_of_tops(self.hypothesis)
        _, sample = self._jets(batch)
        return fit_detector(sample, branches=branches, assumed=Detector(), options=options, report=report)

    @property
    def _knows_losses(self) -> bool:
        """Whether a detector was learned and the process is tt̄."""
        return self._learned is not None and is_pair_of_tops(self.hypothesis)

    @property
    def _losses(self) -> Likelihood:
        """The likelihood with hypotheses for lost quarks, from the card of a learned detector."""
        lost = read_losses(Path(str(self.weights_directory)))
        return Likelihood(self._measurement.detector, lost, pair_of_tops(self.hypothesis))

    def _jets(self, batch: EventBatch) -> tuple[Tensor, JetSample]:
        """The jets of events that have enough of them, and the positions of these events."""
        jets = batch.collection(self.collection)
        if self._has_lepton:
            lepton = leading_lepton(batch)
            jets = replace(jets, mask=jets.mask & apart(jets.momenta, lepton.momenta, where=lepton.mask))
        jets = jets.objects_ordered_by(pt(jets.momenta), at_most=self.at_most)
        number = jets.mask.sum(dim=1)
        tagged = (jets.features[self.b_tag] > self.b_tag_threshold) & jets.mask if self.b_tag else None
        finite = jets.momenta.isfinite().all(dim=2).all(dim=1)
        events = (finite & (number >= self.hypothesis.jets)).nonzero()[:, 0]
        return events, JetSample(massless(jets.momenta), number, tagged)[events]

    @property
    def _learned(self) -> Path | None:
        """The directory of the learned detector that ``marginal`` assumes; ``None`` if there is none."""
        is_used = self.solver == "marginal" and self.resolution is None and self.weights_directory is not None
        return Path(str(self.weights_directory)) if is_used else None

    @property
    def _measurement(self) -> Measurement:
        efficiencies = self.b_efficiency, self.light_efficiency
        assumed = read_detector(self._learned) if self._learned else self.resolution
        return Measurement(assumed, self.b_tag, self.b_tag_threshold, *efficiencies)

    @property
    def _search(self) -> Search:
        return Search(self.solver, self.calls, self.beam)

    @property
    def _policy(self) -> Policy:
        return Policy(self.process, self.weights_directory, self.recipe, self.hidden, self.discount)

    @property
    def _is_measured(self) -> bool:
        """Whether a resolution or a width is given; policies and bounds are not valid then."""
        return bool(self.resolution or self._learned or self.top_width or self.w_width)

    @property
    def _has_lepton(self) -> bool:
        return bool(self.hypothesis.leptonic)

    def _network(self, device: torch.device) -> Potential | QNetwork | None:
        """The trained network, if the solver needs one."""
        return self._policy.network(device, proposes=self.solver == "beam") if self._search.needs_weights else None

    def _per_slot(self, solution: Solution, index: Tensor, slots: Tensor) -> Tensor:
        """Probability of each object of the batch to be a b quark."""
        legs = [i for i, particle in enumerate(self.hypothesis.parsed.final) if abs(particle.pdg_id) == 5]
        probability = solution.on_leg[..., legs].sum(dim=-1)
        same = (slots[:, :, None] == index[:, None, :]) & (slots >= 0)[:, :, None]
        found = torch.where(same, probability[:, None, :], 0.0).sum(dim=2)
        return torch.where(same.any(dim=2), found, torch.nan)
