"""Training of policies on |M|²: networks, the environment of exchanges, and two recipes."""

from hepreco_me_assigner.training.deep_q_learning import Schedule, rollout
from hepreco_me_assigner.training.environment import SwapEnvironment
from hepreco_me_assigner.training.potential import Potential
from hepreco_me_assigner.training.q_network import QNetwork
from hepreco_me_assigner.training.recipes import Samples, train_potential, train_q_network

__all__ = [
    "Potential",
    "QNetwork",
    "Samples",
    "Schedule",
    "SwapEnvironment",
    "rollout",
    "train_potential",
    "train_q_network",
]
