"""The squared matrix element of a process."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.amplitudes.compiled import Polarised, Runs, is_covered, prepare_runs
from hepreco.amplitudes.diagrams import build_graph, count_diagrams
from hepreco.amplitudes.evaluation import EventBlock
from hepreco.amplitudes.fillings import Fillings, Slots, canonical, check_assignments, join_slots
from hepreco.amplitudes.model import StandardModel, as_float
from hepreco.amplitudes.momenta import UNIT, check_shape, check_values, to_centre_of_mass
from hepreco.amplitudes.multiparticles import expand_process, has_multiparticles
from hepreco.amplitudes.particles import PARTICLES, Particle
from hepreco.amplitudes.process import Process, parse_process
from hepreco.amplitudes.squares import Frame, log_propagators, squared, squared_polarised
from hepreco.errors import MomentaError, ProcessError

#: Approximate limit of complex numbers in the largest tensors of one event; longer lists of assignments are split.
_MOST: Final = 2**19
#: The least number of full precision; the logarithm of a smaller one is computed from logarithms of its factors.
_TINY: Final = 2.3e-308
#: Approximate number of complex numbers in the largest tensors of a block of events, so that some fit a core's cache.
_BLOCK: Final = 3 * 2**18


class MatrixElement:
    """The squared tree-level matrix element |M|² of a process, summed over final and averaged over initial states.

    Diagrams, colour, fermion signs and identical particles follow from the process and the model. Results agree with
    MadGraph's standalone output, conventions included: |M|² is in GeV^(8 − 2n) for n legs, decays are resonant
    propagators of fixed width, and the averaging factor counts spins and colours of the initial state and identical
    particles of the production.

    Momenta are boosted to the partonic centre-of-mass frame, so that results do not depend on their frame. In this
    frame gluon polarisations are transverse; as in MadGraph, this matters if fixed widths break gauge invariance.

    On a CPU, unless gradients are asked for, a process runs as machine code. It is compiled at the first call, within
    seconds, and kept in the user's directory for caches for all later ones. This does not depend on the number of
    events, since an event must give the same bits in any batch. Otherwise, tensor code runs.

    Parameters
    ----------
    process
        A string in MadGraph's syntax, see :func:`parse_process`, or a :class:`Process`.
    model
        The parameters; MadGraph's defaults if left out. |M|² is differentiable with respect to tensors in it.

    Raises
    ------
    ProcessError
        The process cannot be read or has no diagram.

    References
    ----------
    Recursion: Berends and Giele, Nucl. Phys. B 306 (1988) 759. Conventions: MadGraph5_aMC@NLO, arXiv:1405.0301.

    Example
    -------
    >>> me = MatrixElement("e- e+ > mu- mu+ / z h")
    >>> momenta = torch.tensor([[50, 0, 0, 50], [50, 0, 0, -50], [50, 50, 0, 0], [50, -50, 0, 0]], dtype=torch.float64)
    >>> round(float(me(momenta)) / me.model.e**4, 12)  # 1 + cos²θ
    1.0
    """

    def __init__(self, process: str | Process, *, model: StandardModel | None = None) -> None:
        self.process = _one_process(process) if isinstance(process, str) else process
        self.model = StandardModel() if model is None else model
        self._graph = build_graph(self.process, self.model.zeros)
        self._kept: tuple[Tensor | None, tuple[Fillings, ...]] = (None, ())
        self._kept_runs: dict[tuple[Polarised | None, bool], tuple[Tensor, Runs]] = {}

    def __repr__(self) -> str:
        return f"MatrixElement({str(self.process)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        # The graph holds functions, which cannot be pickled; it is quickly built again.
        return _rebuild, (self.process, self.model)

    @property
    def pdg_ids(self) -> tuple[int, ...]:
        """PDG identifiers of the legs in the order of momenta: incoming, then final, with resonances decayed."""
        return self.process.pdg_ids

    @property
    def diagrams(self) -> int:
        """The number of Feynman diagrams of the production."""
        return count_diagrams(self.process, self.model.zeros)

    def __call__(self, momenta: Tensor) -> Float[Tensor, "*batch"]:
        """|M|².

        Parameters
        ----------
        momenta
            (..., leg, 4): (E, px, py, pz) in GeV in the order of :attr:`pdg_ids`, in any frame. The result is float64
            for float32 too, since |M|² can be below its range; then only tensor code computes in single precision.

        Raises
        ------
        MomentaError
            The momenta have a wrong shape or type, are not finite, off their mass shells or unbalanced (by 1e-6 of the
            energies, in float32 by 1e-5).
        """
        return self._per_event(momenta)[..., 0]

    def log(self, momenta: Tensor) -> Float[Tensor, "*batch"]:
        """ln|M|², finite even if |M|² would underflow; −∞ if |M|² vanishes.

        Parameters and errors are those of :meth:`__call__`.
        """
        return self._per_event(momenta, as_log=True)[..., 0]

    def sweep(
        self, momenta: Tensor, assignments: Tensor | Sequence[Sequence[int]]
    ) -> Float[Tensor, "event assignment"]:
        """ln|M|² of every event for many assignments of its final momenta to the final legs.

        Common parts of assignments are computed once: a W for all assignments that form it from the same two momenta,
        a production for all that give each top quark the same three momenta in any order.

        Parameters
        ----------
        momenta
            (event, leg, 4), as in :meth:`__call__`; each final momentum must be on the mass shell of some final leg.
            If it is assigned to a leg of another mass, the external state has the same three-momentum on the leg's
            mass shell, and propagators use the unchanged momenta. This ambiguity vanishes with ``m_b=0.0`` in the model
            and massless momenta.
        assignments
            (assignment, final leg), integers, as a tensor or lists. Row a assigns final momentum ``assignments[a, j]``,
            counted from the first final one, to final leg j.

        Raises
        ------
        MomentaError
            As in :meth:`__call__`, or a row is not a permutation.
        """
        if momenta.ndim != 3:
            raise MomentaError(f"momenta of shape {tuple(momenta.shape)}", "give (event, leg, 4) for a sweep")
        check_shape(momenta, legs=len(self.pdg_ids))
        assignments = torch.as_tensor(assignments, device=momenta.device)
        check_assignments(assignments, legs=len(self.process.final))
        return self._evaluate(momenta, assignments.long(), as_log=True, any_leg=True)

    def polarised(
        self, momenta: Tensor, *, frame: Frame | str = "partonic"
    ) -> dict[Literal["LL", "LT", "TL", "TT"], Float[Tensor, "*batch"]]:
        """|M|² for longitudinal and transverse W⁺ (first letter) and W⁻ (second letter) of the production.

        The numerator of each W propagator is projected on the helicity; the two transverse helicities interfere and
        count as one. The four results add up to |M|² only after integration over the decay angles.

        Parameters
        ----------
        momenta
            As in :meth:`__call__`.
        frame
            The frame that defines helicities: the partonic centre of mass or the rest frame of the W pair.

        Raises
        ------
        ProcessError
            The process does not produce one unpolarised W⁺ and one unpolarised W⁻, or the frame is unknown.

        References
        ----------
        Buarque Franzosi, Mattelaer, Ruiz, Shil, arXiv:1912.01725.
        """
        if frame not in get_args(Frame):
            raise ProcessError(f"unknown frame {frame!r}", f"choose among {', '.join(get_args(Frame))}")
        plus, minus = (self._find_boson(PARTICLES[name]) for name in ("w+", "w-"))
        polarised = Polarised((plus, minus), cast(Frame, frame))
        names: tuple[Literal["LL", "LT", "TL", "TT"], ...] = ("LL", "LT", "TL", "TT")
        return dict(zip(names, self._per_event(momenta, polarised=polarised).unbind(-1), strict=True))

    def _per_event(self, momenta: Tensor, *, polarised: Polarised | None = None, as_log: bool = False) -> Tensor:
        """Results (..., result) for momenta (..., leg, 4) with one assignment, the identity."""
        check_shape(momenta, legs=len(self.pdg_ids))
        events = momenta.reshape(-1, *momenta.shape[-2:])
        identity = torch.arange(len(self.process.final), device=momenta.device)[None]
        result = self._evaluate(events, identity, polarised=polarised, as_log=as_log)
        return result.reshape(*momenta.shape[:-2], result.shape[-1])

    def _evaluate(
        self,
        momenta: Tensor,
        assignments: Tensor,
        *,
        polarised: Polarised | None = None,
        as_log: bool = False,
        any_leg: bool = False,
    ) -> Tensor:
        """|M|² or its logarithm, (event, assignment), or with one assignment (event, choice of polarisations).

        Compiled code evaluates what it covers. The code that it is compiled from evaluates the rest, and also momenta
        that fail a check, to say what is wrong.
        """
        if momenta.numel() and assignments.numel() and is_covered(momenta, self.model):
            ratios = self._runs(assignments, polarised, any_leg=any_leg)(momenta, model=self.model, any_leg=any_leg)
            if ratios is not None and not as_log:
                return ratios.mul_(math.exp(self._log_factor))
            if ratios is not None:
                faint = ~(ratios.amin(dim=1) >= _TINY)
                logarithms = ratios.log_().add_(self._log_factor)
                if bool(faint.any()):
                    logarithms[faint] = self._in_blocks(momenta[faint], assignments, polarised, as_log=True)
                return logarithms
        self._check(momenta, any_leg=any_leg)
        return self._in_blocks(momenta, assignments, polarised, as_log=as_log)

    def _in_blocks(self, momenta: Tensor, assignments: Tensor, polarised: Polarised | None, *, as_log: bool) -> Tensor:
        blocks = self._fillings_of(assignments)
        return torch.cat([self._eager(momenta, block, polarised, as_log=as_log) for block in blocks], dim=1)

    def _eager(self, momenta: Tensor, fillings: Fillings, polarised: Polarised | None, *, as_log: bool) -> Tensor:
        """The same, by tensors of blocks of events."""

        def evaluate(block: EventBlock) -> Tensor:
            log_scale = log_propagators(self._graph, block) + self._log_factor
            if polarised:
                squares = squared_polarised(self._graph, block, bosons=polarised.bosons, frame=polarised.frame)
                return (squares * torch.exp(log_scale))[:, 0]
            squares = squared(self._graph, block)
            return torch.log(squares) + log_scale if as_log else squares * torch.exp(log_scale)

        incoming = len(self.process.incoming)
        dtype = torch.complex128 if momenta.dtype == torch.float64 else torch.complex64
        model = self.model.in_units_of(UNIT)
        results = []
        for some in momenta.split(max(1, _BLOCK // max(1, self._size(fillings)))):
            p = to_centre_of_mass(some.double() / UNIT, incoming=incoming).permute(2, 1, 0).contiguous()
            block = EventBlock(p[:, :incoming], p[:, incoming:], fillings=fillings, model=model, dtype=dtype)
            results.append(evaluate(block))
        return torch.cat(results, dim=-1).mT

    def _check(self, momenta: Tensor, *, any_leg: bool) -> None:
        """Refuse momenta (event, leg, 4) off the mass shell of their leg, or for final ones of any final leg."""
        particles = (*self.process.incoming, *self.process.final)
        incoming = len(self.process.incoming)
        masses = [as_float(self.model.mass(particle)) for particle in particles]
        final = masses[incoming:]
        own = [[mass] for mass in masses]
        allowed = [[mass] * len(final) for mass in masses[:incoming]] + [final] * len(final) if any_leg else own
        check_values(momenta, incoming=incoming, masses=allowed, names=[particle.name for particle in particles])

    @property
    def _log_factor(self) -> float:
        """The logarithm of the constant factors of squared amplitudes: averages and units."""
        return 2 * (4 - len(self.pdg_ids)) * math.log(UNIT) - math.log(self.process.averaging_factor)

    def _runs(self, assignments: Tensor, polarised: Polarised | None, *, any_leg: bool) -> Runs:
        """The compiled code for assignments; that of the last call of each kind is cached."""
        kept, runs = self._kept_runs.get((polarised, any_leg), (None, None))
        if kept is None or runs is None or not torch.equal(kept, assignments):
            runs = prepare_runs(self.process, self._graph, self.model, assignments, polarised)
            self._kept_runs[polarised, any_leg] = (assignments.clone(), runs)
        return runs

    def _fillings_of(self, assignments: Tensor) -> tuple[Fillings, ...]:
        """The fillings of assignments, in blocks; those of the last call are cached."""
        kept, blocks = self._kept
        if kept is None or kept.device != assignments.device or not torch.equal(kept, assignments):
            count = -(-len(assignments) * self._size() // _MOST) or 1
            ordered = canonical(assignments, self._graph.identical)
            blocks = tuple(map(Fillings, ordered.chunk(count)))
            self._kept = (assignments.clone(), blocks)
        return blocks

    def _find_boson(self, boson: Particle) -> int:
        found = [
            number
            for number, leg in enumerate(self._graph.legs)
            if leg.particle is boson and number >= len(self.process.incoming) and leg.polarisation is None
        ]
        if len(found) != 1:
            raise ProcessError(
                f"{len(found)} unpolarised {boson} in the production {self.process}, expected one",
                "polarised() is for one w+ and one w-; for others write w+{0} or w+{T} in the process",
            )
        return found[0]

    def _size(self, fillings: Fillings | None = None) -> int:
        """Approximate number of complex numbers in the largest tensor of one event, or of one of its assignments."""
        legs = self._graph.legs

        def count(slots: Iterable[Slots]) -> int:
            return 1 if fillings is None else len(fillings.table(join_slots(slots)))

        closed = math.prod(leg.states for leg in legs) * count(leg.slots for leg in legs)
        opened = math.prod(leg.spins for leg in legs) * count(leg.open_slots for leg in legs)
        return max(amplitude.colours for amplitude in self._graph.amplitudes) * min(closed, opened)


def _one_process(text: str) -> Process:
    if has_multiparticles(text):
        subprocesses = expand_process(text)
        if len(subprocesses) > 1:
            listed = "; ".join(subprocesses[:10]) + ("; …" if len(subprocesses) > 10 else "")
            raise ProcessError(
                f"'{text}' stands for {len(subprocesses)} subprocesses, which have different legs: {listed}",
                "give one of them, or make one matrix element for each; hepreco.amplitudes.expand_process lists them",
            )
        (text,) = subprocesses
    return parse_process(text)


def _rebuild(process: Process, model: StandardModel) -> MatrixElement:
    return MatrixElement(process, model=model)
