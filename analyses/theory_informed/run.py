"""The coffea run of this analysis: samples, assignments, scores, and from them the histograms that the notebook draws.

    python analyses/theory_informed/run.py output/theory_informed

writes ``samples/`` and one archive of UHI histograms per step into the directory. ``--samples DIRECTORY`` takes
samples of the same names from elsewhere; those it lacks are left out. ``--quick --scale 0.05`` tries in two minutes
whether everything runs.
"""

import argparse
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import hist
import torch
import uproot
from coffea.processor.executor import ExecutorBase
from truth import PARTONS, AgainstTruth, InWindow, TrueJets, TrueRatio, Truth, Unassigned

from hepreco import Reconstructor
from hepreco.config import read_config
from hepreco.events import Dataset, ObjectSelection
from hepreco.generation import Cuts, Sample, is_written, write_sample
from hepreco.generation.hard import IntegrationBudget
from hepreco.histograms import HistogramSpec, write_histograms
from hepreco.plugin import Axis
from hepreco.processing import Cut, ReconstructionProcessor, make_executor, run
from hepreco_autoencoder import AutoencoderReconstructor
from hepreco_me_assigner import Anomaly, LikelihoodRatio, MatrixElementAssigner

TTBAR = Path(__file__).parents[1] / "ttbar" / "analysis.toml"
AUTOENCODER = Path(__file__).parent / "weights" / "autoencoder"
#: In fb⁻¹; only ratios of cross-sections matter here.
LUMINOSITY = 1000.0
_CUTS = Cuts(pt_min=20.0, eta_max=5.0, delta_r_min=0.4)
_WINDOW = replace(_CUTS, mass_window=(400.0, 700.0))


def _scattering(plus: str, minus: str) -> str:
    """As the samples of that name, which adapt for longer than a few hundred events are worth."""
    return f"u u > w+{plus} w-{minus} u u QCD=0, w+ > u d~, w- > u~ d"


SAMPLES = {
    "ttbar": Sample("ttbar-hadronic", 20000, seed=301),
    "ttw": Sample("ttw-hadronic", 1000, seed=302),
    "tttt": Sample("tttt-hadronic", 300, seed=304),
    "wwuu": Sample(_scattering("", ""), 500, seed=303, cuts=_CUTS),
    "wwuu-window": Sample(_scattering("", ""), 500, seed=306, cuts=_WINDOW),
    "wwuu-ll": Sample(_scattering("{0}", "{0}"), 300, seed=401, cuts=_CUTS),
    "wwuu-lt": Sample(_scattering("{0}", "{T}"), 300, seed=401, cuts=_CUTS),
    "wwuu-tl": Sample(_scattering("{T}", "{0}"), 300, seed=401, cuts=_CUTS),
    "wwuu-tt": Sample(_scattering("{T}", "{T}"), 300, seed=401, cuts=_CUTS),
}
#: To try whether everything runs: more events keep a weight above 1.
_QUICK = IntegrationBudget(iterations=1, points=1_000, last=3_000)
_PEAKS = {"top": Axis(60, 157.5, 187.5), "w": Axis(60, 65.0, 95.0)}


@dataclass(frozen=True)
class Step:
    """One run of the processor.

    Parameters
    ----------
    samples
        Names of the datasets, and of their files.
    reconstructors
        By the names of their columns.
    histograms
        In place of default ones.
    selection
        Cuts.
    objects, bindings
        Selected objects, and which reconstructors read them.
    beside
        Columns of several reconstructors whose histograms are also wanted as one, with the reconstructors in place of
        the dataset; of steps with one sample.
    by_cross_section
        Whether samples count in proportion to their cross-sections, or event by event.
    """

    samples: tuple[str, ...]
    reconstructors: Mapping[str, Reconstructor]
    histograms: tuple[HistogramSpec, ...] = ()
    selection: tuple[Cut, ...] = ()
    objects: Mapping[str, ObjectSelection] = field(default_factory=dict)
    bindings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    by_cross_section: bool = False


def assignment(process: str) -> Step:
    """Masses and |M|² of one process: truth, optimum and policy."""
    most = MatrixElementAssigner(process, at_most=16).hypothesis.legs
    assigner = MatrixElementAssigner(process, at_most=most, **PARTONS)
    reconstructors = {
        "truth": Truth(process),
        "exact": AgainstTruth(assigner),
        "policy": AgainstTruth(replace(assigner, solver="policy")),
    }
    peaks = tuple(
        HistogramSpec(f"{name}.{column.name}.mass", (f"{name}.{column.name}.mass",), axis, column.label, "GeV")
        for name, reconstructor in reconstructors.items()
        for column in reconstructor.outputs
        if (axis := _PEAKS.get(column.name))
    )
    beside = tuple(dict.fromkeys(spec.name.partition(".")[2] for spec in peaks))
    return Step((process,), reconstructors, peaks, beside=("log_ratio", *beside))


