"""The search for assignments: their ranking by decays, and the one of largest |M|² with a certificate."""

from hepreco_me_assigner.search.best_first import Bounds, Optimum, measured_bounds, search
from hepreco_me_assigner.search.ranking import RankedAssignments, ranked_assignments

__all__ = [
    "Bounds",
    "Optimum",
    "RankedAssignments",
    "measured_bounds",
    "ranked_assignments",
    "search",
]
