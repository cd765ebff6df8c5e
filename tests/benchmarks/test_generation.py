"""Unweighted events per second and core, unweighting efficiency, and cross-section of every sample."""

import time

import pytest
import torch

from hepreco.amplitudes import LEADING_ORDER
from hepreco.generation import PRESETS, find_preset
from hepreco.generation.hard import Beams, adapt, find_densities
from hepreco.generation.hard.parton_level import make_batch
from hepreco.generation.hard.sampler import BATCH

pytestmark = pytest.mark.bench
SET = "NNPDF23_lo_as_0130_qed"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset(name, one_thread):
    preset = find_preset(name)
    processes = preset.hard_processes(Beams(13_000.0, find_densities(SET)), model=LEADING_ORDER)
    start = time.perf_counter()
    sampler = adapt(processes, seed=1, budget=preset.budget, overweight=preset.overweight)
    adapted = time.perf_counter()
    made, excess, tally, batch = 0, 0.0, sampler.tally, 0
    while batch < 2 or time.perf_counter() - adapted < 10:
        events = make_batch(sampler, batch * BATCH, decay_channels=preset.decay_channels)
        made, excess, tally, batch = made + len(events.events), excess + events.excess, tally + events.tally, batch + 1
    seconds = time.perf_counter() - adapted
    label = preset.decay_channels(processes[0])
    factor = (label.factor if label else 1.0) * 1000
    found = tally.cross_section
    print(
        f"\n{name:20} {made / seconds:8.0f} events/s, efficiency {made / (batch * BATCH):.4f}, "
        f"overweight {excess / (made + excess):.4f}, adapted in {adapted - start:.1f} s, "
        f"σ = {found.value * factor:.4g} ± {found.error * factor:.2g} fb"
    )
    assert made > 0
    # What was found before and what came of it agree, and few weights are above the largest that was expected.
    before = sampler.tally.cross_section
    assert found.value == pytest.approx(before.value, abs=5 * before.error)
    assert excess < 0.05 * (made + excess)
    assert torch.isfinite(events.events.momenta).all()
    balance = torch.where(events.events.status[..., None] == 1, events.events.momenta, 0.0).sum(dim=1)
    incoming = torch.where(events.events.status[..., None] == -1, events.events.momenta, 0.0).sum(dim=1)
    torch.testing.assert_close(balance, incoming, rtol=1e-6, atol=1e-4)
