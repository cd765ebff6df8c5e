"""The program of a process: what has to be known, beside its machine code, to run it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch

from hepreco.amplitudes.compiled.currents import Currents, Polarised
from hepreco.amplitudes.compiled.kernels import Output
from hepreco.amplitudes.compiled.plan import CHECKS, Call, Inputs, ProgramBuilder, Source, flat
from hepreco.amplitudes.compiled.symbols import Symbols
from hepreco.amplitudes.compiled.totals import add_ratio
from hepreco.amplitudes.diagrams import ProcessGraph
from hepreco.amplitudes.fillings import Slots
from hepreco.amplitudes.model import Zeros
from hepreco.amplitudes.momenta import UNIT, check_values, to_centre_of_mass
from hepreco.amplitudes.process import Process


@dataclass(frozen=True)
class Place:
    """The numbers of a quantity for one filling of its slots."""

    slots: Slots
    stride: int


@dataclass(frozen=True)
class Program:
    """The memory and the calls of a program.

    Parameters
    ----------
    lanes
        Events in a vector.
    parameters
        The names of the parameters of the model.
    uniforms
        How many numbers are computed from the parameters.
    incoming, components
        How many momenta come first, and how many components they all have.
    places
        The quantities, of which the first are those of :mod:`hepreco.amplitudes.compiled.plan`.
    cleared
        The quantities that are set to zero before a vector of events.
    calls
        The kernels.
    result
        The quantity that is computed for each assignment.
    """

    lanes: int
    parameters: tuple[str, ...]
    uniforms: int
    incoming: int
    components: int
    places: tuple[Place, ...]
    cleared: tuple[int, ...]
    calls: tuple[Call, ...]
    result: int

    def to_json(self) -> str:
        """The program as text."""
        return json.dumps(
            {
                "numbers": [self.lanes, self.uniforms, self.incoming, self.components, self.result],
                "parameters": self.parameters,
                "places": [[place.slots, place.stride] for place in self.places],
                "cleared": self.cleared,
                "calls": [
                    [call.slots, [[source.quantity, source.final] for source in call.sources]] for call in self.calls
                ],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Program":
        """The program that :meth:`to_json` wrote."""
        read = json.loads(text)
        lanes, uniforms, incoming, components, result = read["numbers"]
        places = tuple(Place(_slots(slots), stride) for slots, stride in read["places"])
        calls = tuple(
            Call(None if slots is None else _slots(slots), tuple(Source(*source) for source in sources))
            for slots, sources in read["calls"]
        )
        cleared, names = tuple(read["cleared"]), tuple(read["parameters"])
        return cls(lanes, names, uniforms, incoming, components, places, cleared, calls, result)


def _slots(read: Sequence[Sequence[int]]) -> Slots:
    return tuple(map(tuple, read))


def write_program(
    process: Process,
    graph: ProcessGraph,
    zeros: Zeros,
    *,
    is_open: Sequence[bool],
    polarised: Polarised | None,
    lanes: int,
) -> tuple[Program, str]:
    """The program of a process, and its code in LLVM's language."""
    with torch.device("cpu"), torch.inference_mode(mode=False), torch.no_grad():  # whatever the caller's settings
        plan = ProgramBuilder(len(process.incoming), len(process.final), zeros, lanes)
        _add_start(plan, process)
        add_ratio(Currents(plan, graph, is_open=is_open, polarised=polarised))
    components = 4 * (plan.incoming + plan.final)
    text, names = plan.assembly.text(components=components)
    places = tuple(Place(quantity.slots, quantity.stride) for quantity in plan.quantities)
    uniforms = len(plan.assembly.uniforms.places)
    program = Program(
        lanes, names, uniforms, plan.incoming, components, places, tuple(plan.cleared), tuple(plan.calls),
        plan.result.number,
    )  # fmt: skip
    return program, text


def _add_start(plan: ProgramBuilder, process: Process) -> None:
    """The kernel that checks momenta and boosts them to the partonic centre of mass."""
    inputs, expressions = Inputs(plan.expressions), plan.expressions
    momenta = cast(Symbols, inputs.tensor(plan.given, (1, plan.incoming + plan.final, 4), is_complex=False) / UNIT)
    particles = (*process.incoming, *process.final)
    masses = [torch.as_tensor(plan.model.mass(particle), dtype=torch.float64) for particle in particles]
    final = masses[plan.incoming :]
    of_any_leg = [[mass] * len(final) for mass in masses[: plan.incoming]] + [final] * len(final)
    faults = []
    for dtype, any_leg in CHECKS:
        allowed = torch.stack([torch.stack(row) for row in (of_any_leg if any_leg else [[mass] for mass in masses])])
        given = Symbols(momenta.numbers, expressions, dtype)
        check_values(given, incoming=plan.incoming, masses=allowed, names=[particle.name for particle in particles])
        faults.append(expressions.select(plan.fault(), 1, 0))
    boosted = to_centre_of_mass(momenta, incoming=plan.incoming)
    outputs = [
        (plan.momenta, Output(flat(boosted, expressions))),
        (plan.faults, Output(tuple(faults), accumulate=True)),
    ]
    plan.call(inputs, outputs, slots=())
