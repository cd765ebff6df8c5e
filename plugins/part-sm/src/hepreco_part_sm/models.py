"""The models, each of which is a backbone with its pair features, interaction matrix and loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Final, Literal

from torch import nn

from hepreco.errors import ConfigError
from hepreco_part_sm.couplings import Couplings
from hepreco_part_sm.equivariant import EquivariantSize, LocalFramesTransformer, VectorTransformer
from hepreco_part_sm.features import PairFeatures
from hepreco_part_sm.lists import ConvolutionalNetwork, ConvolutionSize, DenseNetwork, DenseSize
from hepreco_part_sm.particle_net import GraphSize, ParticleNet
from hepreco_part_sm.transformer import ParticleTransformer, TransformerSize
from hepreco_part_sm.trees import Trees

Backbone = Literal[
    "trees", "dense", "convolutional", "particle-net", "transformer", "set-transformer", "lgatr", "lloca"
]
Size = Literal["full", "small"]


@dataclass(frozen=True)
class Model:
    """The parts of a model.

    Parameters
    ----------
    backbone
        The kind of network, or trees.
    pairs
        Whether it reads ln m² and ln ΔR of pairs.
    couplings
        The interaction matrix among the pair features.
    focal
        Whether it is trained with the focal loss instead of the cross-entropy.
    """

    backbone: Backbone
    pairs: bool = False
    couplings: Couplings = "none"
    focal: bool = False


#: The sixteen models of "Attention to the strengths of physical interactions"; two controls, one with the kinds of
#: objects interchanged in the matrix and one with a learned matrix; and two Lorentz-equivariant networks.
MODELS: Final[Mapping[str, Model]] = MappingProxyType(
    {
        "bdt": Model("trees"),
        "bdt-int": Model("trees", pairs=True),
        "fcn": Model("dense"),
        "cnn": Model("convolutional"),
        "pn": Model("particle-net"),
        "pn-int": Model("particle-net", pairs=True),
        "pn-int-sm-ids": Model("particle-net", pairs=True, couplings="ids"),
        "pn-int-sm-const": Model("particle-net", pairs=True, couplings="constants"),
        "pn-int-sm": Model("particle-net", pairs=True, couplings="running"),
        "part": Model("transformer"),
        "part-int": Model("transformer", pairs=True),
        "part-int-sm-ids": Model("transformer", pairs=True, couplings="ids"),
        "part-int-sm-const": Model("transformer", pairs=True, couplings="constants"),
        "part-int-sm": Model("transformer", pairs=True, couplings="running"),
        "part-int-sm-focal": Model("transformer", pairs=True, couplings="running", focal=True),
        "sett-int-sm": Model("set-transformer", pairs=True, couplings="running"),
        "part-int-shuffled": Model("transformer", pairs=True, couplings="shuffled"),
        "part-int-table": Model("transformer", pairs=True, couplings="table"),
        "lgatr": Model("lgatr"),
        "lloca": Model("lloca"),
    }
)

_TRANSFORMER: Final = {
    "full": TransformerSize(),
    "small": TransformerSize(
        embedding=(32, 32), pair_embedding=(16, 16), heads=4, blocks=2, class_blocks=1, expansion=2
    ),
}
_GRAPH: Final = {
    "full": GraphSize(),
    "small": GraphSize(blocks=((16, 16), (32, 32)), pair_embedding=(16, 16), fusion=64, hidden=64),
}
_LGATR: Final = {
    "full": EquivariantSize(scalars=96, vectors=32, heads=8, blocks=12),
    "small": EquivariantSize(scalars=32, vectors=16, heads=4, blocks=2),
}
_LLOCA: Final = {
    "full": EquivariantSize(scalars=8, vectors=2, heads=8, blocks=12),
    "small": EquivariantSize(scalars=4, vectors=1, heads=4, blocks=2),
}


def find_model(name: str) -> Model:
    """The model of this name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in MODELS:
        raise ConfigError(f"part-sm: no model {name!r}", f"choose one of {', '.join(MODELS)}")
    return MODELS[name]


def build_member(name: str, *, size: Size, outputs: int) -> nn.Module:
    """An untrained network from :class:`~hepreco_part_sm.particles.Particles` to ``outputs`` numbers per event."""
    model = find_model(name)
    pairs = PairFeatures(model.couplings) if model.pairs else None
    transformer = partial(ParticleTransformer, _TRANSFORMER[size], pairs=pairs, outputs=outputs)
    build: dict[Backbone, Callable[[], nn.Module]] = {
        "trees": partial(Trees, pairs=model.pairs, outputs=outputs),
        "dense": partial(DenseNetwork, DenseSize(), outputs=outputs),
        "convolutional": partial(ConvolutionalNetwork, ConvolutionSize(), outputs=outputs),
        "particle-net": partial(ParticleNet, _GRAPH[size], pairs=pairs, outputs=outputs),
        "transformer": transformer,
        "set-transformer": partial(transformer, pooling="multihead-attention"),
        "lgatr": partial(VectorTransformer, _LGATR[size], outputs=outputs),
        "lloca": partial(LocalFramesTransformer, _LLOCA[size], outputs=outputs),
    }
    return build[model.backbone]()
