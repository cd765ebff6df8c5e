"""A detector that is fitted to unlabelled events, and the likelihood of its fit."""

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hepreco import EventBatch
from hepreco.detector import Detector
from hepreco.errors import ConfigError, DatasetError, WeightsError
from hepreco.events import Dataset, read_batch
from hepreco.generation import Sample, write_sample
from hepreco.generation.hard import IntegrationBudget
from hepreco.kinematics import eta, pt
from hepreco.plugin import TrainingOptions
from hepreco.weights import Card, save_weights
from hepreco_me_assigner import MatrixElementAssigner
from hepreco_me_assigner.detector_fit import JetSample, fit_detector, pair_of_tops, read_detector
from hepreco_me_assigner.detector_fit.acceptance import _quarks, log_acceptance
from hepreco_me_assigner.detector_fit.hypotheses import JETS, KINDS, hypotheses
from hepreco_me_assigner.detector_fit.likelihood import Likelihood, Selection, _log_spectrum
from hepreco_me_assigner.detector_fit.parameters import PARAMETERS, UNIT, DetectorModel, variable
from hepreco_me_assigner.transfer_functions import TransferFunctions

#: Jets with another response than simulated by default, and tags that are not counted in the selection.
SIMULATED = Detector(b_response=0.92, light_response=0.96, jet_constant=0.08, b_efficiency=0.7)
QUICK = IntegrationBudget(iterations=2, points=2000, last=5000)
ASSIGNER = MatrixElementAssigner(solver="marginal", b_tag="btagDeepFlavB", where=("pt > 25",))
SELECTION = Selection(least=6, most=8, tags=0, pt_min=25.0)
LOST = (torch.tensor(0.05), torch.tensor(0.15))


def likelihood(detector: Detector = SIMULATED) -> Likelihood:
    return Likelihood(detector, LOST, pair_of_tops(ASSIGNER.hypothesis))


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], EventBatch]:
    def read(events: int) -> EventBatch:
        path = tmp_path_factory.mktemp("simulated") / "ttbar.root"
        write_sample(Sample("ttbar-hadronic", events, seed=91, budget=QUICK, detector=SIMULATED), path)
        return read_batch(Dataset("ttbar", (str(path),)), ASSIGNER.inputs)

    return read


@pytest.fixture(scope="session")
def jets(simulated: Callable[[int], EventBatch]) -> JetSample:
    return ASSIGNER._jets(simulated(900))[1]


def total(sample: JetSample, detector: Detector) -> Tensor:
    """The weighted sum that a fit maximises."""
    found = []
    for number in range(6, 9):
        joint, conditional = likelihood(detector).log(sample[sample.number == number].leading(number), SELECTION)
        found.append(0.3 * joint + conditional)
    return torch.cat(found).sum()


def test_the_prior_is_normal_in_widths_about_a_response_of_one() -> None:
    model = DetectorModel()
    assert model.log_prior().item() == 0
    assert [model.values()[f"{kind}_response"].item() for kind in ("b", "light")] == [1, 1]
    with torch.no_grad():
        model.moved[list(PARAMETERS).index("b_response")] = 2 / UNIT
    assert model.log_prior().item() == pytest.approx(-2)
    assert model.values()["b_response"].item() == pytest.approx(math.exp(2 * PARAMETERS["b_response"].width))


@pytest.mark.parametrize(
    ("name", "shifted"),
    [("b_response", 1.0), ("light_response", 1.05), ("light_response", 0.88), ("jet_constant", 0.2),
     ("b_efficiency", 0.45), ("light_efficiency", 0.1), ("radiation_slope", 70.0)],
)  # fmt: skip
def test_the_true_detector_is_likelier(jets: JetSample, name: str, shifted: float) -> None:
    assert len(jets) > 200
    gain = total(jets, SIMULATED) - total(jets, replace(SIMULATED, **{name: shifted}))
    assert float(gain) > 2.0


