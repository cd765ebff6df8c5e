"""Event classification with the coupling strengths of pairs of objects: ParT-SM, related models, and controls."""

from collections.abc import Callable
from typing import Final

from hepreco.lazy import former_names
from hepreco.plugin import Reconstructor, hookimpl
from hepreco_part_sm.anomaly import AnomalyDetector
from hepreco_part_sm.classifier import ClassifierNetwork
from hepreco_part_sm.models import MODELS, Model
from hepreco_part_sm.particles import Kind, Particles
from hepreco_part_sm.reconstructor import EventClassifier

HEPRECO_API_VERSION: Final = 2

__all__ = [
    "MODELS",
    "AnomalyDetector",
    "ClassifierNetwork",
    "EventClassifier",
    "Kind",
    "Model",
    "Particles",
]

__getattr__ = former_names(__name__, {"Classifier": "ClassifierNetwork"})


@hookimpl
def hepreco_register_reconstructors(register: Callable[[str, type[Reconstructor]], None]) -> None:
    """Offer the reconstructors ``part-sm`` and ``part-sm-anomaly``."""
    register("part-sm", EventClassifier)
    register("part-sm-anomaly", AnomalyDetector)
