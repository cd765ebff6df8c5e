"""Generated events for training and tests."""

import torch
from torch import Tensor

from hepreco.generation import TopologySample, sample_topology
from hepreco_event_variables.network import EventVariable

#: Events generated at a time, to bound memory.
CHUNK = 250_000


def pairs(network: EventVariable, *, events: int, seed: int, first: int = 0) -> tuple[Tensor, Tensor]:
    """Features of generated events, and the masses Θ of each in GeV; both float32."""
    features, parameters = [], []
    for start in range(first, first + events, CHUNK):
        size = min(CHUNK, first + events - start)
        sample = sample_topology(network.topology, events=size, seed=seed, first=start)
        features.append(observed(network, sample).float())
        parameters.append(sample.parameters.float())
    return torch.cat(features), torch.cat(parameters)


def labelled(inputs: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Events with labels: every second one keeps its Θ (label 1), the others exchange theirs among them (label 0)."""
    label = (torch.arange(len(theta), device=theta.device) % 2).to(theta.dtype)
    theta = theta.clone()
    theta[0::2] = theta[0::2].roll(1, dims=0)
    return inputs, theta, label


def observed(network: EventVariable, sample: TopologySample) -> Tensor:
    """The features of a sample that the network reads."""
    return network.features(sample.visible, sample.missing_momentum)
