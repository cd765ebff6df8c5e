"""Problems that solvers are given: the objects of events, what is known of them, and the process."""

from hepreco_me_assigner.problems.events import EVENTS_AT_A_TIME, lepton_indices, problems_of
from hepreco_me_assigner.problems.leptons import LEPTONS, apart, leading_lepton, leptons_of
from hepreco_me_assigner.problems.measurement import Measurement
from hepreco_me_assigner.problems.problem import Problem, Solution

__all__ = [
    "EVENTS_AT_A_TIME",
    "LEPTONS",
    "Measurement",
    "Problem",
    "Solution",
    "apart",
    "leading_lepton",
    "lepton_indices",
    "leptons_of",
    "problems_of",
]
