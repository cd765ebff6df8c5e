"""Export of a classifier as an ONNX graph, which runs without torch."""

import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from hepreco.errors import ConfigError
from hepreco_part_sm.classifier import ClassifierNetwork
from hepreco_part_sm.models import Backbone, find_model
from hepreco_part_sm.particles import MOST, Kind, Particles

#: Names of the inputs, in this order, and of the output of the graph.
INPUTS: Final = ("momenta", "kinds", "missing_momentum")
OUTPUT: Final = "probabilities"
_OPSET: Final = 18
#: Why a backbone cannot be exported, and what to do.
_NO_GRAPH: Final[Mapping[Backbone, tuple[str, str]]] = MappingProxyType(
    {
        "trees": (
            "consists of LightGBM trees, which are no graph of torch",
            "convert the booster's own text with onnxmltools, or export another model",
        ),
        "lloca": ("computes local frames with operators that ONNX lacks", "export another model, such as lgatr"),
    }
)


def export_onnx(classifier: ClassifierNetwork, path: Path) -> None:
    """Write a classifier as an ONNX graph.

    The inputs of the graph are ``momenta`` (event, object, 4), (E, px, py, pz) in GeV, and ``missing_momentum``
    (event, 2), both in single precision, and ``kinds`` (event, object), 64-bit integers. There may be any number of
    events, with :data:`~hepreco_part_sm.particles.MOST` slots each, in decreasing order of pt, padding last and zero.
    The output is ``probabilities`` (event, member, class). The names of model and classes are metadata of the graph, as
    JSON.

    Parameters
    ----------
    classifier
        A trained classifier, which is not changed.
    path
        The file to write; it includes the weights.

    Raises
    ------
    ConfigError
        If the classifier consists of trees or uses local frames, or if ONNX is not installed.
    """
    model = str(classifier.options["model"])
    backbone = find_model(model).backbone
    if backbone in _NO_GRAPH:
        reason, remedy = _NO_GRAPH[backbone]
        raise ConfigError(f"part-sm: {model!r} {reason}", remedy)
    graph = _Graph(deepcopy(classifier).cpu().float()).eval()
    with sdpa_kernel(SDPBackend.MATH):  # fused attention has other strides than the graph
        program = _translated(_traced(graph, strict=backbone != "dense"))
    program.model.metadata_props.update({name: json.dumps(value) for name, value in classifier.options.items()})
    program.save(path, external_data=False)


class _Graph(nn.Module):
    """A classifier that takes plain tensors."""

    def __init__(self, classifier: ClassifierNetwork) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(
        self,
        momenta: Float[Tensor, "event object 4"],
        kinds: Int[Tensor, "event object"],
        missing_momentum: Float[Tensor, "event 2"],
    ) -> Float[Tensor, "event member class"]:
        return self.classifier(Particles(momenta, kinds, missing_momentum))


class _Gathering(TorchFunctionMode):
    """Replaces ``take_along_dim``, which would fix the number of events, by ``gather``."""

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if function is torch.take_along_dim:
            values, place = args
            return values.gather(1, place.expand(*place.shape[:2], values.shape[2]))
        return function(*args, **(kwargs or {}))


def _traced(graph: _Graph, *, strict: bool) -> torch.export.ExportedProgram:
    """The traced graph. Models that call ``len`` on events need ``strict``; dense networks do not support it."""
    with nullcontext() if strict else _Gathering():
        events = torch.export.Dim("event")
        return torch.export.export(
            graph, _example(), dynamic_shapes={name: {0: events} for name in INPUTS}, strict=strict
        )


def _translated(traced: torch.export.ExportedProgram) -> torch.onnx.ONNXProgram:
    translations = _translations()
    with warnings.catch_warnings():
        # torch and onnxscript warn of each other's changes, about which a user can do nothing
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        program = torch.onnx.export(
            traced,
            input_names=INPUTS,
            output_names=(OUTPUT,),
            opset_version=_OPSET,
            dynamo=True,
            custom_translation_table=translations,
            verbose=False,
        )
    return cast("torch.onnx.ONNXProgram", program)


def _translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Translations of torch operators that ONNX does not have."""
    try:
        from onnxscript import opset18  # noqa: PLC0415  an extra
    except ImportError:
        raise ConfigError("part-sm: ONNX is not installed", "pip install 'hepreco-part-sm[onnx]'") from None

    def hypot(one: Any, other: Any) -> Any:
        return opset18.Sqrt(opset18.Add(opset18.Mul(one, one), opset18.Mul(other, other)))

    return {torch.ops.aten.hypot.default: hypot}


def _example() -> tuple[Tensor, Tensor, Tensor]:
    """Two events with one jet each; only their shapes count."""
    kinds = torch.zeros(2, MOST, dtype=torch.int64)
    kinds[:, 0] = Kind.JET
    momenta = torch.zeros(2, MOST, 4)
    momenta[:, 0] = torch.tensor([50.0, 30.0, 40.0, 0.0])
    return momenta, kinds, torch.ones(2, 2)
