"""The reconstructor: its options, its inputs, its outputs, and how its policy is trained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, cast, final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.conventions import B_TAG_THRESHOLD
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.kinematics import pt
from hepreco.plugin import Axis, Report, Trainable, TrainedNetwork, TrainingOptions
from hepreco.training import FitResult, split
from hepreco.weights import load_network, read_card
from hepreco_me_assigner.problems import LEPTONS, Problem, Solution, Tags, leading_lepton, problems_of
from hepreco_me_assigner.process.hypothesis import MASSLESS, PROCESSES, Hypothesis
from hepreco_me_assigner.search import Bounds, measured_bounds
from hepreco_me_assigner.solvers import beam, episodes, exact, greedy, marginal, policy
from hepreco_me_assigner.training.deep_q_learning import Schedule
from hepreco_me_assigner.training.potential import Potential
from hepreco_me_assigner.training.q_network import QNetwork
from hepreco_me_assigner.training.recipes import train_potential, train_q_network
from hepreco_me_assigner.transfer_functions import TransferFunctions

PACKAGED: Final = Path(__file__).parent / "weights"
#: Assignments among which an optimum is searched before it is given back without a certificate.
MOST_SEARCHED: Final = 8192
#: Processes that differ from others by a constant factor below 1 in |M|², which keeps bounds: W → ℓν has no colours.
SAME_BOUNDS: Final = MappingProxyType({"ttbar-lepton-jets": "ttbar"})
#: γ where the paper's is not 0.5.
PAPER_DISCOUNTS: Final = MappingProxyType({"ttw": 0.01, "tttt": 0.01})
#: Names of columns for resonances.
_NAMES: Final = {"t": "top", "w": "w", "z": "z", "h": "higgs"}
_TOP_AXIS: Final = Axis(50, 100.0, 300.0)
_AXES: Final = {
    "top": _TOP_AXIS,
    "leptonic_top": _TOP_AXIS,
    "w": Axis(50, 30.0, 130.0),
    "z": Axis(50, 40.0, 140.0),
}
_LABELS: Final = {"top": "$m_{jjj}$", "leptonic_top": r"$m_{j\ell\nu}$", "w": "$m_{jj}$", "z": "$m_{jj}$"}


@final
@dataclass(frozen=True)
class MatrixElementAssigner(Reconstructor, Trainable):
    """Assign objects to the final legs of a process by its tree-level |M|², without any labels.

    Parameters
    ----------
    process
        ``ttbar``, ``ttw``, ``tttt``, ``wwuu``, ``ttbar-lepton-jets``, or any process in MadGraph's syntax whose final
        particles are quarks, gluons, and at most one charged lepton with its neutrino from one W. Whether that is
        written as an electron or a muon does not matter; events with a lepton of the other charge are given to the
        charge-conjugate process, leg by leg.
    solver
        ``exact``: the largest |M|², with a certificate. ``marginal``: the topology of largest posterior probability.
        ``policy``: a trained network alone, no |M|². ``beam``: the network proposes, |M|² decides. ``greedy``: exchange
        two objects as long as |M|² grows.
    collection, where, at_most
        The objects: at parton level ``LHEPart`` with ``where = ["status == 1"]``. Of more than ``at_most`` those of
        largest pt.
    leptons_where, missing_momentum
        Where the process has a lepton: cuts on electrons and muons, of which that of largest pt is taken, and the
        collection of missing transverse momentum. Jets within ΔR = 0.4 of the lepton are the lepton. The neutrino is
        either solution of m(ℓν) = m_W: |M|² decides, ``marginal`` sums over both.
    resolution
        What is assumed of the detector: a :class:`~hepreco.detector.Detector`, as samples are simulated with, or
        (a, b) for its default with energies of jets of σ(E)/E = a/√(E/GeV) ⊕ b. |M|², parton densities and transfer
        functions are integrated with resonances on their poles, and jets that stand on no leg count as radiation.
        Leptons are exact. ``None`` takes energies as they are.
    top_width, w_width
        Widths (GeV) in place of natural ones, for measured objects; about the resolution of the mass.
    b_tag, b_tag_threshold, b_efficiency, light_efficiency
        A discriminator of the objects, and how often b quarks and others are above a threshold; ``None`` ignores tags.
    calls
        How many assignments ``marginal`` sums, and ``policy`` and ``beam`` choose from.
    beam
        How many assignments the policy proposes.
    recipe
        For training: ``efficient``, a network that predicts ln|M|² of likely assignments; or ``paper``, deep Q-learning
        of exchanges, whose weights serve ``policy`` alone.
    hidden
        Sizes of the efficient network's layers.
    discount
        γ of the paper's recipe; by default the paper's, 0.01 for tt̄W and tt̄tt̄, otherwise 0.5.
    weights_directory
        Where the trained weights are; ``None`` takes those that come with the plugin.

    References
    ----------
    arXiv:2507.13447, for the idea that |M|² is all the supervision that assignments need.
    """

    process: str = "ttbar"
    solver: Literal["exact", "marginal", "policy", "beam", "greedy"] = "exact"
    collection: str = "Jet"
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    at_most: int = 8
    leptons_where: tuple[str, ...] = ("pt > 25", "|eta| < 2.5")
    missing_momentum: str = "PuppiMET"
    resolution: Detector | tuple[float, float] | None = None
    top_width: float | None = None
    w_width: float | None = None
    b_tag: str | None = None
    b_tag_threshold: float = B_TAG_THRESHOLD
    b_efficiency: float = 0.77
    light_efficiency: float = 0.02
    calls: int = 64
    beam: int = 24
    recipe: Literal["efficient", "paper"] = "efficient"
    hidden: tuple[int, ...] = (256, 256, 256)
    discount: float | None = None
    weights_directory: str | None = None

    def __post_init__(self) -> None:
        jets = self.hypothesis.jets
        if not jets <= self.at_most <= 16:
            raise ConfigError(f"me-assigner: at_most = {self.at_most}", f"give {jets} to 16 objects")
        if self._needs_weights and self._has_lepton:
            raise ConfigError(
                f"me-assigner: no policy is trained for a process with a lepton ({self.process!r})",
                "choose solver exact, marginal or greedy",
            )
        if self._needs_weights and (self.resolution or self.top_width or self.w_width):
            raise ConfigError(
                f"me-assigner: {self.solver} is trained with natural widths and exact energies",
                "choose another solver, or leave resolution and widths out",
            )
        if min(self.calls, self.beam) < 1 or not all(0 < x < 1 for x in (self.b_efficiency, self.light_efficiency)):
            raise ConfigError("me-assigner: calls, beam or an efficiency is out of range", "give positive numbers")
        if self.discount is not None and not 0 <= self.discount < 1:
            raise ConfigError(f"me-assigner: discount = {self.discount}", "give a number from 0 to below 1")

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
        return _hypothesis(self.process, self.top_width, self.w_width)

    @property
    def inputs(self) -> InputSpec:
        """Objects of one collection, and where the process has a lepton electrons, muons and missing momentum."""
        features = (self.b_tag,) if self.b_tag else ()
        at_least = self.hypothesis.jets
        jets = ObjectSpec(self.collection, self.where, at_least=at_least, at_most=self.at_most, features=features)
        if not self._has_lepton:
            return InputSpec((jets,))
        leptons = [ObjectSpec(name, self.leptons_where, at_most=1, features=("charge",)) for name in LEPTONS]
        return InputSpec((jets, *leptons), missing_momentum=self.missing_momentum)

    @property
    def outputs(self) -> tuple[Column, ...]:
        """ln|M|², the object of every leg in the order of the process, resonances, and what the solver knows."""
        peaks = (
            Column(name, "four-vector", per=len(legs), unit="GeV", label=_LABELS.get(name, ""), axis=_AXES.get(name))
            for name, legs in self._sums.items()
        )
        leptons = LEPTONS if self._has_lepton else ()
        return (
            Column("log_me2", label=r"$\ln|M|^2$", axis=Axis(1000, -150.0, 50.0)),
            *peaks,
            Column("leg_index", "index", per=self.hypothesis.legs, of=self.collection),
            *(Column(f"{name.lower()}_index", "index", of=name) for name in leptons),
            Column("certified"),
            Column("calls"),
            Column("probability", label="posterior probability", axis=Axis(50, 0.0, 1.0)),
            Column("b_probability", per=self.collection),
        )

    @property
    def weights(self) -> Path | None:
        """The directory of the trained weights; none where the solver needs none."""
        if not self._needs_weights:
            return None
        return PACKAGED / self.process if self.weights_directory is None else Path(self.weights_directory)

    def setup(self, device: str) -> None:
        """Build the matrix element; load the weights."""
        _ = self.hypothesis.matrix_element
        if self._has_lepton:
            _ = self.hypothesis.conjugate.matrix_element
        if self._needs_weights:
            self._network(torch.empty(0, device=device).device)

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The assignment of every event."""
        found = {
            column.name: (batch.index if column.kind == "index" else batch.momenta).new_full(
                column.shape(batch), -1 if column.kind == "index" else torch.nan
            )
            for column in self.outputs
        }
        slots = batch.collection(self.collection).index
        for events, index, problem in self.problems(batch):
            solution = self.solve(problem)
            assigned = problem.momenta.gather(1, solution.objects[..., None].expand(-1, -1, 4))
            found["log_me2"][events] = solution.log_me2
            found["leg_index"][events] = index.gather(1, solution.objects)
            found["certified"][events] = solution.certified
            found["calls"][events] = solution.calls.to(assigned.dtype)
            found["probability"][events] = solution.probability
            found["b_probability"][events] = self._per_slot(solution, index, slots[events])
            for name, members in self._sums.items():
                found[name][events] = torch.stack([assigned[:, list(m)].sum(dim=1) for m in members], dim=1)
            if self._has_lepton:
                lepton = leading_lepton(batch[events])
                for name in LEPTONS:
                    is_it = lepton.species == lepton.collections.index(name)
                    found[f"{name.lower()}_index"][events] = torch.where(is_it, lepton.index, -1)[:, 0]
        return found

    def problems(self, batch: EventBatch) -> Iterator[tuple[Tensor, Tensor, Problem]]:
        """Events of one number of objects and charge at a time: which, where jets are in NanoAOD, and the objects.

        Events without a centre of mass, or with a momentum that is zero or not finite, are left out, and so are those
        without the lepton that the process has.
        """
        jets = batch.collection(self.collection)
        transfer = self._transfer_functions
        return problems_of(
            batch, jets, hypothesis=self.hypothesis, at_most=self.at_most, transfer=transfer, tags=self._tags
        )

    def solve(self, problem: Problem) -> Solution:
        """By the solver of the options."""
        match self.solver:
            case "exact":
                return exact(problem, bounds=self._bounds, at_most=max(self.calls, MOST_SEARCHED))
            case "marginal":
                return marginal(problem, at_most=self.calls)
            case "greedy":
                return greedy(problem)
            case "policy" | "beam":
                network = self._network(problem.momenta.device)
                if isinstance(network, QNetwork):
                    return episodes(problem, network)
                if self.solver == "policy":
                    return policy(problem, network, at_most=self.calls)
                return beam(problem, network, at_most=self.calls, width=self.beam)

    def train(self, samples: Mapping[str, EventBatch], options: TrainingOptions, *, report: Report) -> TrainedNetwork:
        """Train a policy by the recipe of the options, and measure the bounds of ``exact``; no labels are used."""
        if self._has_lepton:
            raise ConfigError(
                f"me-assigner: {self.process!r} has a lepton, and policies are trained for jets alone",
                "choose solver exact, marginal or greedy, which need no training",
            )
        parts = split(samples["events"], fraction=options.validation_fraction, seed=options.seed)
        training, validation = (_momenta(part, self.hypothesis.legs) for part in parts)
        network, result = self._train(training, validation, options, report)
        bounds = measured_bounds(Problem(self.hypothesis, training[:2000]), candidates_per_event=self.calls)
        metrics = {
            "training_loss": result.training_loss[result.best_epoch - 1],
            "validation_loss": result.best_loss,
            "best_epoch": float(result.best_epoch),
            "epochs": float(result.epochs),
            "training_events": float(len(training)),
            "validation_events": float(len(validation)),
            "bound_overall": bounds.overall,
            "bound_within": bounds.within,
        }
        return TrainedNetwork(tensors=result.best, network=network.options, metrics=metrics, history=result.history)

    def _train(
        self,
        training: Tensor,
        validation: Tensor,
        options: TrainingOptions,
        report: Report,
    ) -> tuple[Potential | QNetwork, FitResult]:
        """By the recipe of the options."""
        if self.recipe == "efficient":
            return train_potential(
                lambda: Potential(process=self.process, hidden=self.hidden),
                training=training,
                validation=validation,
                calls=self.calls,
                options=options,
                report=report,
            )
        discount = PAPER_DISCOUNTS.get(self.process, 0.5) if self.discount is None else self.discount
        return train_q_network(
            lambda: QNetwork(process=self.process),
            training=training,
            validation=validation,
            schedule=Schedule(discount=discount),
            options=options,
            report=report,
        )

    @property
    def _needs_weights(self) -> bool:
        return self.solver in ("policy", "beam")

    @property
    def _has_lepton(self) -> bool:
        return self.hypothesis.leptonic_w is not None

    @property
    def _sums(self) -> dict[str, list[tuple[int, ...]]]:
        """Columns of four-vectors, and the legs of each entry; resonances that became leptons by names of their own."""
        found: dict[str, list[tuple[int, ...]]] = {}
        for branch in self.hypothesis.branches:
            for resonance in branch.resonances:
                name = resonance.particle.name.rstrip("+-~")
                kind = "leptonic_" if any(branch.kinds[leg] != "jet" for leg in resonance.legs) else ""
                legs = tuple(branch.legs[position] for position in resonance.legs)
                found.setdefault(kind + _NAMES.get(name, name), []).append(legs)
        if self._has_lepton:
            found["neutrino"] = [(self.hypothesis.kinds.index("neutrino"),)]
        return found

    def _network(self, device: torch.device) -> Potential | QNetwork:
        """What the weights are of: the card of a transformer states its heads."""
        directory = cast("Path", self.weights)
        kind = QNetwork if "heads" in read_card(directory).network else Potential
        network = cast("Potential | QNetwork", load_network(kind, directory=directory, device=str(device)))
        if network.process != self.process:
            raise ConfigError(
                f"me-assigner: the weights in {directory} are of {network.process!r}, not of {self.process!r}",
                "choose weights of this process, or train them",
            )
        if self.solver == "beam" and isinstance(network, QNetwork):
            raise ConfigError(
                f"me-assigner: the weights in {directory} value exchanges, which beam cannot use",
                'choose solver = "policy", or weights of the efficient recipe',
            )
        return network

    @property
    def _tags(self) -> Tags | None:
        if self.b_tag is None:
            return None
        return Tags(self.b_tag, self.b_tag_threshold, b=self.b_efficiency, light=self.light_efficiency)

    @property
    def _transfer_functions(self) -> TransferFunctions | None:
        if self.resolution is None or isinstance(self.resolution, Detector):
            return None if self.resolution is None else TransferFunctions(self.resolution)
        stochastic, constant = self.resolution
        return TransferFunctions(Detector(jet_stochastic=stochastic, jet_constant=constant))

    @property
    def _bounds(self) -> Bounds:
        """Measured in training; infinite, so that nothing is ever certified, where there is none."""
        if self.resolution or self.top_width or self.w_width:
            return Bounds(float("inf"), float("inf"))
        if self.process not in PROCESSES and self.weights_directory is None:
            return Bounds(float("inf"), float("inf"))
        measured = PACKAGED / SAME_BOUNDS.get(self.process, self.process)
        directory = measured if self.weights_directory is None else Path(self.weights_directory)
        metrics = read_card(directory).metrics
        return Bounds(metrics["bound_overall"], metrics["bound_within"])

    def _per_slot(self, solution: Solution, index: Tensor, slots: Tensor) -> Tensor:
        """Probability to be a b quark, of the objects in the slots of the batch."""
        legs = [i for i, particle in enumerate(self.hypothesis.parsed.final) if abs(particle.pdg_id) == 5]
        probability = solution.on_leg[..., legs].sum(dim=-1)
        same = (slots[:, :, None] == index[:, None, :]) & (slots >= 0)[:, :, None]
        found = torch.where(same, probability[:, None, :], 0.0).sum(dim=2)
        return torch.where(same.any(dim=2), found, torch.nan)


def _momenta(batch: EventBatch, number: int) -> Tensor:
    return batch.objects_ordered_by(pt(batch.momenta), at_most=number).momenta


@cache
def _hypothesis(process: str, top_width: float | None, w_width: float | None) -> Hypothesis:
    model = MASSLESS
    if top_width is not None:
        model = replace(model, width_t=top_width)
    if w_width is not None:
        model = replace(model, width_w=w_width)
    return Hypothesis(process, model)