@pytest.mark.parametrize("kind", [("b", "q", "q"), ("q", "q"), ("b", "q")])
def test_acceptance_is_the_share_of_simulated_jets_that_are_found(kind: tuple[str, ...]) -> None:
    detector = replace(SIMULATED, jet_tail_fraction=0.2, jet_eta_max=2.4)
    quarks = _quarks(kind, 173.0, 80.4)
    generator = torch.Generator().manual_seed(3)
    spread, u = (
        torch.randn(quarks.shape[:2], generator=generator, dtype=torch.float64),
        torch.rand(quarks.shape[:2], generator=generator, dtype=torch.float64),
    )
    width = detector.jet_resolution(quarks[..., 0])
    width = torch.where(u < 0.2, torch.hypot(width, torch.tensor(0.5, dtype=torch.float64)), width)
    response = torch.tensor([0.92 if quark == "b" else 0.96 for quark in kind], dtype=torch.float64)
    found = pt(quarks) * response * torch.exp(width * spread) > 30
    share = (found & (eta(quarks).abs() < 2.4)).all(dim=1).double().mean()
    expected = log_acceptance(kind, detector, top=173.0, boson=80.4, pt_min=30.0).exp()
    assert float(expected) == pytest.approx(float(share), abs=3 * 0.5 / math.sqrt(len(quarks)))


def test_acceptance_of_top_quarks_is_that_of_a_generator() -> None:
    """Of 40 000 top quarks that hepreco.generation made, 21 518 have three quarks above 22 GeV with |η| < 2.4."""
    exact = Detector(jet_stochastic=0.0, jet_constant=1e-3, jet_eta_max=2.4)
    found = log_acceptance(("b", "q", "q"), exact, top=173.0, boson=80.4, pt_min=22.0).exp()
    assert float(found) == pytest.approx(0.538, abs=0.03)


@pytest.mark.parametrize("angle", [0.0, 1e-9])
def test_parallel_jets_leave_the_likelihood_a_derivative(jets: JetSample, angle: float) -> None:
    six = jets[(jets.number == 6).nonzero()[:20, 0]].leading(6)
    momenta = six.momenta.clone()
    momenta[:, 1] = momenta[:, 0] * (1 + angle * torch.tensor([0.0, 0.0, 0.0, 1.0]))
    values = {
        name: torch.tensor(0.95, dtype=torch.float64, requires_grad=True) for name in ("b_response", "light_response")
    }
    detector = variable(values, asdict(SIMULATED))
    joint, conditional = Likelihood(detector, LOST, pair_of_tops(ASSIGNER.hypothesis)).log(
        replace(six, momenta=momenta), SELECTION
    )
    (joint + conditional).sum().backward()
    assert joint.isfinite().all()
    assert all(value.grad is not None and value.grad.isfinite() for value in values.values())


def test_hypotheses_are_all_choices_of_jets() -> None:
    found = hypotheses(6)
    count = {("b", "q", "q"): 60, ("q", "q"): 15, ("b", "q"): 30, ("b",): 6, ("q",): 6, (): 1}
    assert [len(some) for some in found.jets] == [count[kind] for kind in KINDS]
    used = [frozenset(jets) for some in found.jets for jets in some.tolist()]
    assert all(len(jets) == JETS[kind] for jets, kind in zip(used, found.kind.tolist(), strict=True))
    expected = torch.tensor([[not one & other for other in used] for one in used])
    assert torch.equal(found.disjoint, expected)


def test_the_sum_over_hypotheses_is_that_of_a_loop(jets: JetSample) -> None:
    some, of = jets[jets.number == 6][torch.arange(2)].leading(6), likelihood()
    among = hypotheses(6)
    densities, tags = of._hypotheses(some, among, 25.0)
    kinds = of._log_kinds[0]
    mean = math.log(SIMULATED.radiation)
    expected = torch.zeros(2, dtype=torch.float64)
    for (i, one), (j, other) in product(enumerate(among.kind.tolist()), repeat=2):
        if among.disjoint[i, j]:
            prior = kinds[one] + kinds[other] + (6 - JETS[one] - JETS[other]) * mean
            expected += (densities[:, i] + tags[:, i] + densities[:, j] + tags[:, j] + prior).exp()
    rest = of._radiated(some.momenta, 25.0) + of._log_tag(some, torch.tensor(SIMULATED.light_efficiency))
    joint, _ = of.log(some, SELECTION)
    torch.testing.assert_close(joint, expected.log() + rest.sum(dim=1) - of._log_selected(SELECTION))


def test_the_probability_to_be_complete_is_a_part_of_the_sum(jets: JetSample) -> None:
    some, of = jets[jets.number == 7][torch.arange(2)].leading(7), likelihood()
    among = hypotheses(7)
    densities = torch.stack(of._hypotheses(some, among, SIMULATED.jet_pt_min)).sum(dim=0)
    prior = of._log_kinds[0] - torch.tensor(JETS) * math.log(SIMULATED.radiation)
    tops = (densities + prior[among.kind]).exp()
    pairs = tops[:, :, None] * tops[:, None] * among.disjoint
    whole = among.kind == KINDS.index(("b", "q", "q"))
    expected = pairs[:, whole][:, :, whole].sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))
    torch.testing.assert_close(of.probability_complete(some), expected)


