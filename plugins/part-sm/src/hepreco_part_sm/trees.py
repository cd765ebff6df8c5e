"""Boosted decision trees of LightGBM, stored like the weights of a network."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from hepreco.errors import ConfigError
from hepreco.plugin import Report, TrainingOptions
from hepreco.training import FitResult
from hepreco_part_sm.labelled import Labelled
from hepreco_part_sm.lists import slot_features, slot_pairs
from hepreco_part_sm.particles import Particles

#: Parameters of LightGBM; the number of trees per class is that of the epochs.
PARAMETERS: Final = {
    "objective": "multiclass",
    "num_leaves": 31,
    "learning_rate": 0.05,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


class Trees(nn.Module):
    """Boosted decision trees over twelve slots.

    Parameters
    ----------
    pairs
        Whether the trees also read m and ΔR of all pairs.
    outputs
        Number of outputs per event.
    """

    text: Tensor

    def __init__(self, *, pairs: bool, outputs: int) -> None:
        super().__init__()
        self.pairs, self.outputs = pairs, outputs
        self.register_buffer("text", torch.zeros(0, dtype=torch.uint8))
        self._booster: Any = None

    def forward(self, particles: Particles) -> Float[Tensor, "event output"]:
        """Raw scores, one row per event."""
        if not len(particles.kinds):
            return particles.momenta.new_zeros(0, self.outputs)
        if self._booster is None:
            self._booster = _lightgbm().Booster(model_str=self.text.cpu().numpy().tobytes().decode())
        scores = self._booster.predict(rows(particles, pairs=self.pairs), raw_score=True, num_threads=1)
        return torch.from_numpy(scores).to(particles.momenta)

    def keep(self, booster: Any) -> None:
        """Store the trees of a LightGBM booster, as its text."""
        self.text = torch.frombuffer(bytearray(booster.model_to_string().encode()), dtype=torch.uint8)
        self._booster = None

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *arguments: Any) -> None:
        """Load the text, whose length may differ from that of the text so far."""
        self.text = state_dict[f"{prefix}text"]
        super()._load_from_state_dict(state_dict, prefix, *arguments)


def rows(particles: Particles, *, pairs: bool) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The features that the trees read, (event, feature)."""
    features = slot_features(particles)
    return (torch.cat((features, slot_pairs(particles)), dim=1) if pairs else features).double().cpu().numpy()


def grow(
    training: Labelled,
    validation: Labelled,
    *,
    pairs: bool,
    classes: int,
    options: TrainingOptions,
    report: Report,
) -> tuple[Trees, FitResult]:
    """Boost for at most ``options.epochs`` rounds; stop after ``options.patience`` of them without improvement."""
    lightgbm = _lightgbm()
    measured: dict[str, dict[str, list[float]]] = {}
    sets = [
        lightgbm.Dataset(rows(sample.particles, pairs=pairs), sample.label.numpy(), weight=sample.weight.numpy())
        for sample in (training, validation)
    ]
    booster = lightgbm.train(
        {**PARAMETERS, "num_class": classes, "seed": options.seed},
        sets[0],
        num_boost_round=options.epochs,
        valid_sets=sets,
        valid_names=["training", "validation"],
        callbacks=[
            lightgbm.early_stopping(options.patience, verbose=False),
            lightgbm.record_evaluation(measured),
            lambda round_: report(
                round_.iteration + 1, {f"{name}_loss": value for name, _, value, *_ in round_.evaluation_result_list}
            ),
        ],
    )
    trees = Trees(pairs=pairs, outputs=classes)
    trees.keep(booster)
    lost, validated = (tuple(measured[name]["multi_logloss"]) for name in ("training", "validation"))
    return trees, FitResult(lost, validated, best_epoch=booster.best_iteration)


def _lightgbm() -> Any:
    try:
        import lightgbm  # noqa: PLC0415  an extra
    except ImportError:
        raise ConfigError(
            "part-sm: LightGBM is not installed", "pip install 'hepreco-part-sm[trees]', or choose another model"
        ) from None
    return lightgbm
