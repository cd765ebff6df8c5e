"""The result of a fit."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, replace

from torch import Tensor


@dataclass(frozen=True)
class FitResult:
    """The losses of every epoch, and the parameters of the epoch with the lowest validation loss.

    Parameters
    ----------
    training_loss
        Mean over the training sample during each epoch, while the parameters change.
    validation_loss
        Mean over the validation sample after each epoch.
    best_epoch
        The epoch of the lowest validation loss, counted from 1; 0 before the first.
    best
        State of the network after that epoch, on the CPU.
    """

    training_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    best_epoch: int = 0
    best: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.validation_loss)

    @property
    def best_loss(self) -> float:
        """The lowest validation loss; infinite before the first epoch."""
        return self.validation_loss[self.best_epoch - 1] if self.best_epoch else float("inf")

    def metrics(self, *, training: Sized, validation: Sized) -> dict[str, float]:
        """Losses of the best epoch and sizes of the samples, for a card."""
        return {
            "training_loss": self.training_loss[self.best_epoch - 1],
            "validation_loss": self.best_loss,
            "best_epoch": float(self.best_epoch),
            "epochs": float(self.epochs),
            "training_events": float(len(training)),
            "validation_events": float(len(validation)),
        }

    @property
    def history(self) -> dict[str, list[float]]:
        """The losses of every epoch by name."""
        return {"training_loss": list(self.training_loss), "validation_loss": list(self.validation_loss)}

    def after(self, training_loss: float, validation_loss: float, *, state: Mapping[str, Tensor]) -> "FitResult":
        """The result with one more epoch, after which the network is in ``state``."""
        longer = replace(
            self,
            training_loss=(*self.training_loss, training_loss),
            validation_loss=(*self.validation_loss, validation_loss),
        )
        if validation_loss < self.best_loss:
            return replace(longer, best_epoch=longer.epochs, best=copied(state))
        return longer


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by name, each a copy of its own on the CPU."""
    return {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in state.items()}