def test_probabilities_of_kinds_add_up() -> None:
    for kinds in likelihood()._log_kinds:
        assert float(kinds.exp().sum()) == pytest.approx(1.0)
    leptonic = Likelihood(
        SIMULATED, LOST, pair_of_tops(MatrixElementAssigner(process="ttbar-lepton-jets", solver="marginal").hypothesis)
    )
    assert [KINDS[i] for i in torch.isfinite(leptonic._log_kinds[1]).nonzero()[:, 0]] == [("b",), ()]


@pytest.mark.parametrize("least", [1, 2])
def test_the_probability_of_tags_is_that_of_a_simulation(least: int) -> None:
    """A top with all its jets and one without its b jet, among seven jets."""
    generator = torch.Generator().manual_seed(1)
    b, charm, light = SIMULATED.b_efficiency, SIMULATED.c_efficiency, SIMULATED.light_efficiency
    quark = (charm + 3 * light) / 4
    rates = torch.tensor([b, quark, quark, quark, quark, light, light])
    tags = (torch.rand(200_000, 7, generator=generator) < rates).sum(dim=1)
    expected = (tags >= least).double().mean()
    found = likelihood()._log_tags(7, least).exp()[KINDS.index(("b", "q", "q")), KINDS.index(("q", "q"))]
    assert float(found) == pytest.approx(float(expected), abs=0.004)


def test_the_spectrum_of_a_system_of_jets_is_normalised() -> None:
    """Over d³p/(2E), which is π pt dpt dy."""
    across, y = torch.meshgrid(
        torch.linspace(0.5, 1500, 3000, dtype=torch.float64),
        torch.linspace(-7, 7, 141, dtype=torch.float64),
        indexing="ij",
    )
    momenta = torch.stack((across * y.cosh(), across, 0 * y, across * y.sinh()), dim=-1)
    density = _log_spectrum(momenta, slope=60.0, spread=1.2).exp() * torch.pi * across
    total = torch.trapezoid(torch.trapezoid(density, y[0], dim=1), across[:, 0])
    assert total.item() == pytest.approx(1, abs=1e-3)


def test_tails_are_a_sum_of_resolutions() -> None:
    """For a pair of jets, ln m² is a sum of four normal distributions."""
    detector = Detector(jet_stochastic=0.0, jet_constant=0.1, jet_angle=0.0, jet_tail_fraction=0.2, jet_tail_width=0.4)
    branch = MatrixElementAssigner(process="u d~ > w+ z, w+ > u d~, z > u u~").hypothesis.branches[0]
    momenta = torch.tensor([[50.0, 50.0, 0.0, 0.0], [60.0, 0.0, 60.0, 0.0]], dtype=torch.float64)
    narrow, wide = 0.1**2, 0.1**2 + 0.4**2
    missing = math.log(branch.resonances[0].mass ** 2 / (2 * 50 * 60))
    terms = [(0.64, 2 * narrow), (0.32, narrow + wide), (0.04, 2 * wide)]
    density = sum(p * math.exp(-(missing**2) / (2 * v)) / math.sqrt(v) for p, v in terms)
    fitted, weight = TransferFunctions(detector).fit(branch, momenta)
    assert float(weight) == pytest.approx(math.log(density) + 2 * math.log(50 * 60) + 2 * missing)
    assert float(2 * (fitted[0, 0] * fitted[1, 0])) == pytest.approx(branch.resonances[0].mass ** 2)


def test_a_response_is_undone() -> None:
    branch = ASSIGNER.hypothesis.branches[0]
    torch.manual_seed(3)
    momenta = 50 * torch.randn(10, 3, 4, dtype=torch.float64)
    momenta[..., 0] = momenta[..., 1:].norm(dim=-1)
    factor = torch.tensor([0.92, 0.96, 0.96], dtype=torch.float64)
    assert [abs(particle.pdg_id) for particle in branch.particles] == [5, 2, 1]
    plain = TransferFunctions(replace(SIMULATED, b_response=1.0, light_response=1.0)).fit(branch, momenta)
    found = TransferFunctions(SIMULATED).fit(branch, momenta * factor[:, None])
    torch.testing.assert_close(found, plain)