def jets() -> Step:
    """Top quarks of measured jets, with the selection and plugins of the analysis of tt̄, beside truth."""
    config = read_config(TTBAR)
    plugins = config.reconstructors()
    reconstructors = {"truth": TrueJets(), **{name: plugins[name] for name in ("me_assigner", "chi2_assigner")}}
    bindings = {name: bound for name, bound in config.bindings().items() if name in reconstructors}
    return Step(
        ("ttbar",),
        reconstructors,
        selection=config.selection,
        objects=config.objects,
        bindings=bindings,
        beside=("top.mass",),
    )


def steps() -> dict[str, Step]:
    """All runs, by the names of their archives."""
    partons = {**PARTONS, "at_most": 6}
    ratio, anomaly = LikelihoodRatio(**partons), Anomaly(**partons)
    autoencoder = AutoencoderReconstructor(**PARTONS, weights_directory=str(AUTOENCODER))
    return {
        **{process: assignment(process) for process in ("ttbar", "ttw", "tttt", "wwuu")},
        "jets": jets(),
        "polarisation": Step(
            ("wwuu-ll", "wwuu-lt", "wwuu-tl", "wwuu-tt"),
            {
                "truth": TrueRatio(),
                **{name: replace(ratio, assignments=name) for name in ("exact", "policy", "marginal")},
            },
            by_cross_section=True,
        ),
        "anomaly": Step(
            ("wwuu-window", "ttbar"),
            {
                "exact": InWindow(anomaly),
                "policy": InWindow(replace(anomaly, solver="policy")),
                "unassigned": InWindow(Unassigned()),
                "autoencoder": InWindow(autoencoder),
            },
        ),
    }


def main() -> None:
    """Generate what is missing, run, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--samples", type=Path, help="a directory of samples, in place of generated ones")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the numbers of events")
    parser.add_argument("--quick", action="store_true", help="adapt for less before events are made")
    parser.add_argument("--steps", nargs="*", default=list(steps()), choices=list(steps()))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = {name: step for name, step in steps().items() if name in options.steps}
    needed = list(dict.fromkeys(name for step in chosen.values() for name in step.samples))
    directory = options.samples or options.output / "samples"
    options.output.mkdir(parents=True, exist_ok=True)
    with make_executor("futures", workers=options.workers) as executor:
        if options.samples is None:
            budget = _QUICK if options.quick else None
            with executor.pool(options.workers) as pool:
                generate(needed, directory, scale=options.scale, budget=budget, pool=pool)
        for name, step in chosen.items():
            files = {sample: directory / f"{sample}.root" for sample in step.samples}
            fill(step, files, options.output / f"{name}.zip", executor)


def generate(
    names: list[str], directory: Path, *, scale: float, budget: IntegrationBudget | None, pool: Executor
) -> None:
    """Write the samples that are not there yet, several at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    make = partial(_generate, directory=directory, scale=scale, budget=budget)
    for name in pool.map(make, reversed(names)):
        print(f"sample {name}", flush=True)


def _generate(name: str, *, directory: Path, scale: float, budget: IntegrationBudget | None) -> str:
    torch.set_num_threads(1)
    sample, path = SAMPLES[name], directory / f"{name}.root"
    sample = replace(sample, events=max(1, round(scale * sample.events)), budget=budget)
    if not is_written(sample, path):
        write_sample(sample, path, overwrite=True)
    return name


def fill(step: Step, files: Mapping[str, Path], archive: Path, executor: ExecutorBase) -> None:
    """Run coffea over the files that exist, and write the histograms."""
    datasets = [
        Dataset(name, (str(path),), cross_section=_cross_section(path) if step.by_cross_section else None)
        for name, path in files.items()
        if path.exists()
    ]
    if not datasets:
        print(f"no sample for {archive.name}: left out")
        return
    processor = ReconstructionProcessor(
        step.reconstructors,
        selection=step.selection,
        histograms=step.histograms,
        luminosity=LUMINOSITY,
        objects=step.objects,
        bindings=step.bindings,
    )
    output = run(processor, datasets, executor=executor, chunksize=500)
    report = output["report"]
    for failure in report.failures:
        raise SystemExit(f"{failure.reason}\nwhat to do: {failure.remedy}")
    together = {column: side_by_side(output["histograms"], step.reconstructors, column) for column in step.beside}
    write_histograms(archive, {**output["histograms"], **together}, provenance=processor.provenance)
    print(f"{archive.name}: {', '.join(f'{d.name} {report.sum_of_weights[d.name]:.0f} events' for d in datasets)}")


def side_by_side(histograms: Mapping[str, hist.Hist], reconstructors: Iterable[str], column: str) -> hist.Hist:
    """One column as each of several reconstructors finds it in one dataset; they stand on the axis ``dataset``."""
    found = {name: histograms[f"{name}.{column}"] for name in reconstructors if f"{name}.{column}" in histograms}
    first = next(iter(found.values()))
    joined = hist.Hist(
        hist.axis.StrCategory(list(found), name="dataset", overflow=False),
        *first.axes[1:],
        storage=hist.storage.Weight(),
    )
    for row, each in enumerate(found.values()):
        joined.view(flow=True)[row] = each.view(flow=True)[0]
    return joined


def _cross_section(path: Path) -> float:
    """In pb, as the generator wrote it."""
    with uproot.open(path) as file:
        return float(json.loads(str(file["hepreco"]))["cross_section"])


if __name__ == "__main__":
    main()
