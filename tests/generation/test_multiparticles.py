"""Samples of process strings with labels of several particles."""

import math

import pytest

from hepreco.amplitudes import LEADING_ORDER
from hepreco.errors import ConfigError
from hepreco.generation import Cuts, Sample, find_preset
from hepreco.generation.hard import Beams, HardProcess
from hepreco.generation.hard.sampler import IntegrationBudget, adapt


@pytest.mark.parametrize(
    ("budget", "precision"),
    [
        (IntegrationBudget(iterations=4, points=4_000, last=12_000), 0.015),
        pytest.param(IntegrationBudget(last=100_000), 0.005, marks=pytest.mark.slow),
    ],
    ids=["quick", "long"],
)
def test_top_pairs_are_the_sum_of_their_channels(budget, precision, record_property):
    def cross_section(processes, *, seed):
        return adapt(processes, seed=seed, budget=budget).tally.cross_section

    whole = cross_section(Sample("p p > t t~", 1).hard_processes(), seed=1)
    channels = [
        cross_section([HardProcess(f"{pair} > t t~", beams=Beams(), model=LEADING_ORDER)], seed=number)
        for number, pair in enumerate(("g g", "u u~", "d d~", "s s~", "c c~"), start=2)
    ]
    error = math.hypot(whole.error, *(each.error for each in channels))
    record_property("pb", f"{whole}; sum of channels {sum(each.value for each in channels)}")
    assert whole.error < precision * whole.value
    assert whole.value == pytest.approx(sum(each.value for each in channels), abs=3 * error)
    assert channels[0].value < 0.95 * whole.value  # the quarks' part is seen


def test_second_generation_takes_the_place_of_the_first():
    preset = find_preset("p p > t t~")
    assert preset.processes == ("g g > t t~", "u u~ > t t~", "d d~ > t t~")
    assert preset.generations
    pairs = {pair for process in Sample("p p > t t~", 1).hard_processes() for pair in process.pairs}
    assert pairs == {(21, 21)} | {(sign * q, -sign * q) for q in (1, 2, 3, 4) for sign in (1, -1)}


def test_with_jets_every_flavour_is_its_own():
    preset = find_preset("p p > t t~ j")
    assert len(preset.processes) == 13
    assert not preset.generations
    assert len(Sample("p p > t t~ j", 1, cuts=Cuts(pt_min=30.0)).hard_processes()) == 13


def test_protons_need_parton_densities():
    with pytest.raises(ConfigError, match="no parton densities"):
        Sample("p p > t t~", 1, densities="none")
    assert len(Sample("e+ e- > l+ l-", 1, densities="none").preset.processes) == 2