def test_radiated_jets_are_tagged_like_light_ones(simulated: Callable[[int], EventBatch]) -> None:
    """The prior is relative to a radiated jet, so that tags of jets without a leg count."""
    plugin = replace(ASSIGNER, b_efficiency=0.7, light_efficiency=0.01)
    charm = (Detector().c_efficiency + 0.01) / 2
    rates = torch.tensor([0.7, charm, 0.01, 0.7, charm, 0.01], dtype=torch.float64)
    jets = simulated(60).collection("Jet")
    jets = jets.objects_ordered_by(pt(jets.momenta), at_most=7)
    prior = plugin._measurement.prior(jets, 7, plugin.hypothesis)
    assert prior is not None
    tagged = jets.features["btagDeepFlavB"] > plugin.b_tag_threshold
    assert 0 < (tagged & jets.mask).sum() < jets.mask.sum()
    torch.testing.assert_close(prior[tagged], (rates / 0.01).log().expand(int(tagged.sum()), 6))
    torch.testing.assert_close(prior[~tagged], ((1 - rates) / 0.99).log().expand(int((~tagged).sum()), 6))


def test_a_fitted_detector_is_used(tmp_path: Path, jets: JetSample, simulated: Callable[[int], EventBatch]) -> None:
    """A short fit moves towards the truth; its card is a detector, with which ``marginal`` assigns.

    Without events of eight jets, whose hypotheses take most of the time.
    """
    options = TrainingOptions(epochs=12, learning_rate=3e-3)
    result = fit_detector(
        jets[jets.number < 8], branches=pair_of_tops(ASSIGNER.hypothesis), assumed=Detector(), options=options,
        report=lambda _epoch, _losses: None,
    )  # fmt: skip
    found = Detector(**result.network)  # type: ignore[arg-type]
    for name in ("b_response", "light_response"):
        assert abs(getattr(found, name) - getattr(SIMULATED, name)) < 1 - getattr(SIMULATED, name), name
        assert 0.001 < result.metrics[f"{name}_error"] < 0.1
    losses = result.history["training_loss"]
    assert losses[-1] < losses[0]
    assert found.jet_pt_min == pytest.approx(25.0, abs=0.5)
    card = Card("", dict(result.network), "test", 1, "test", "", dict(result.metrics))
    save_weights(tmp_path, result.tensors, card)
    assert read_detector(tmp_path) == found
    learned = replace(ASSIGNER, weights_directory=str(tmp_path))
    assert learned.weights == tmp_path
    batch = simulated(60)
    expected = replace(ASSIGNER, resolution=found).reconstruct(batch)
    columns = dict(learned.reconstruct(batch))
    complete = columns.pop("complete_probability")
    assert 0.2 < float(complete.nanmean()) < 0.95
    assert torch.equal(complete.isnan(), expected["probability"].isnan())
    for name, value in columns.items():
        torch.testing.assert_close(value, expected[name], equal_nan=True)
    assert float(expected["probability"].nanmean()) > 0.3


def test_what_cannot_be_fitted(jets: JetSample) -> None:
    def fit(sample: JetSample) -> None:
        branches = pair_of_tops(ASSIGNER.hypothesis)
        options = TrainingOptions(epochs=1)
        fit_detector(sample, branches=branches, assumed=Detector(), options=options, report=lambda *_: None)

    with pytest.raises(DatasetError, match="only 10 events to fit a detector to"):
        fit(jets[torch.arange(10)])
    with pytest.raises(DatasetError, match="the b tags of all jets are equal"):
        fit(replace(jets, tagged=torch.zeros_like(jets.momenta[..., 0], dtype=torch.bool)))
    with pytest.raises(ConfigError, match="no detector can be fitted with 'tttt'"):
        pair_of_tops(MatrixElementAssigner(process="tttt", at_most=12, solver="marginal").hypothesis)


def test_a_policy_is_no_detector(tmp_path: Path) -> None:
    card = Card("", {"process": "ttbar"}, "test", 1, "test", "", {})
    save_weights(tmp_path, {"weight": torch.zeros(1)}, card)
    with pytest.raises(WeightsError, match="holds no detector"):
        MatrixElementAssigner(solver="marginal", weights_directory=str(tmp_path))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"b_response": 0.0}, "no response"), ({"jet_tail_fraction": 1.0}, "fraction of 1 or more")],
)
def test_impossible_detectors(options: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Detector(**{**asdict(Detector()), **options})
