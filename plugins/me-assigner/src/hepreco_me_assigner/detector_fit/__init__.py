"""The fit of a detector to unlabelled events: hypotheses about their jets, the likelihood, and its maximum."""

from hepreco_me_assigner.detector_fit.fit import fit_detector
from hepreco_me_assigner.detector_fit.likelihood import JetSample, Likelihood, in_groups, is_pair_of_tops, pair_of_tops
from hepreco_me_assigner.detector_fit.parameters import DetectorModel, read_detector, read_losses

__all__ = [
    "DetectorModel",
    "JetSample",
    "Likelihood",
    "fit_detector",
    "in_groups",
    "is_pair_of_tops",
    "pair_of_tops",
    "read_detector",
    "read_losses",
]
