"""The input tensors of a model, made from a batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hepreco.errors import ConfigError
from hepreco.events import EventBatch, InputSpec, ObjectSpec
from hepreco.events.paths import ColumnPath
from hepreco.kinematics import pt
from hepreco_models.features import OF_MISSING, OF_MOMENTA, Feature, of_events

DType = Literal["float32", "float64", "int64", "int32", "bool"]
_DTYPES: Final[dict[str, torch.dtype]] = {
    "float32": torch.float32,
    "float64": torch.float64,
    "int64": torch.int64,
    "int32": torch.int32,
    "bool": torch.bool,
}


@final
@dataclass(frozen=True)
class ModelInput:
    """One input of a model.

    Parameters
    ----------
    name
        Name of the input in an ONNX file. Inputs of other files have no names: they are passed in order, and features
        of trees are joined into one row.
    features
        The features in order, each a name, or a table with scaling.
    collection
        Collection of the objects; objects of several collections are put into one list. Without a collection the
        features are those of the event.
    objects
        Number of objects, those of largest pt, in decreasing order. Fewer are padded.
    pad
        Value of padding, not scaled; ``"nan"`` for trees that handle missing values.
    axes
        Order of the axes after that of events: ``object feature`` or ``feature object``; ``flat`` is one axis, with the
        features of the first object, then of the second, and so on. Features of the event have one axis.
    dtype
        Type of the tensor.
    """

    name: str
    features: tuple[str | Feature, ...]
    collection: str | tuple[str, ...] = ()
    objects: int = 0
    pad: float | Literal["nan"] = 0.0
    axes: Literal["object feature", "feature object", "flat"] = "object feature"
    dtype: DType = "float32"

    def __post_init__(self) -> None:
        if self.pad != self.pad:  # NaN, which is unequal to itself, as options must not be
            object.__setattr__(self, "pad", "nan")
        if not self.features:
            raise self._wrong("no features", "name at least one")
        if bool(self.collections) != (self.objects > 0):
            raise self._wrong(
                f"collection = {self.collection!r} and objects = {self.objects}",
                "say how many objects it takes, such as objects = 10; an input of the whole event has neither",
            )
        if self.pad == "nan" and not self.dtype.startswith("float"):
            raise self._wrong(f"a {self.dtype} that is padded with NaN", "choose a number")
        for feature in self.numbers:
            self._check(feature)

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections as a tuple."""
        return (self.collection,) if isinstance(self.collection, str) else self.collection

    @property
    def numbers(self) -> tuple[Feature, ...]:
        """All features, names replaced by unscaled features."""
        return tuple(map(Feature.of, self.features))

    @property
    def paths(self) -> tuple[ColumnPath, ...]:
        """The columns of features of the event."""
        return () if self.collections else tuple(ColumnPath.parse(feature.name) for feature in self.numbers)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape after the axis of events."""
        width = len(self.features)
        if not self.collections:
            return (width,)
        shapes = {"object feature": (self.objects, width), "feature object": (width, self.objects)}
        return shapes.get(self.axes, (self.objects * width,))

    def zeros(self, events: int) -> Tensor:
        """A tensor of zeros for a number of events."""
        return torch.zeros(events, *self.shape, dtype=_DTYPES[self.dtype])

    def tensor(self, batch: EventBatch) -> tuple[Tensor, Bool[Tensor, " event"]]:
        """The tensor, and which events have only finite numbers in it."""
        values, held = self._of_objects(batch) if self.collections else self._of_events(batch)
        values = torch.where(held, values, 0.0)
        if self.dtype == "float32":
            values = values.float()
        usable = torch.isfinite(values).flatten(start_dim=1).all(dim=1)
        values = torch.where(held, values, float(self.pad))
        if self.axes == "feature object" and self.collections:
            values = values.transpose(1, 2)
        return values.reshape(len(batch), *self.shape).to(_DTYPES[self.dtype]).contiguous(), usable

    def _of_objects(self, batch: EventBatch) -> tuple[Float[Tensor, "event object feature"], Bool[Tensor, "..."]]:
        of_these = [batch.species == batch.collections.index(name) for name in self.collections]
        held = batch.mask & torch.stack(of_these).any(dim=0)
        listed = replace(batch, mask=held).objects_ordered_by(pt(batch.momenta), at_most=self.objects)
        listed = listed.padded(self.objects)
        values = [feature.scaled(feature.values(listed)) for feature in self.numbers]
        return torch.stack(values, dim=-1), listed.mask[..., None].expand(-1, -1, len(values))

    def _of_events(self, batch: EventBatch) -> tuple[Float[Tensor, "event feature"], Bool[Tensor, "event feature"]]:
        found = [of_events(batch, path) for path in self.paths]
        values = [feature.scaled(value) for feature, (value, _) in zip(self.numbers, found, strict=True)]
        return torch.stack(values, dim=-1), torch.stack([held for _, held in found], dim=-1)

    def _check(self, feature: Feature) -> None:
        if not self.collections:
            if feature.cases:
                raise self._wrong("cases, which are kinds of objects", "give the input a collection")
            ColumnPath.parse(feature.name)
        elif not feature.cases and not feature.name.isidentifier():
            raise self._wrong(f"the feature {feature.name!r}", "name a branch of the collection, such as btagDeepFlavB")
        for case in feature.cases:
            if case.collection not in self.collections:
                raise self._wrong(
                    f"a case of {case.collection!r}", f"its collections are {', '.join(self.collections)}"
                )

    def _wrong(self, problem: str, remedy: str) -> ConfigError:
        return ConfigError(f"models: the input {self.name!r} has {problem}", remedy)


def input_spec(collections: Sequence[ObjectSpec], tensors: Sequence[ModelInput]) -> InputSpec:
    """The objects and branches that these tensors read.

    Raises
    ------
    ConfigError
        A tensor reads a collection that is not listed, or a feature that does not exist.
    """
    known = {spec.collection: spec for spec in collections}
    branches: dict[str, list[str]] = {name: list(spec.features) for name, spec in known.items()}
    missing: dict[str, None] = {}
    for tensor in tensors:
        for name in tensor.collections:
            if name not in known:
                raise ConfigError(
                    f"models: the input {tensor.name!r} is of {name!r}, which is not among the collections",
                    f'list it: {{ collection = "{name}" }}',
                )
        for name, branch in _branches(tensor, known):
            branches[name].append(branch)
        for path in tensor.paths:
            name = path.names[0]
            if name not in known:
                _require_missing_momentum(path)
                missing[name] = None
            elif not path.counts:
                _require_one_object(path)
                branches[name] += [field for field in path.names[1:] if field not in OF_MOMENTA]
    if len(missing) > 1:
        raise ConfigError(
            f"models: features of several missing momenta, {', '.join(missing)}",
            "choose one missing momentum, and list all other collections",
        )
    objects = [replace(spec, features=tuple(dict.fromkeys(branches[name]))) for name, spec in known.items()]
    return InputSpec(tuple(objects), missing_momentum=next(iter(missing), None))


def _branches(tensor: ModelInput, known: dict[str, ObjectSpec]) -> Iterator[tuple[str, str]]:
    """Collection and branch of all that a tensor reads; of several collections, those that list the branch."""
    for feature in tensor.numbers:
        yield from feature.compared
        branch = feature.name
        if not tensor.collections or not branch or branch in OF_MOMENTA:
            continue
        listing = [name for name in tensor.collections if branch in known[name].features]
        if not listing and len(tensor.collections) > 1:
            raise ConfigError(
                f"models: the input {tensor.name!r} has the feature {branch!r} of several collections",
                f'say which have that branch: {{ collection = "…", features = ["{branch}"] }}; others have 0',
            )
        yield from ((name, branch) for name in listing or tensor.collections)


def _require_missing_momentum(path: ColumnPath) -> None:
    if path.counts or path.position is not None or len(path.names) != 2 or path.names[1] not in OF_MISSING:
        raise ConfigError(
            f"models: {path.plain} is not a feature of the event",
            f"list {path.names[0]} among the collections, or take {', '.join(OF_MISSING)} of a missing momentum",
        )


def _require_one_object(path: ColumnPath) -> None:
    if path.position is None or len(path.names) != 2:
        raise ConfigError(
            f"models: {path.plain} is a list in each event",
            f"write {path.names[0]}[0].{path.names[-1]}, or len({path.names[0]}), or give the input a collection",
        )
