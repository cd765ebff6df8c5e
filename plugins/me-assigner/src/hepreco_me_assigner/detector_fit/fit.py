"""The maximum of the likelihood, and the uncertainties of the detector that is found there."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.detector import Detector
from hepreco.errors import DatasetError
from hepreco.kinematics import eta, pt
from hepreco.plugin import Report, TrainedNetwork, TrainingOptions
from hepreco.training import train_by_epochs
from hepreco_me_assigner.detector_fit.likelihood import JetSample, Likelihood, Selection, in_groups
from hepreco_me_assigner.detector_fit.parameters import PARAMETERS, UNIT, DetectorModel, fields_of, variable
from hepreco_me_assigner.process import Branch

#: Weight of the density of jets and tags beside that of tags given the jets, of which the model is safer.
JOINT: Final = 0.3
#: Fewer events do not determine the parameters.
FEWEST: Final = 200
#: Step of the numerical second derivatives, in widths of the prior.
_STEP: Final = 0.02


class _Fit:
    """The sample in groups of equal numbers of jets, and the loss of a model."""

    def __init__(
        self, sample: JetSample, selection: Selection, branches: tuple[Branch, Branch], fixed: dict[str, float]
    ) -> None:
        self.groups = [group for _, group in in_groups(sample)]
        self.selection, self.branches, self.fixed, self.size = selection, branches, fixed, len(sample)

    def losses(self, model: DetectorModel) -> Iterator[Float[Tensor, ""]]:
        """Of every group; their sum is the loss per event without the prior."""
        for group in self.groups:
            values = model.values()
            detector = variable(values, self.fixed)
            likelihood = Likelihood(detector, (values["lost_b"], values["lost_quark"]), self.branches)
            joint, conditional = likelihood.log(group, self.selection)
            weight = JOINT if group.tagged is not None else 1.0
            yield -(weight * joint + conditional).sum() / self.size

    def gradients(self, model: DetectorModel) -> tuple[float, Float[Tensor, "group parameter"]]:
        """The loss, and its gradient from every group, with an equal share of the prior's."""
        total, rows = 0.0, list[Tensor]()
        for loss in self.losses(model):
            shared = loss - model.log_prior() / self.size / len(self.groups)
            rows += torch.autograd.grad(shared, [model.moved])
            total += shared.item()
        return total, torch.stack(rows)


def fit_detector(
    sample: JetSample, *, branches: tuple[Branch, Branch], assumed: Detector, options: TrainingOptions, report: Report
) -> TrainedNetwork:
    """Fit the detector to unlabelled events.

    An epoch is one step of Adam down the gradient of all events. So few parameters need no validation: the
    validation loss is that of the same events, and training stops when it has converged.

    Parameters
    ----------
    sample
        Jets of the events, off which acceptance and selection are read as well.
    branches
        The decays of both top quarks, one with quarks only first.
    assumed
        Gives the fields that the fit does not determine.
    options
        How to train. ``batch_size`` and ``validation_fraction`` are not used.

    Raises
    ------
    DatasetError
        Too few events, or tags that are all equal.
    """
    selection, fixed = _selection(sample), _measured(sample, assumed)
    fit, model = _Fit(sample, selection, branches, fixed), DetectorModel()
    losses = [math.inf]

    def epoch(optimizer: torch.optim.Optimizer, _generator: torch.Generator) -> float:
        losses[0], gradients = fit.gradients(model)
        model.moved.grad = gradients.sum(dim=0)
        optimizer.step()
        return losses[0]

    result = train_by_epochs(
        model, train=epoch, validate=lambda: losses[0], sample=(sample.momenta,), options=options, report=report
    )
    values = model.values()
    metrics = {"loss": result.best_loss, "epochs": float(result.epochs), "events": float(len(sample))}
    metrics |= {name: values[name].item() for name in ("lost_b", "lost_quark")} | _uncertainties(fit, model)
    found = {name: value.item() for name, value in fields_of(values).items()}
    return TrainedNetwork(
        tensors={name: value.detach() for name, value in model.state_dict().items()},
        network=asdict(Detector(**fixed, **found)),
        metrics=metrics,
        history=result.history,
    )


