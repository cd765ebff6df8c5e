"""The ranking of assignments by their decays, and the search for that of largest |M|²."""

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
