"""A compiled process with a list of assignments, ready for momenta."""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from hepreco.amplitudes.compiled.cache import load_engine
from hepreco.amplitudes.compiled.currents import Polarised
from hepreco.amplitudes.compiled.engine import Engine, Layout, lay_out
from hepreco.amplitudes.diagrams import ProcessGraph
from hepreco.amplitudes.fillings import Fillings, canonical
from hepreco.amplitudes.model import StandardModel
from hepreco.amplitudes.process import Process
from hepreco.amplitudes.squares import open_legs

#: Approximate limit of the memory of one list of assignments, in bytes; longer lists are split.
_MOST: Final = 2**22


@dataclass(frozen=True)
class Runs:
    """The programs of a process with the places of their quantities, in blocks of assignments."""

    engine: Engine
    layouts: tuple[Layout, ...]

    def __call__(self, momenta: Tensor, *, model: StandardModel, any_leg: bool) -> Tensor | None:
        """Σ |amplitude|² over the denominators of resonances, (event, assignment or choice of polarisations).

        It is in units of 100 GeV; None if momenta (event, leg, 4) in GeV fail a check.
        """
        results = []
        for layout in self.layouts:
            result = self.engine(momenta, layout, model=model, any_leg=any_leg)
            if result is None:
                return None
            results.append(result)
        return results[0] if len(results) == 1 else torch.cat(results, dim=1)


def prepare_runs(
    process: Process, graph: ProcessGraph, model: StandardModel, assignments: Tensor, polarised: Polarised | None = None
) -> Runs:
    """Load or compile a process, and lay out its memory for assignments (assignment, final leg)."""
    ordered = canonical(assignments, graph.identical)
    fillings = Fillings(ordered)
    is_open = (False,) * len(graph.legs) if polarised else open_legs(graph, fillings)
    engine = load_engine(process, model.zeros, is_open, polarised)
    layout = lay_out(engine.program, fillings)
    blocks = min(len(ordered), -(-layout.size * engine.program.lanes * 8 // _MOST))
    if blocks == 1:
        return Runs(engine, (layout,))
    return Runs(engine, tuple(lay_out(engine.program, Fillings(block)) for block in ordered.chunk(blocks)))


def is_covered(momenta: Tensor, model: StandardModel) -> bool:
    """Whether compiled code may evaluate momenta: they are on a CPU, and nothing is to be differentiated."""
    return (
        type(momenta) is Tensor
        and momenta.device.type == "cpu"
        and not (momenta.requires_grad and torch.is_grad_enabled())
        and not torch._C._functorch.is_functorch_wrapped_tensor(momenta)
        and torch.autograd.forward_ad.unpack_dual(momenta).tangent is None
        and not torch.compiler.is_compiling()
        and model.is_constant
    )