def _selection(sample: JetSample) -> Selection:
    number, tags = sample.number, 0
    if len(number) < FEWEST:
        raise DatasetError(f"only {len(number)} events to fit a detector to", f"give at least {FEWEST}")
    if sample.tagged is not None:
        tagged = _in_slots(sample, sample.tagged)
        if tagged.all() or not tagged.any():
            raise DatasetError(
                "the b tags of all jets are equal", "check b_tag and b_tag_threshold, or leave b_tag out"
            )
        tags = min(2, int(sample.tagged.sum(dim=1).min()))
    transverse = _in_slots(sample, pt(sample.momenta))
    return Selection(int(number.min()), int(number.max()), tags, float(transverse.min()))


def _measured(sample: JetSample, assumed: Detector) -> dict[str, float]:
    """The fields of the detector that are read off the sample or taken over."""
    fixed = {name: value for name, value in asdict(assumed).items() if name not in PARAMETERS}
    pseudorapidity = eta(sample.momenta).abs()
    fixed["jet_pt_min"] = float(_in_slots(sample, pt(sample.momenta)).min())
    fixed["jet_eta_max"] = float(_in_slots(sample, pseudorapidity).max())
    if sample.tagged is not None:
        fixed["b_tag_eta_max"] = float(pseudorapidity[sample.tagged].max()) + 1e-6
    return fixed


def _in_slots(sample: JetSample, values: Float[Tensor, "event jet"] | Any) -> Tensor:
    slots = torch.arange(values.shape[1]) < sample.number[:, None]
    chosen: Tensor = values[slots]
    return chosen


def _deviations(fit: _Fit, gradients: Float[Tensor, "group parameter"]) -> Float[Tensor, "group parameter"]:
    """Of the gradients of groups from the mean of all events with as many jets."""
    found = torch.empty_like(gradients)
    size = torch.tensor([float(len(group)) for group in fit.groups])[:, None]
    number = torch.tensor([group.momenta.shape[1] for group in fit.groups])
    for jets in number.unique():
        same = number == jets
        found[same] = gradients[same] - size[same] * gradients[same].sum(dim=0) / size[same].sum()
    return found


def _uncertainties(fit: _Fit, model: DetectorModel) -> dict[str, float]:
    """Standard errors of the parameters of the detector, as ``<name>_error``.

    The loss is not a likelihood of independent data, so that its second derivatives alone do not give them: the
    variance of the gradient among groups of events enters as well (Godambe, Ann. Math. Stat. 31 (1960) 1208), and that
    of the prior, whose mean counts as a measurement.
    """
    start = model.moved.detach().clone()
    rows, step = [], _STEP / UNIT
    for position in range(len(start)):
        ends = []
        for sign in (1, -1):
            model.moved.data = start.clone()
            model.moved.data[position] += sign * step
            ends.append(fit.gradients(model)[1].sum(dim=0))
        rows.append((ends[0] - ends[1]) / (2 * step))
    model.moved.data = start
    hessian = torch.stack(rows)
    inverse = torch.linalg.pinv((hessian + hessian.T) / 2, hermitian=True)
    spread = _deviations(fit, fit.gradients(model)[1])
    prior = (UNIT / fit.size) ** 2 * torch.eye(len(start), dtype=torch.float64)
    covariance = inverse @ (spread.T @ spread + prior) @ inverse
    values = model.values()
    found = {}
    for position, name in enumerate(PARAMETERS):
        (slope,) = torch.autograd.grad(values[name], [model.moved], retain_graph=True)
        found[f"{name}_error"] = abs(slope[position].item()) * math.sqrt(
            max(covariance[position, position].item(), 0.0)
        )
    return found
