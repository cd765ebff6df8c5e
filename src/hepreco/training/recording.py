"""Gradient descent on a GPU with CUDA graphs, which are recorded once per epoch and replayed for every minibatch.

With small networks and minibatches most time goes into launching kernels; a graph launches those of a step at once.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

#: Number of steps before the recording, in which libraries and the optimiser allocate their memory.
WARM_UP: Final = 3


def descend_recorded(
    minibatches: Sequence[Tensor],
    gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
) -> tuple[Tensor, Tensor]:
    """Take one optimiser step per minibatch; returns the sum of the losses and the largest norm of a gradient.

    Nothing is copied to the CPU before the end, so that a loss that is not finite is noticed only then.

    Parameters
    ----------
    minibatches
        Rows of the sample for each minibatch, on the GPU; a graph is recorded for each length.
    gradient
        Computes the gradient of these rows into the parameters; returns loss and norm.
    optimizer
        An optimiser made with ``capturable=True``.
    """
    device = minibatches[0].device
    total, largest = (torch.zeros((), device=device, dtype=torch.float64) for _ in range(2))

    def step(rows: Tensor) -> None:
        value, norm = gradient(rows)
        optimizer.step()
        total.add_(value)
        torch.maximum(largest, norm.to(largest.dtype), out=largest)

    graphs: dict[int, tuple[Tensor, torch.cuda.CUDAGraph]] = {}
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for rows in minibatches[:WARM_UP]:
            step(rows)
        for rows in minibatches[WARM_UP:]:
            if len(rows) not in graphs:
                graphs[len(rows)] = rows.clone(), torch.cuda.CUDAGraph()
                held, graph = graphs[len(rows)]
                with torch.cuda.graph(graph, stream=stream):
                    step(held)
            held, graph = graphs[len(rows)]
            held.copy_(rows)
            graph.replay()
    torch.cuda.current_stream(device).wait_stream(stream)
    return total, largest
