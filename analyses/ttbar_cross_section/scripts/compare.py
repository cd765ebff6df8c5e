"""The fitted cross-section with two observables in the region 4j2b, and a closure test of both fits.

    python analyses/ttbar_cross_section/scripts/compare.py work

reads the run in ``work/output`` and writes ``work/results.json``. One fit has m_bjj of the three jets of highest pt,
the other the mass of the hadronic top quark as ``me-assigner`` assigns the jets.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import cabinetry
import numpy as np
from numpy.typing import NDArray
from prepare import SEED, SIGNAL_STRENGTH

from hepreco.config import read_config
from hepreco.histograms import read_histograms
from hepreco.inference import Fit, FitConfig, channels, fit, workspace
from hepreco.inference.extra import quiet_pyhf
from hepreco.inference.grouping import grouping

#: In pb, to which the simulated tt̄ events are normalised.
CROSS_SECTION: Final = 832.0
#: The histogram of the region 4j2b, by the name of the fit.
OBSERVABLES: Final = {"m_bjj": "mbjj", "me-assigner": "me_assigner.top.mass"}


def main() -> None:
    """Fit, test, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--experiments", type=int, default=50, help="number of pseudo-experiments")
    arguments = parser.parse_args()
    results = compare(arguments.directory, experiments=arguments.experiments)
    (arguments.directory / "results.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    for name, result in results["fits"].items():
        print(f"{name:12} {summary(result)}")


def summary(result: Mapping[str, Any]) -> str:
    """One line of the printed table."""
    closure = result["closure"]
    return (
        f"σ = {result['cross_section']:.0f} ± {result['uncertainty']:.0f} pb, expected ± {result['expected']:.1f} pb, "
        f"p = {result['goodness_of_fit']:.2f}; pull in {closure['experiments']} pseudo-experiments: "
        f"mean {closure['mean']:+.2f}, width {closure['width']:.2f}"
    )


def compare(directory: Path, *, experiments: int) -> dict[str, Any]:
    """Both fits, as plain values."""
    config = read_config(directory / "analysis.toml").fit
    stored = read_histograms(directory / "output" / "histograms.zip")
    groups = grouping(stored.provenance)
    results = {}
    for name, observable in OBSERVABLES.items():
        one = with_observable(config, observable)
        found = channels(stored.histograms, one, groups)
        data, asimov = workspace(found, one), workspace(found, one, asimov=True)
        results[name] = _described(fit(data), fit(asimov)) | {"closure": _closure(pulls(data, experiments))}
    return {"injected": SIGNAL_STRENGTH * CROSS_SECTION, "fits": results}


def with_observable(config: FitConfig, histogram: str) -> FitConfig:
    """The fit with another histogram in the region 4j2b."""
    return replace(
        config,
        channels=tuple(
            replace(each, histogram=histogram) if each.region == "4j2b" else each for each in config.channels
        ),
    )


@quiet_pyhf()
def pulls(spec: Mapping[str, Any], experiments: int, *, seed: int = SEED) -> NDArray[np.float64]:
    """(fitted − true)/uncertainty of the signal strength in pseudo-experiments.

    Numbers of events, and the auxiliary measurements that constrain systematic uncertainties, are drawn from the model
    with the true signal strength and nominal systematics.
    """
    model, _ = cabinetry.model_utils.model_and_data(dict(spec))
    true = np.asarray(model.config.suggested_init())
    true[model.config.poi_index] = SIGNAL_STRENGTH
    np.random.seed(seed)  # noqa: NPY002  pyhf draws from the global generator
    drawn = np.asarray(model.make_pdf(true).sample((experiments,)))
    fits = [cabinetry.fit.fit(model, list(each)) for each in drawn]
    at = model.config.poi_index
    return np.array([(each.bestfit[at] - SIGNAL_STRENGTH) / each.uncertainty[at] for each in fits])


def _closure(found: NDArray[np.float64]) -> dict[str, float]:
    return {"experiments": len(found), "mean": float(found.mean()), "width": float(found.std(ddof=1))}


def _described(data: Fit, asimov: Fit) -> dict[str, Any]:
    """The cross-section in pb, and pulls and impacts of systematic uncertainties, the largest first."""
    impacts = dict(zip(data.impacts.names, data.impacts.postfit_up, strict=True))
    ranked = sorted(impacts, key=lambda name: -abs(impacts[name]))
    named = [name for name in ranked if not name.startswith("staterror")]
    return {
        "cross_section": CROSS_SECTION * data.best.value,
        "uncertainty": CROSS_SECTION * data.best.uncertainty,
        "expected": CROSS_SECTION * asimov.best.uncertainty,
        "goodness_of_fit": data.goodness_of_fit,
        "pulls": {name: [data.values[name].value, data.values[name].uncertainty] for name in named},
        "impacts": {name: CROSS_SECTION * float(impacts[name]) for name in named},
    }


if __name__ == "__main__":
    main()
