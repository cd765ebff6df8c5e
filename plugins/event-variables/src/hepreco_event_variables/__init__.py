"""Event variables that are sensitive to unknown masses: some learned by networks, others derived by hand."""

from collections.abc import Callable
from typing import Final

from hepreco.lazy import former_names
from hepreco.plugin import Reconstructor, hookimpl
from hepreco_event_variables.by_hand import KinematicVariables
from hepreco_event_variables.network import EventVariable, RatioEstimator
from hepreco_event_variables.reconstructor import LearnedVariable

HEPRECO_API_VERSION: Final = 2

__all__ = [
    "EventVariable",
    "KinematicVariables",
    "LearnedVariable",
    "RatioEstimator",
]

__getattr__ = former_names(__name__, {"Classifier": "RatioEstimator"})


@hookimpl
def hepreco_register_reconstructors(register: Callable[[str, type[Reconstructor]], None]) -> None:
    """Offer the reconstructors ``event-variables`` (learned) and ``kinematic-variables`` (by hand)."""
    register("event-variables", LearnedVariable)
    register("kinematic-variables", KinematicVariables)
