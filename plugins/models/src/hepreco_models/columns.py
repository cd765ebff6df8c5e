"""Columns made of the outputs of a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch
from hepreco.kinematics import pt
from hepreco.plugin import Axis, Column


@final
@dataclass(frozen=True)
class ModelOutput:
    """A column, and the component of the model's output that it holds.

    Parameters
    ----------
    column
        Name of the column.
    output
        Name of the output in an ONNX file; for other files its number, from ``0``, or its key. Not needed for a model
        with one output.
    component
        Position on each axis of the output after that of events, and after that of objects with ``per``. Not needed for
        an output of one number.
    activation
        ``sigmoid``, or ``softmax`` over the last axis, is applied first.
    per
        The collection, for an output whose second axis is that of its objects.
    unit, label, axis
        Unit of the column, its label in figures, and the binning of its histogram.
    """

    column: str
    output: str = ""
    component: int | tuple[int, ...] = ()
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    per: str | None = None
    unit: Literal["", "GeV", "GeV^2", "rad"] = ""
    label: str = ""
    axis: Axis | None = None

    @property
    def promised(self) -> Column:
        """The column as hepreco declares it."""
        return Column(self.column, per=self.per, unit=self.unit, label=self.label, axis=self.axis)

    def values(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """The values for every event, or for every object of every event, in double precision.

        Raises
        ------
        ConfigError
            The model has no such output or component.
        """
        found = self._output(outputs).double()
        if self.activation == "softmax":
            found = found.softmax(dim=-1)
        elif self.activation == "sigmoid":
            found = found.sigmoid()
        return self._component(found)

    def _output(self, outputs: Mapping[str, Tensor]) -> Tensor:
        if not self.output and len(outputs) == 1:
            return next(iter(outputs.values()))
        if self.output not in outputs:
            raise ConfigError(
                f"models: the model has no output {self.output!r} for the column {self.column!r}",
                f"its outputs are {', '.join(map(repr, outputs))}",
            )
        return outputs[self.output]

    def _component(self, found: Tensor) -> Tensor:
        first = 1 if self.per is None else 2
        axes = found.shape[first:]
        chosen = (self.component,) if isinstance(self.component, int) else self.component
        if not chosen and axes.numel() == 1:
            chosen = (0,) * len(axes)
        fits = len(chosen) == len(axes) and all(-size <= at < size for at, size in zip(chosen, axes, strict=True))
        if found.ndim < first or not fits:
            said = "no component" if self.component == () else f"component = {self.component}"
            raise ConfigError(
                f"models: the column {self.column!r} has {said}, of an output of shape (event, "
                f"{', '.join(map(str, found.shape[1:]))})",
                f"give a position on each of its {len(axes)} last axes"
                if axes
                else "leave component out"
                if found.ndim >= first
                else "leave per out",
            )
        return found[(slice(None),) * first + tuple(chosen)]


def in_slots(values: Float[Tensor, "event object"], batch: EventBatch) -> Float[Tensor, "event slot"]:
    """Move numbers of objects, which are in decreasing order of pt, to the objects' slots; other slots are NaN."""
    slots, held = batch.mask.shape[1], min(values.shape[1], batch.mask.shape[1])
    order = torch.where(batch.mask, pt(batch.momenta), -torch.inf).sort(dim=1, descending=True, stable=True).indices
    listed = values.new_full((len(values), slots), torch.nan)
    listed[:, :held] = values[:, :held]
    return torch.where(batch.mask, torch.empty_like(listed).scatter_(1, order, listed), torch.nan)
