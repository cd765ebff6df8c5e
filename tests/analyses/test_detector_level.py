"""Assignments on events of a detector that is not ours, with the parameters that were learned from such events."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

from hepreco.detector import Detector

pytest.importorskip("h5py")
DIRECTORY = Path(__file__).parents[2] / "analyses" / "detector_level"
#: Rounded from a fit to the first quarter of the file, of which the labels were not used.
LEARNED = Detector(
    radiation=1.8, radiation_slope=19.0, radiation_hard_fraction=0.4, radiation_hard_slope=65.0, radiation_eta=1.8,
    b_response=0.90, light_response=0.93, jet_stochastic=1.16, jet_constant=0.11, jet_tail_fraction=0.13,
    b_efficiency=0.78, c_efficiency=0.15, light_efficiency=0.025, b_tag_eta_max=2.6,
)  # fmt: skip


def script(name):
    spec = importlib.util.spec_from_file_location(f"detector_level_{name}", DIRECTORY / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_a_learned_detector_assigns_better_and_knows_better(samples):
    benchmark = script("benchmark")
    file = samples / "spanet_ttbar_even.h5"
    plugin = benchmark.MatrixElementAssigner(solver="marginal", b_tag="btag", **benchmark.JETS)
    batch = benchmark.read_batch(benchmark.Dataset("ttbar", (str(file),)), plugin.inputs)
    last = batch[torch.arange(3500, 5000)]
    methods = {name: method for name, method in benchmark.methods_with(LEARNED).items() if "without" not in name}
    found = benchmark.compare(last, benchmark.labelled_tops(file), methods)
    learned, assumed = found["learned detector"], found["resolution (0.8, 0.05)"]
    assert learned["all"]["events"] == assumed["all"]["events"] > 300
    assert learned["all"]["efficiency"] > assumed["all"]["efficiency"] + 0.04
    assert learned["one complete top"]["efficiency"] > found["χ²"]["one complete top"]["efficiency"] + 0.1
    for tags, tolerance in (("", 0.11), (", no tags", 0.13)):
        rows = [found[f"{name}{tags}"]["all"] for name in ("learned detector", "resolution (0.8, 0.05)")]
        excess = [row["mean probability"] - row["efficiency"] for row in rows]
        assert abs(excess[0]) < tolerance
        assert abs(excess[0]) < abs(excess[1])
        assert rows[0]["efficiency"] > found[f"χ²{tags}"]["all"]["efficiency"] + 0.05


def test_a_detector_serves_other_processes(samples):
    higgs = script("higgs")
    rates = []
    for assumed in (LEARNED, (0.8, 0.05)):
        plugin = higgs.replace(higgs.MatrixElementAssigner(**higgs.OPTIONS), resolution=assumed)
        right, _ = higgs.compare(samples / "spanet_tth_even.h5", plugin)
        assert len(right) == 109
        rates.append(right.mean())
    assert rates[0] > rates[1] + 0.05
    assert rates[0] > 0.4
