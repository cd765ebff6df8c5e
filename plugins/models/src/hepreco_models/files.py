"""Loads and runs the files of models, on one thread; each file is loaded once per process."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from hepreco.errors import ConfigError, WeightsError, describe
from hepreco_models.tensors import ModelInput

#: Largest number of models that a process keeps.
KEPT: Final = 8
#: Number of events per call of a model, always the same because the last digits of its outputs depend on it.
BLOCK: Final = 128

Run = Callable[[Sequence[Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Declared:
    """An input as an ONNX file declares it; a free size is ``None``."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Model:
    """A model, ready to run.

    Parameters
    ----------
    run
        Computes the outputs by name from the input tensors in order.
    declared
        Its inputs, if the file declares them.
    """

    run: Run
    declared: tuple[Declared, ...] | None = None

    @property
    def block(self) -> int:
        """Number of events per call."""
        sizes = [one.shape[0] for one in self.declared or () if one.shape and one.shape[0] is not None]
        return sizes[0] or BLOCK if sizes else BLOCK

    def check(self, inputs: Sequence[ModelInput]) -> None:
        """Raise :class:`~hepreco.errors.ConfigError` if the inputs are not those that the file declares."""
        if self.declared is None:
            return
        names = [one.name for one in self.declared]
        if sorted(names) != sorted(each.name for each in inputs):
            raise ConfigError(
                f"models: inputs named {', '.join(each.name for each in inputs)}, of a model whose inputs are "
                f"{', '.join(names)}",
                "give an input of each of these names",
            )
        for one in self.declared:
            _check_input(one, next(each for each in inputs if each.name == one.name))

    def __call__(self, inputs: Sequence[ModelInput], tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
        """The outputs for one block of events."""
        if self.declared is not None:
            by_name = {spec.name: tensor for spec, tensor in zip(inputs, tensors, strict=True)}
            tensors = [by_name[one.name] for one in self.declared]
        return self.run(tensors)


def open_model(path: Path) -> Model:
    """The model in a file, loaded once per process, and again after the file has changed.

    Raises
    ------
    WeightsError
        There is no such file, or it cannot be loaded.
    ConfigError
        Its format is unknown, or the package that runs it is not installed.
    """
    if path.suffix not in _READERS:
        raise ConfigError(f"models: {path} is no file of a model", f"give one that ends in {', '.join(_READERS)}")
    try:
        status = path.stat()
        return _opened(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise WeightsError(
            f"models: cannot read {path}: {error.strerror or error}", "give the path of the file as workers see it"
        ) from None


@lru_cache(maxsize=KEPT)
def _opened(path: Path, mtime: int, size: int) -> Model:  # noqa: ARG001  part of the key of the cache
    content = path.read_bytes()
    read, remedy = _READERS[path.suffix]
    try:
        return read(content)
    except ConfigError:
        raise
    except Exception as error:  # of five libraries, which raise what they like
        raise WeightsError(f"models: {path} cannot be loaded: {describe(error)}", remedy) from None


def _onnx(content: bytes) -> Model:
    runtime = _library("onnxruntime", extra="onnx")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    declared = tuple(
        Declared(one.name, tuple(size if isinstance(size, int) else None for size in one.shape), _dtype(one.type))
        for one in session.get_inputs()
    )
    names = [one.name for one in session.get_outputs()]

    def run(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        given = {one.name: tensor.numpy() for one, tensor in zip(declared, tensors, strict=True)}
        return _by_name(names, session.run(names, given))

    return Model(run, declared)


def _torchscript(content: bytes) -> Model:
    return _of_module(torch.jit.load(io.BytesIO(content), map_location="cpu").eval())


def _exported(content: bytes) -> Model:
    return _of_module(torch.export.load(io.BytesIO(content)).module())


def _of_module(module: Callable[..., Any]) -> Model:
    def run(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        with torch.no_grad(), _one_thread():
            found = module(*tensors)
        if isinstance(found, Mapping):
            return _by_name(list(found), list(found.values()))
        several = list(found) if isinstance(found, tuple | list) else [found]
        return _by_name([str(number) for number in range(len(several))], several)

    return Model(run)


def _xgboost(content: bytes) -> Model:
    library = _library("xgboost", extra="xgboost")
    booster = library.Booster({"nthread": 1})
    booster.load_model(bytearray(content))
    booster.set_param({"nthread": 1, "device": "cpu"})
    booster.feature_names = booster.feature_types = None  # columns come in order, without names

    def run(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        matrix = _side_by_side(tensors, features=booster.num_features())
        return _by_name(["0"], [booster.predict(library.DMatrix(matrix, missing=np.nan, nthread=1))])

    return Model(run)


def _lightgbm(content: bytes) -> Model:
    booster = _library("lightgbm", extra="lightgbm").Booster(model_str=content.decode())

    def run(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
        matrix = _side_by_side(tensors, features=booster.num_feature())
        return _by_name(["0"], [booster.predict(matrix, num_threads=1)])

    return Model(run)


_TORCH: Final = "write it with torch.jit.script(model).save(path); parameters alone (a state_dict) are no model"
_READERS: Final[Mapping[str, tuple[Callable[[bytes], Model], str]]] = {
    ".onnx": (_onnx, "write it with its weights in the same file, for an opset that this onnxruntime knows"),
    ".pt": (_torchscript, _TORCH),
    ".ts": (_torchscript, _TORCH),
    ".pt2": (_exported, "write it with torch.export.save, of a version of torch that this one can read"),
    ".json": (_xgboost, "write it with Booster.save_model"),
    ".ubj": (_xgboost, "write it with Booster.save_model"),
    ".txt": (_lightgbm, "write it with Booster.save_model"),
}


def _library(name: str, *, extra: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise ConfigError(f"models: {name} is not installed", f"pip install 'hepreco-models[{extra}]'") from None


def _by_name(names: Sequence[str], values: Sequence[Any]) -> dict[str, Tensor]:
    """The outputs that are tensors of numbers; columns cannot be made of others, such as lists of tables."""
    arrays = {name: value for name, value in zip(names, values, strict=True) if isinstance(value, np.ndarray | Tensor)}
    return {name: torch.as_tensor(value) for name, value in arrays.items() if not _is_text(value)}


def _is_text(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind not in "fiub"


def _side_by_side(tensors: Sequence[Tensor], *, features: int) -> Any:
    matrix = torch.cat([tensor.flatten(start_dim=1).double() for tensor in tensors], dim=1)
    if matrix.shape[1] != features:
        raise ConfigError(
            f"models: {matrix.shape[1]} features for trees of {features}", "give the features that they were trained on"
        )
    return matrix.numpy()


def _check_input(declared: Declared, given: ModelInput) -> None:
    shape, free = (None, *given.shape), declared.shape[1:]
    fits = len(free) == len(given.shape) and all(
        one in (None, size) for one, size in zip(free, given.shape, strict=True)
    )
    if not fits:
        raise ConfigError(
            f"models: the input {given.name!r} has the shape {_words(shape)}, the model takes {_words(declared.shape)}",
            "count its features and objects, or choose other axes: 'object feature', 'feature object' or 'flat'",
        )
    if declared.dtype != given.dtype:
        raise ConfigError(
            f"models: the input {given.name!r} is {given.dtype}, the model takes {declared.dtype}",
            f'write dtype = "{declared.dtype}"',
        )


def _words(shape: Sequence[int | None]) -> str:
    return f"({', '.join(('event', *('any' if size is None else str(size) for size in shape[1:])))})"


def _dtype(kind: str) -> str:
    """The type of torch for a type of ONNX, such as ``tensor(float)``."""
    inner = kind.removeprefix("tensor(").removesuffix(")")
    return {"float": "float32", "double": "float64"}.get(inner, inner)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    if before != 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if before != 1:
            torch.set_num_threads(before)
