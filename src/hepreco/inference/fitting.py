"""The fit, by cabinetry and pyhf."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hepreco.errors import StudyError, describe
from hepreco.inference.extra import cabinetry, quiet_pyhf
from hepreco.studies import Value


@dataclass(frozen=True)
class Prediction:
    """The expected events of a channel, before or after the fit.

    Parameters
    ----------
    values
        Expected events of each process, of shape ``(bin,)``.
    uncertainty
        Uncertainty of their sum, with correlations.
    """

    values: Mapping[str, NDArray[np.float64]]
    uncertainty: NDArray[np.float64]


@dataclass(frozen=True)
class Impacts:
    """Changes of the measured parameter when each other parameter is varied, of shape ``(parameter,)``."""

    names: tuple[str, ...]
    prefit_up: NDArray[np.float64]
    prefit_down: NDArray[np.float64]
    postfit_up: NDArray[np.float64]
    postfit_down: NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """The result of a fit.

    Parameters
    ----------
    parameter
        Name of the measured parameter.
    values
        Best-fit values of all parameters with their uncertainties; nuisance parameters are in units of their prior
        uncertainties.
    free
        Parameters without a prior uncertainty, with the measured one.
    correlations
        Correlation matrix, of shape ``(parameter, parameter)``, in the order of ``values``.
    goodness_of_fit
        The p-value against the saturated model; ``None`` without degrees of freedom.
    twice_nll
        Twice the negative log-likelihood at the best fit.
    impacts
        Impacts on the measured parameter.
    prefit, postfit
        Expected events of each channel before and after the fit.
    """

    parameter: str
    values: Mapping[str, Value]
    free: tuple[str, ...]
    correlations: NDArray[np.float64]
    goodness_of_fit: float | None
    twice_nll: float
    impacts: Impacts
    prefit: Mapping[str, Prediction]
    postfit: Mapping[str, Prediction]

    @property
    def best(self) -> Value:
        """The measured value."""
        return self.values[self.parameter]


@quiet_pyhf()
def fit(workspace: Mapping[str, Any], *, refit: bool = False) -> Fit:
    """Fit a workspace by maximum likelihood.

    Parameters
    ----------
    workspace
        A workspace of pyhf.
    refit
        Whether impacts come from fits with a parameter fixed one standard deviation away, four for each parameter. By
        default they come from the covariance matrix, which gives the same for a Gaussian likelihood.

    Raises
    ------
    ConfigError
        cabinetry or pyhf is not installed.
    StudyError
        The workspace is invalid, or the fit does not converge.
    """
    utils, fits, pyhf = cabinetry("model_utils"), cabinetry("fit"), cabinetry("pyhf")
    _check_expectation(workspace)
    try:
        model, data = utils.model_and_data(dict(workspace))
        found = fits.fit(model, data, goodness_of_fit=True)
        ranked = _ranking(model, data, found) if refit else _read_off(model, found)
    except (pyhf.exceptions.FailedMinimization, ValueError) as error:
        raise StudyError(
            f"the fit does not converge: {describe(error)}",
            "look at the notes on templates; merge empty bins with edges, smooth or prune noisy shifts, widen bounds",
        ) from error
    except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidModel) as error:
        raise StudyError(f"pyhf refuses the workspace: {describe(error)}", "mend [fit] in the configuration") from error
    good = float(found.goodness_of_fit)
    return Fit(
        model.config.poi_name,
        {name: Value(float(x), float(spread)) for name, x, spread in _triples(found)},
        tuple(name for name, spread in zip(found.labels, _prior_spreads(model), strict=True) if not spread),
        np.asarray(found.corr_mat),
        good if np.isfinite(good) else None,
        float(found.best_twice_nll),
        ranked,
        _predictions(utils.prediction(model)),
        _predictions(utils.prediction(model, fit_results=found)),
    )


def _triples(found: Any) -> Iterable[tuple[str, float, float]]:
    return zip(found.labels, found.bestfit, found.uncertainty, strict=True)


def _ranking(model: Any, data: Any, found: Any) -> Impacts:
    """Impacts from fits in which one parameter is fixed."""
    ranked = cabinetry("fit").ranking(model, data, fit_results=found)
    return Impacts(tuple(ranked.labels), ranked.prefit_up, ranked.prefit_down, ranked.postfit_up, ranked.postfit_down)


def _read_off(model: Any, found: Any) -> Impacts:
    """Impacts from the covariance matrix: ρ σ(measured) for one postfit standard deviation of the parameter."""
    at = model.config.poi_index
    others = np.arange(len(found.labels)) != at
    postfit = (found.corr_mat[at] * found.uncertainty[at])[others]
    before, after = (spread[others] for spread in (_prior_spreads(model), np.asarray(found.uncertainty)))
    prefit = np.divide(postfit * before, after, out=np.zeros_like(postfit), where=after > 0)
    names = tuple(name for name, other in zip(found.labels, others, strict=True) if other)
    return Impacts(names, prefit, -prefit, postfit, -postfit)


def _prior_spreads(model: Any) -> NDArray[np.float64]:
    """The prior uncertainties of the parameters; zero for free ones."""
    return np.asarray(cabinetry("model_utils").prefit_uncertainties(model))


def _predictions(prediction: Any) -> dict[str, Prediction]:
    config = prediction.model.config
    return {
        channel: Prediction(
            {name: np.asarray(bins) for name, bins in zip(config.samples, yields, strict=True)}, np.asarray(spread[-1])
        )
        for channel, yields, spread in zip(
            config.channels, prediction.model_yields, prediction.total_stdev_model_bins, strict=True
        )
    }


def _check_expectation(workspace: Mapping[str, Any]) -> None:
    """Refuse data in bins in which no events are expected: their likelihood is zero."""
    observed = {each["name"]: np.asarray(each["data"]) for each in workspace["observations"]}
    for channel in workspace["channels"]:
        expected = np.sum([sample["data"] for sample in channel["samples"]], axis=0)
        if (odd := np.flatnonzero((expected <= 0) & (observed[channel["name"]] > 0))).size:
            raise StudyError(
                f"channel {channel['name']!r}: data have events in bins {', '.join(map(str, odd))}, where no process "
                "is expected to have any",
                "merge these bins with others (edges of the channel)",
            )


def as_json(result: Fit) -> dict[str, Any]:
    """The result as plain values, for ``fit.json``."""
    kinds = [each.name for each in fields(Impacts) if each.name != "names"]
    return {
        "parameter": {"name": result.parameter, "value": result.best.value, "uncertainty": result.best.uncertainty},
        "parameters": {name: {"value": x.value, "uncertainty": x.uncertainty} for name, x in result.values.items()},
        "correlations": {"parameters": list(result.values), "matrix": result.correlations.tolist()},
        "goodness_of_fit": result.goodness_of_fit,
        "twice_nll": result.twice_nll,
        "impacts": {
            name: {kind: float(getattr(result.impacts, kind)[at]) for kind in kinds}
            for at, name in enumerate(result.impacts.names)
        },
        "prefit": _yields(result.prefit),
        "postfit": _yields(result.postfit),
    }


def _yields(predictions: Mapping[str, Prediction]) -> dict[str, Any]:
    return {
        name: {
            "processes": {process: bins.tolist() for process, bins in each.values.items()},
            "uncertainty": each.uncertainty.tolist(),
        }
        for name, each in predictions.items()
    }
