"""Cross-sections and distributions against independent samples of MadGraph5_aMC@NLO 3.2.0."""

import math
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from scipy.stats import ks_2samp

from hepreco.amplitudes import LEADING_ORDER
from hepreco.formats.records import join
from hepreco.generation import Sample, read_lhe, read_lhe_header
from hepreco.generation.hard import Beams, GridDensities, HardProcess
from hepreco.generation.hard.sampler import IntegrationBudget, adapt
from hepreco.generation.samples import produce
from hepreco.generation.samples.presets import find_preset
from hepreco.kinematics import boost, delta_phi, mass, phi, pt

SET = "NNPDF23_lo_as_0130_qed"
#: Samples of 10 000 events each; a wrong width or spin correlation gives p-values far below.
LEAST_P_VALUE = 1e-3


@pytest.fixture(scope="module")
def grid() -> Path:
    pytest.importorskip("pythia8mc", reason="brings the parton densities that MadGraph was run with")
    return Path(sys.prefix) / f"share/Pythia8/pdfdata/{SET}_0000.dat"


def particle(events, pdg_id, *, mother=None):
    """The momentum of the one particle of a kind, and from a kind of mother where there are several."""
    chosen = events.pdg_id == pdg_id
    if mother is not None:
        chosen &= (torch.gather(events.pdg_id, 1, events.mother.clamp(min=0)) == mother) & (events.mother >= 0)
    chosen &= events.status > 0
    assert torch.all(chosen.sum(dim=1) == 1)
    return events.momenta[chosen]


def rest(momentum, frame):
    return boost(momentum, velocity=-frame[:, 1:] / frame[:, :1])


def cosine(one, other):
    return torch.nn.functional.cosine_similarity(one[:, 1:], other[:, 1:], dim=1)


def observables(events):
    """Of the two tops: kinematics, masses, and angles of the down-type quarks in their tops' rest frames."""
    top, antitop = particle(events, 6), particle(events, -6)
    plus, minus = (particle(events, sign * 24, mother=sign * 6) for sign in (1, -1))
    row = {}
    for name, down, w in (("+", -1, 24), ("-", 1, -24)):
        # Of two W⁺ the one that comes from the top.
        mother = torch.gather(events.mother, 1, events.mother.clamp(min=0))
        from_top = torch.gather(events.pdg_id, 1, mother.clamp(min=0)).abs() == 6
        chosen = (events.pdg_id == down) & from_top & (events.mother >= 0) & (mother >= 0)
        row[name] = events.momenta[chosen], w
    pair = top + antitop
    # Into the frame of the pair first, then of each top: the helicity basis.
    angle = {}
    sides = (("+", top), ("-", antitop))
    for name, one in sides:
        flight = rest(one, pair)
        angle[name] = cosine(rest(rest(row[name][0], pair), flight), flight)
    down_plus, down_minus = (
        rest(rest(row[name][0], pair), rest(one, pair)) for name, one in (("+", top), ("-", antitop))
    )
    return {
        "m(W)": torch.cat((mass(plus), mass(minus))),
        "m(t)": torch.cat((mass(top), mass(antitop))),
        "pt(t)": pt(top),
        "y(t)": torch.atanh(top[:, 3] / top[:, 0]),
        "m(tt)": mass(pair),
        "delta phi": delta_phi(phi(top), phi(antitop)).abs(),
        "cos(d, t)": angle["+"],
        "cos(d, t) cos(d, t~)": angle["+"] * angle["-"],
        "cos(d, d)": cosine(down_plus, down_minus),
    }


def p_values(ours, theirs):
    return {name: float(ks_2samp(ours[name], theirs[name]).pvalue) for name in ours}


@pytest.mark.parametrize(
    ("process", "file"), [("ttbar-hadronic", "tt"), pytest.param("ttw-hadronic", "ttw", marks=pytest.mark.slow)]
)
def test_distributions(process, file, grid, samples, tmp_path, record_property):
    ours = produce(Sample(process, 20_000, seed=5, densities=str(grid)), tmp_path)
    theirs = join(list(read_lhe(samples / f"{file}.lhe.gz")))
    found = p_values(observables(join(list(ours.blocks(10_000)))), observables(theirs))
    if file == "ttw":  # there u always comes along +z
        del found["y(t)"]
    else:
        del found["delta phi"]  # back to back
    for name, p in found.items():
        record_property(f"p-value of {name}", f"{p:.3f}")
    assert min(found.values()) > LEAST_P_VALUE


def test_other_widths_and_isotropic_decays_would_be_seen(samples):
    """What the comparison can tell: MadGraph's own events against themselves with one thing changed."""
    theirs = observables(join(list(islice(read_lhe(samples / "tt.lhe.gz"), 10))))
    uniform = 2 * torch.rand(10_000, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 1
    centre = float(theirs["m(W)"].median())
    changed = {
        "m(W)": centre + 1.2 * (theirs["m(W)"] - centre),
        "pt(t)": 1.05 * theirs["pt(t)"],
        "cos(d, d)": uniform,
    }
    for name, values in changed.items():
        assert ks_2samp(values, theirs[name]).pvalue < LEAST_P_VALUE, name


def test_cross_section_of_top_pairs(grid, samples):
    """64.38 ± 0.11 pb."""
    beams = Beams(13_000.0, GridDensities(grid))
    processes = find_preset("ttbar-hadronic").hard_processes(beams, model=LEADING_ORDER)
    ours = adapt(processes, seed=3, budget=IntegrationBudget(last=300_000)).tally.cross_section
    theirs = read_lhe_header(samples / "tt.lhe.gz").cross_section
    print(f"tt̄: {ours}; MadGraph {theirs}")
    assert ours.error < 0.002 * ours.value
    assert ours.value == pytest.approx(theirs.value, abs=3 * math.hypot(ours.error, theirs.error))


@pytest.mark.parametrize(
    ("budget", "precision"),
    [
        (IntegrationBudget(points=10_000, last=50_000), 0.01),
        pytest.param(IntegrationBudget(iterations=10, points=50_000, last=600_000), 0.003, marks=pytest.mark.slow),
    ],
    ids=["quick", "long"],
)
def test_cross_section_of_top_pairs_with_a_w(budget, precision, grid, samples, record_property):
    """6.218 ± 0.010 fb with the u quark along +z."""
    (process,) = find_preset("ttw-hadronic").processes
    hard = HardProcess(process, beams=Beams(13_000.0, GridDensities(grid)), model=LEADING_ORDER, exchange=False)
    ours = adapt([hard], seed=3, budget=budget).tally.cross_section
    theirs = read_lhe_header(samples / "ttw.lhe.gz").cross_section
    record_property("pb", f"{ours}; MadGraph {theirs}")
    assert ours.error < precision * ours.value
    assert ours.value == pytest.approx(theirs.value, abs=3 * math.hypot(ours.error, theirs.error))
