"""Fitting networks to samples: splitting, seeding, the fit loop and its checkpoints. Knows no physics."""

from hepreco.training.ensemble import Ensemble, loss_of_all
from hepreco.training.epochs import train_by_epochs
from hepreco.training.fit import Loss, fit
from hepreco.training.result import FitResult
from hepreco.training.seeding import initialised, seeded
from hepreco.training.split import split

__all__ = [
    "Ensemble",
    "FitResult",
    "Loss",
    "fit",
    "initialised",
    "loss_of_all",
    "seeded",
    "split",
    "train_by_epochs",
]
