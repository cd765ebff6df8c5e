"""The reconstructor: its options, and the columns made of a model's outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import torch
from torch import Tensor

from hepreco.errors import ConfigError, HepRecoError, PluginError, describe
from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.plugin import Axis, Column, Reconstructor
from hepreco_models.columns import ModelOutput, in_slots
from hepreco_models.features import Feature
from hepreco_models.files import Model, open_model
from hepreco_models.tensors import ModelInput, input_spec

#: A tiny network with random weights, written by ``make_example.py``, as an example of the format.
EXAMPLE: Final = Path(__file__).parent / "example.onnx"
_JETS: Final = ObjectSpec("Jet", where=("pt > 30", "|eta| < 2.4"), at_least=1)
_COLLECTIONS: Final = (_JETS,)
_TENSORS: Final = (
    ModelInput("jets", (Feature("pt", log=True, offset=4.0), "eta", "phi", "btagDeepFlavB"), "Jet", objects=4),
    ModelInput("mask", ("mask",), "Jet", objects=4, axes="flat"),
    ModelInput("event", (Feature("PuppiMET.pt", factor=0.01), "len(Jet)")),
)
_COLUMNS: Final = (ModelOutput("score", "logits", component=1, activation="softmax", axis=Axis(1000, 0.0, 1.0)),)


@final
@dataclass(frozen=True)
class ModelReconstructor(Reconstructor):
    """The outputs of your own model: ONNX, TorchScript, torch.export, XGBoost or LightGBM.

    Parameters
    ----------
    file
        File of the model: ``.onnx``, ``.pt`` or ``.ts`` (TorchScript), ``.pt2`` (torch.export), ``.json`` or ``.ubj``
        (XGBoost), ``.txt`` (LightGBM). ``None`` runs a tiny example with random weights and its own options.
    collections
        Objects that are read, with cuts; events with fewer than ``at_least`` have no answer.
    tensors
        The inputs of the model, in order.
    columns
        The columns made of its outputs.
    """

    file: str | None = None
    collections: tuple[ObjectSpec, ...] = ()
    tensors: tuple[ModelInput, ...] = ()
    columns: tuple[ModelOutput, ...] = ()

    def __post_init__(self) -> None:
        given = {"collections": self.collections, "tensors": self.tensors, "columns": self.columns}
        lacking = [name for name, value in given.items() if not value]
        if self.file is None and not any(given.values()):
            return
        if self.file is None or lacking:
            raise ConfigError(
                f"models: no {' and no '.join(lacking if self.file else ['file'])}",
                "a model is described by file, collections, tensors and columns; its page shows an example",
            )
        names = [each.name for each in self.tensors] + [f"column {each.column}" for each in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"models: two inputs or columns are named {twice[0]!r}", "give each its own name")
        for column in self.columns:
            if column.per is not None and not self._shape(column):
                raise ConfigError(
                    f"models: the column {column.column!r} is per {column.per}, of which no input is made",
                    f'give an input with collection = "{column.per}"',
                )

    @property
    def inputs(self) -> InputSpec:
        """The collections, with the branches that the tensors are made of."""
        return input_spec(self._collections, self._tensors)

    @property
    def outputs(self) -> tuple[Column, ...]:
        """The columns, all scalars."""
        return tuple(each.promised for each in self._columns)

    @property
    def weights(self) -> Path:
        """The file of the model."""
        return EXAMPLE if self.file is None else Path(self.file)

    def setup(self, device: str) -> None:  # noqa: ARG002  models run on the CPU
        """Load the model, and check its inputs and outputs with a block of zeros."""
        model = open_model(self.weights)
        model.check(self._tensors)
        zeros = [each.zeros(model.block) for each in self._tensors]
        outputs = self._outputs(model, zeros)
        for column in self._columns:
            found, expected = tuple(column.values(outputs).shape), (model.block, *self._shape(column))
            if found != expected:
                raise ConfigError(
                    f"models: the column {column.column!r} is of an output of shape {found} for {model.block} events, "
                    f"expected {expected}",
                    "choose another output, or another component of it",
                )

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The columns; NaN for events with a feature that is not finite."""
        given = [each.tensor(batch) for each in self._tensors]
        usable = torch.stack([finite for _, finite in given]).all(dim=0)
        found = self._in_blocks([tensor[usable].cpu() for tensor, _ in given])
        columns = {}
        for column in self._columns:
            slots = () if column.per is None else batch.collection(column.per).mask.shape[1:]
            values = batch.momenta.new_full((len(batch), *slots), torch.nan)
            if column.per is not None:
                values[usable] = in_slots(found[column.column].to(values), batch[usable].collection(column.per))
            else:
                values[usable] = found[column.column].to(values)
            columns[column.column] = values
        return columns

    def _in_blocks(self, tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        """All columns, computed in blocks of a fixed number of events; the last block is filled with its last event."""
        model, events = open_model(self.weights), len(tensors[0])
        found: dict[str, list[Tensor]] = {
            each.column: [torch.empty(0, *self._shape(each), dtype=torch.float64)] for each in self._columns
        }
        for start in range(0, events, model.block):
            rows = torch.arange(start, start + model.block).clamp(max=events - 1)
            outputs = self._outputs(model, [tensor[rows] for tensor in tensors])
            for each in self._columns:
                values = each.values(outputs)[: events - start]
                if not torch.isfinite(values).all():
                    raise PluginError(
                        f"models: {self.weights} gives {float(values[~torch.isfinite(values)][0])} for the column "
                        f"{each.column!r} of an event whose inputs are finite",
                        "scale its inputs as in its training, or mend the model",
                    )
                found[each.column].append(values)
        return {name: torch.cat(parts) for name, parts in found.items()}

    def _outputs(self, model: Model, tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
        try:
            return model(self._tensors, tensors)
        except HepRecoError:
            raise
        except Exception as error:  # of five libraries, which raise what they like
            shapes = ", ".join(f"{each.name} (event, {', '.join(map(str, each.shape))})" for each in self._tensors)
            raise ConfigError(
                f"models: {self.weights} does not take {shapes}: {describe(error)}",
                "give the inputs that it was trained with, in its order, for any number of events",
            ) from None

    def _shape(self, column: ModelOutput) -> tuple[int, ...]:
        """The shape of the model's values after the axis of events."""
        of_these = [each.objects for each in self._tensors if each.collections == (column.per,)]
        return tuple(of_these[:1]) if column.per is not None else ()

    @property
    def _collections(self) -> tuple[ObjectSpec, ...]:
        return self.collections if self.file else _COLLECTIONS

    @property
    def _tensors(self) -> tuple[ModelInput, ...]:
        return self.tensors if self.file else _TENSORS

    @property
    def _columns(self) -> tuple[ModelOutput, ...]:
        return self.columns if self.file else _COLUMNS
