"""Gradient descent on a GPU as CUDA graphs: recorded once per epoch, replayed for every minibatch.

Small networks and minibatches spend their time on launching kernels; a graph launches all of a step at once.
"""

from collections.abc import Callable, Sequence
from typing import Final

import torch
from torch import Tensor

#: Steps that run as usual before anything is recorded, so that libraries and the optimiser have what they allocate.
WARM_UP: Final = 3


def descend_recorded(
    minibatches: Sequence[Tensor],
    gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
) -> tuple[Tensor, Tensor]:
    """One step of the optimiser per minibatch; returns the sum of the losses and the largest norm of a gradient.

    Nothing is copied to the CPU on the way, so a loss that is not finite is seen at the end only.

    Parameters
    ----------
    minibatches
        Rows of the sample, on the GPU, of few different lengths: each length is a graph of its own.
    gradient
        Leaves the gradient of these rows in the parameters; returns loss and norm.
    optimizer
        Made with ``capturable=True``.
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
