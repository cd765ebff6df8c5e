"""Transfer functions against numerical integrals, and what they gain at detector level."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import torch
import uproot
from torch import Tensor

from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.events import Dataset, EventBatch, InputSpec, read_batch
from hepreco.kinematics import mass
from hepreco_chi2_assigner import Chi2Assigner
from hepreco_me_assigner import Hypothesis, MatrixElementAssigner
from hepreco_me_assigner.solvers import topologies
from hepreco_me_assigner.transfer_functions import TransferFunctions

TTW = Hypothesis("ttw")
FINE = TransferFunctions(Detector(jet_stochastic=0.3, jet_constant=0.03, jet_angle=0.0))


def jets(count: int, legs: int, *, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    momenta = torch.randn(count, legs, 4, generator=generator, dtype=torch.float64) * 60
    momenta[..., 0] = momenta[..., 1:].norm(dim=-1)
    return momenta


def test_the_flux_has_two_ways_which_a_reflection_exchanges() -> None:
    momenta = jets(12, TTW.legs)
    flux = FINE.log_flux(TTW, momenta)
    assert flux.shape == (12, 2)
    reflected = momenta * torch.tensor([1.0, 1.0, 1.0, -1.0], dtype=torch.float64)
    torch.testing.assert_close(FINE.log_flux(TTW, reflected), flux.flip(-1))
    torch.testing.assert_close(FINE.log_flux(TTW, momenta.reshape(3, 4, -1, 4)), flux.reshape(3, 4, 2))


def test_fitted_resonances_are_on_their_poles() -> None:
    for branch in TTW.branches:
        fitted, _ = FINE.fit(branch, jets(50, len(branch.legs)))
        for resonance in branch.resonances:
            found = mass(fitted[:, list(resonance.legs)].sum(dim=1))
            torch.testing.assert_close(found, torch.full_like(found, resonance.mass), rtol=1e-9, atol=0)


def test_the_fit_is_the_likeliest() -> None:
    branch = TTW.branches[0]
    momenta = _near(jets(400, 3), branch.resonances[0].mass)
    fitted, _ = FINE.fit(branch, momenta)
    width = FINE.detector.jet_resolution(momenta[..., 0])

    def chi2(x: Tensor) -> Tensor:
        return (x / width).square().sum(dim=-1)

    x = (fitted[..., 0] / momenta[..., 0]).log()
    for step in (-1e-3, 1e-3):  # u up, d down, so that the W stays on its pole; then b so that the top does
        u, d = x[:, 1] + step, x[:, 2] - step
        moved = momenta * torch.stack((x[:, 0], u, d), dim=1).exp()[..., None]
        w, b = moved[:, 1] + moved[:, 2], momenta[:, 0]
        product = b[:, 0] * w[:, 0] - (b[:, 1:] * w[:, 1:]).sum(dim=1)
        top, boson = branch.resonances
        other = torch.stack((((top.mass**2 - boson.mass**2) / 2 / product).log(), u, d), dim=1)
        assert (chi2(other) >= chi2(x) - 1e-9).all()


def test_weights_are_integrals() -> None:
    """Of normal densities of ln E over the constraint, on a grid; relative to one jet triplet."""
    branch = TTW.branches[0]
    top, boson = branch.resonances
    momenta = _near(jets(400, 3, seed=2), branch.resonances[0].mass)
    _, weight = FINE.fit(branch, momenta)
    width = FINE.detector.jet_resolution(momenta[..., 0])
    pairs = {(i, j): mass(momenta[:, i] + momenta[:, j]) ** 2 for i, j in ((1, 2), (0, 1), (0, 2))}
    x_u = torch.linspace(-1.5, 1.5, 6001, dtype=torch.float64)[:, None]
    x_d = (boson.mass**2 / pairs[1, 2]).log() - x_u
    x_b = ((top.mass**2 - boson.mass**2) / (pairs[0, 1] * x_u.exp() + pairs[0, 2] * x_d.exp())).log()
    shift = torch.stack((x_b, x_u.expand_as(x_b), x_d), dim=-1)
    log_density = -(shift / width).square().sum(dim=-1) / 2 + 2 * (shift + momenta[..., 0].log()).sum(dim=-1)
    expected = torch.logsumexp(log_density, dim=0) - width.log().sum(dim=1)
    difference = weight - expected
    assert (difference - difference.median()).abs().quantile(0.9) < 0.1


def _near(momenta: Tensor, top_mass: float) -> Tensor:
    """Triplets that need no large shifts."""
    scale = top_mass / mass(momenta.sum(dim=1))
    momenta = momenta * scale[:, None, None]
    w = mass(momenta[:, 1] + momenta[:, 2])
    return momenta[(w > 65) & (w < 95)]


def test_other_decays_have_no_fit() -> None:
    higgs = Hypothesis(
        "g g > t t~ h, (t > b w+, w+ > u d~), (t~ > b~ w-, w- > u~ d), (h > w+ w-, w+ > u d~, w- > u~ d)"
    )
    with pytest.raises(ConfigError, match="wide resonances"):
        FINE.fit(higgs.branches[2], jets(2, 4))


@pytest.fixture(scope="module")
def measured(written: Callable[[str, int], Path]) -> EventBatch:
    """Jets of tt̄ events, one radiated on average, with all six partons among them."""
    spec = MatrixElementAssigner(where=("pt > 20", "|eta| < 4.7")).inputs.objects[0]
    inputs = InputSpec((replace(spec, features=("truthParton", "btagDeepFlavB")),))
    batch = read_batch(Dataset("test", (str(written("ttbar-hadronic", 6000)),)), inputs)
    parton = torch.where(batch.mask, batch.features["truthParton"], -1.0)
    return batch[torch.stack([(parton == leg).any(dim=1) for leg in range(6)]).all(dim=0)]


def topology_is_right(batch: EventBatch, index: Tensor) -> Tensor:
    slot = (index[:, :, None] == batch.index[:, None, :]).int().argmax(dim=2)
    parton = batch.features["truthParton"].long().gather(1, slot)
    hypothesis = Hypothesis("ttbar")
    return topologies(hypothesis, torch.where(parton < 0, 40, parton)) == topologies(hypothesis, torch.arange(6))


#: Right topologies, by least squares and by transfer functions, and what the latter say of themselves: the table in
#: analyses/theory_informed/README.md, of other events.
TABLE = {None: (0.4881, 0.5777, 0.647), "btagDeepFlavB": (0.7272, 0.7783, 0.822)}
TABLE_ERROR = 0.0056


@pytest.mark.parametrize("b_tag", TABLE)
def test_it_beats_least_squares(b_tag: str | None, measured: EventBatch) -> None:
    """By nine points without b tags and by five with them, as the README says."""
    cuts = ("pt > 20", "|eta| < 4.7")
    found = MatrixElementAssigner(solver="marginal", where=cuts, resolution=(0.8, 0.05), b_tag=b_tag).reconstruct(
        measured
    )
    other = Chi2Assigner(where=cuts, at_most=8, b_tag=b_tag).reconstruct(measured)
    b, q = other["b_index"], other["q_index"]
    index = torch.cat((b[:, :1], q[:, :2], b[:, 1:], q[:, 2:]), dim=1)
    right = topology_is_right(measured, found["leg_index"]).double()
    least_squares = topology_is_right(measured, index).double()
    better = right - least_squares
    assert len(measured) > 2000
    expected = dict(zip(("least squares", "right", "says"), TABLE[b_tag], strict=True))
    expected["better"] = expected["right"] - expected["least squares"]
    for name, values in (
        ("least squares", least_squares), ("right", right), ("better", better), ("says", found["probability"])
    ):  # fmt: skip
        error = math.hypot(float(values.std()) / len(values) ** 0.5, TABLE_ERROR)
        assert float(values.mean()) == pytest.approx(expected[name], abs=3 * error), name
    assert better.mean() > (0.07 if b_tag is None else 0.03)
    # It is a little too sure of itself: angles and merged jets are not in the transfer functions.
    assert 0.0 < float(found["probability"].mean()) - right.mean() < 0.1


@pytest.mark.parametrize("process", ["ttbar", "ttbar-lepton-jets"])
@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-7])
def test_parallel_jets_are_assigned_too(process: str, angle: float, written: Callable[[str, int], Path]) -> None:
    """Also two of the same momentum, which no W can decay to, or only with more energy than the protons have."""
    plugin = MatrixElementAssigner(process=process, solver="marginal", resolution=(0.8, 0.05), where=("pt > 20",))
    sample = "ttbar-hadronic" if process == "ttbar" else process
    batch = read_batch(Dataset("test", (str(written(sample, 300)),)), plugin.inputs)[:20]
    jets = batch.species == batch.collections.index("Jet")
    same = batch.momenta.clone()
    for event in range(len(batch)):
        one, other = (jets[event] & batch.mask[event]).nonzero()[:2, 0]
        same[event, other] = same[event, one] + angle * same[event, one, 0] * torch.eye(4)[3]
    found = plugin.reconstruct(replace(batch, momenta=same))
    answered = found["leg_index"][:, 0] >= 0
    assert answered.sum() > 10
    assert found["probability"][answered].isfinite().all()
    assert found["log_me2"][answered].isfinite().all()


def test_truth_is_not_read(measured: EventBatch) -> None:
    plugin = MatrixElementAssigner(solver="marginal", where=("pt > 20",), resolution=(0.8, 0.05))
    shuffled = replace(measured, features={name: values.flip(0) for name, values in measured.features.items()})
    for name, value in plugin.reconstruct(measured[:50]).items():
        torch.testing.assert_close(plugin.reconstruct(shuffled[:50])[name], value, equal_nan=True)


def test_the_short_form_is_the_default_detector() -> None:
    assumed = [MatrixElementAssigner(resolution=each)._measurement.transfer for each in ((0.8, 0.05), Detector(), None)]
    assert assumed == [TransferFunctions(), TransferFunctions(), None]
    assert Detector().missing_resolution == pytest.approx(20.0)


def test_simulation_and_assumption_agree(written: Callable[[str, int], Path]) -> None:
    """A simulated file, against the widths of the detector that it was made with, which is what is assumed."""
    detector = TransferFunctions().detector
    columns = ["Jet_pt", "Jet_eta", "Jet_mass", "Jet_genJetIdx", "GenJet_pt", "GenJet_eta", "GenJet_mass"]
    names = [f"{name}_{part}" for name in ("GenMET", "PuppiMET") for part in ("pt", "phi")]
    with uproot.open(written("ttbar-lepton-jets", 3000)) as file:
        events = file["Events"].arrays([*columns, *names])
    true = events.Jet_genJetIdx
    pt, eta, m = (events[f"GenJet_{name}"][true] for name in ("pt", "eta", "mass"))
    energy = np.sqrt((pt * np.cosh(eta)) ** 2 + m**2)
    found = np.sqrt((events.Jet_pt * np.cosh(events.Jet_eta)) ** 2 + events.Jet_mass**2)
    energy, found, turned, pt = (ak.to_numpy(ak.flatten(x)) for x in (energy, found, events.Jet_eta - eta, pt))
    hard = pt > 60  # far from the acceptance, which takes those that are measured low
    width = detector.jet_resolution(torch.from_numpy(energy)).numpy()
    assert ((found / energy - 1) / width)[hard].std() == pytest.approx(1.0, abs=0.05)
    assert turned[hard].std() == pytest.approx(detector.jet_angle, rel=0.05)
    momentum = [events[f"{name}_pt"] * np.exp(1j * events[f"{name}_phi"]) for name in ("PuppiMET", "GenMET")]
    missing = ak.to_numpy(momentum[0] - momentum[1])
    low, high = np.percentile(np.concatenate((missing.real, missing.imag)), (15.87, 84.13))
    assert (high - low) / 2 == pytest.approx(detector.missing_resolution, rel=0.15)
