"""The search for assignments: their ranking by decays, ln|M|² of them, and the largest with a certificate."""

from hepreco_me_assigner.search.best_first import Bounds, Optimum, measured_bounds, search
from hepreco_me_assigner.search.evaluation import evaluate, log_prior
from hepreco_me_assigner.search.ranking import RankedAssignments, ranked_assignments

__all__ = [
    "Bounds",
    "Optimum",
    "RankedAssignments",
    "evaluate",
    "log_prior",
    "measured_bounds",
    "ranked_assignments",
    "search",
]
