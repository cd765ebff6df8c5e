"""Assignment of particles to the partons of a process by its matrix element, evaluated or learned."""

from collections.abc import Callable
from typing import Final

from hepreco import Reconstructor, hookimpl
from hepreco_me_assigner.process.hypothesis import PROCESSES, Hypothesis
from hepreco_me_assigner.reconstructor import MatrixElementAssigner
from hepreco_me_assigner.scores import Anomaly, LikelihoodRatio
from hepreco_me_assigner.training.potential import Potential

HEPRECO_API_VERSION: Final = 2

__all__ = [
    "PROCESSES",
    "Anomaly",
    "Hypothesis",
    "LikelihoodRatio",
    "MatrixElementAssigner",
    "Potential",
]


@hookimpl
def hepreco_register_reconstructors(register: Callable[[str, type[Reconstructor]], None]) -> None:
    """Offer the assigner and the scores under the names that configurations use."""
    register("me-assigner", MatrixElementAssigner)
    register("me-likelihood-ratio", LikelihoodRatio)
    register("me-anomaly", Anomaly)
