import pytest
import torch
from sklearn.metrics import log_loss

from hepreco.errors import ConfigError
from hepreco.training import initialised
from hepreco_part_sm import MODELS, ClassifierNetwork, Particles
from hepreco_part_sm.classifier import likelihood_ratio
from hepreco_part_sm.features import PairFeatures, pair_kinematics, token_features
from hepreco_part_sm.labelled import Labelled
from hepreco_part_sm.lists import ConvolutionalNetwork, ConvolutionSize, in_slots
from hepreco_part_sm.models import build_member
from hepreco_part_sm.particle_net import EdgeConvolution
from hepreco_part_sm.training import balanced, calibrate, cross_entropy, focal
from hepreco_part_sm.transformer import ParticleTransformer, TransformerSize

from .conftest import toy_particles

NETWORKS = [name for name, model in MODELS.items() if model.backbone != "trees"]
#: Double precision, after some layers.
CLOSE = 1e-9
#: Of ParT with 12 features and 2 classes in weaver-core 0.4, with its four pair features.
PART_PARAMETERS = 2_141_794


def untrained(name: str, *, size: str = "small") -> torch.nn.Module:
    return initialised(lambda: build_member(name, size=size, outputs=5), seed=1).double().eval()


def with_padding(particles: Particles, slots: int) -> Particles:
    pad = torch.nn.functional.pad
    return Particles(
        pad(particles.momenta, (0, 0, 0, slots)), pad(particles.kinds, (0, slots)), particles.missing_momentum
    )


def test_there_are_sixteen_models_two_controls_and_two_equivariant():
    assert len(MODELS) == 20


@pytest.mark.parametrize("name", NETWORKS)
def test_padding_and_neighbours_change_nothing(name, particles):
    network = untrained(name)
    found = network(particles)
    assert found.shape == (12, 5)
    torch.testing.assert_close(network(with_padding(particles, 4)), found, rtol=CLOSE, atol=CLOSE)
    one = network(Particles(*(tensor[3:4] for tensor in particles)))
    torch.testing.assert_close(one, found[3:4], rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name not in ("fcn", "cnn")])
def test_the_order_of_objects_changes_nothing(name, particles):
    order = torch.randperm(9, generator=torch.Generator().manual_seed(2))
    network = untrained(name)
    other = network(Particles(particles.momenta[:, order], particles.kinds[:, order], particles.missing_momentum))
    torch.testing.assert_close(other, network(particles), rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_learns(name, particles):
    network = untrained(name).train()
    network(particles).square().sum().backward()
    learned = [(key, value) for key, value in network.named_parameters() if value.requires_grad]
    without = [key for key, value in learned if value.grad is None or not value.grad.any()]
    # A bias before batch normalisation has no effect, one of attention keys neither.
    assert [key for key in without if not key.endswith("bias")] == []


def test_the_full_transformer_has_the_parameters_of_part():
    # Ours reads two pair features less than ParT's four, 2 × 64 weights and 2 × 2 of the normalisation; and an
    # interaction matrix adds one: 64 and 2. The missing momentum enters by 3 × 128 weights and 128 biases.
    found = ParticleTransformer(TransformerSize(), pairs=PairFeatures("running"), outputs=2)
    number = sum(parameter.numel() for parameter in found.parameters())
    assert number - 4 * 128 + (64 + 2) == PART_PARAMETERS


@pytest.mark.parametrize(
    ("name", "small", "full"),
    [
        ("fcn", 146_283, 146_283),
        ("cnn", 55_453, 55_453),
        ("pn-int-sm", 12_527, 60_367),
        ("part-int-sm", 28_771, 2_142_627),
        ("sett-int-sm", 28_771, 1_942_939),
        ("lgatr", 27_765, 1_265_029),
        ("lloca", 31_720, 2_381_704),
    ],
)
def test_numbers_of_parameters_for_five_classes(name, small, full):
    """Stored weights fit only a network of the same widths and depth."""
    for size, number in (("small", small), ("full", full)):
        network = build_member(name, size=size, outputs=5)
        assert sum(parameter.numel() for parameter in network.parameters()) == number


def test_widths_may_differ_from_layer_to_layer(particles):
    size = TransformerSize(embedding=(16, 24, 32), pair_embedding=(8, 16), heads=4, blocks=1, class_blocks=1)
    lists = ConvolutionSize(channels=(8, 16), kernels=(5, 7), hidden=32)
    for network in (
        ParticleTransformer(size, pairs=PairFeatures("running"), outputs=3),
        ConvolutionalNetwork(lists, outputs=3),
    ):
        assert network.double().eval()(particles).shape == (12, 3)


def test_an_edge_convolution_is_a_mean_over_neighbours():
    layer = initialised(lambda: EdgeConvolution(3, (5, 4), pair_width=2), seed=1).double().eval()
    generator = torch.Generator().manual_seed(1)
    objects, pairs = (torch.randn(2, 4, *more, generator=generator, dtype=torch.float64) for more in ((3,), (4, 2)))
    mask = torch.tensor([[True] * 4, [True, True, True, False]])
    edges = mask[:, :, None] & mask[:, None] & ~torch.eye(4, dtype=torch.bool)
    found = layer(objects, mask, edges, pairs)
    for event, one in mask.nonzero().tolist():
        x, others = objects[event, one], edges[event, one]
        said = objects[event, others] + layer.of_pair(pairs[event, one, others]) - x
        messages = layer.message.module(torch.cat((x.expand_as(said), said), dim=-1))
        expected = torch.relu(layer.shortcut.module(x[None])[0] + messages.mean(dim=0))
        torch.testing.assert_close(found[event, one], expected, rtol=CLOSE, atol=CLOSE)
    assert not found[~mask].any()


def test_tokens_of_padding_are_zero_but_their_kind(particles):
    tokens = token_features(particles)[~particles.mask]
    assert len(tokens) == 12
    assert torch.equal(tokens, torch.eye(tokens.shape[1], dtype=tokens.dtype)[4].expand_as(tokens))


def test_pair_features_are_masses_and_distances():
    one, other = [50.0, 30.0, 40.0, 0.0], [50.0, -30.0, -40.0, 0.0]
    found = pair_kinematics(torch.tensor([[one, other]], dtype=torch.float64))[0, 0, 1]
    assert found.exp().tolist() == pytest.approx([100.0**2, torch.pi])


def test_slots_hold_the_leading_objects_of_each_kind(particles):
    slots = in_slots(particles)
    assert slots.kinds.shape == (12, 12)
    for event in range(12):
        jets = particles.momenta[event][particles.kinds[event] == 1]
        held = slots.momenta[event, :4][slots.kinds[event, :4] == 1]
        torch.testing.assert_close(held, jets[:4])
    assert not (slots.kinds == 7).any()


def test_an_unknown_model_is_refused():
    with pytest.raises(ConfigError, match="no model 'gnn'"):
        build_member("gnn", size="small", outputs=2)


def labelled(events: int) -> Labelled:
    """Two kinds of events, of softer and of harder objects."""
    parts = [toy_particles(events=events, seed=seed, scale=1.0 + seed) for seed in (0, 1)]
    momenta, kinds, missing = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    label = torch.arange(2).repeat_interleave(events)
    return Labelled(momenta.float(), kinds, missing.float(), label, torch.ones(2 * events))


def test_classes_have_the_same_weight():
    label, weight = torch.tensor([0, 0, 0, 2]), torch.tensor([1.0, 2.0, 3.0, 0.5])
    found = balanced(label, weight)
    assert found[:3].sum() == pytest.approx(found[3].item())
    assert found.mean() == pytest.approx(1.0)


def test_the_focal_loss_is_cross_entropy_of_hard_events():
    events = labelled(20)
    network = initialised(lambda: build_member("fcn", size="small", outputs=2), seed=1).eval()
    logarithm = torch.log_softmax(network(events.particles), dim=1).gather(1, events.label[:, None])[:, 0]
    alpha = torch.tensor([0.75, 0.25])[events.label]
    expected = -(alpha * (1 - logarithm.exp()) ** 3 * logarithm).mean()
    torch.testing.assert_close(focal(network, *events), expected)
    probabilities = torch.softmax(network(events.particles).detach().double(), dim=1).numpy()
    assert cross_entropy(network, *events).item() == pytest.approx(log_loss(events.label, probabilities), rel=1e-5)


class Scaled(torch.nn.Module):
    """The logarithm of the ratio of the two exponentials of ``labelled``, times a factor, plus a number."""

    def __init__(self, factor: float, offset: float = 0.0) -> None:
        super().__init__()
        self.factor, self.offset = factor, offset

    def forward(self, particles: Particles) -> torch.Tensor:
        pt = particles.momenta[..., 1:3].norm(dim=-1)
        sums = torch.where(particles.mask, pt - 25, 0.0).sum(dim=1)
        number = particles.mask.sum(dim=1)
        logit = self.factor * (sums / 60 - sums / 120 - number * torch.log(torch.tensor(2.0))) + self.offset
        return torch.stack((torch.zeros_like(logit), logit), dim=1)


def test_calibration_undoes_a_scale_and_an_offset():
    events = labelled(2000)
    nearly_one, offset = calibrate([Scaled(1.0)], events)
    assert nearly_one.item() == pytest.approx(1.0, rel=0.05)
    temperature, other = calibrate([Scaled(3.0, 1.2)], events)
    assert temperature.item() == pytest.approx(3 * nearly_one.item(), rel=0.01)
    assert (other - offset).diff().item() == pytest.approx(-0.4 / nearly_one.item(), abs=0.01)


def test_calibration_is_that_of_the_mean():
    """One member too sure, one too unsure: their mean in the ratio of likelihoods is what counts."""
    events, members = labelled(2000), [Scaled(4.0), Scaled(0.3)]
    temperature, offset = calibrate(members, events)

    def loss(t: torch.Tensor, shift: torch.Tensor) -> float:
        logits = torch.stack([member(events.particles).double() for member in members])
        return log_loss(events.label, torch.softmax(logits / t + shift, dim=-1).mean(dim=0).numpy())

    best = loss(temperature, offset)
    for factor in (0.8, 1.25):
        assert best < loss(temperature * factor, offset)
    for shift in (-0.2, 0.2):
        assert best < loss(temperature, offset + torch.tensor([0.0, shift]))


def test_calibration_of_few_events_stays_near():
    """Of one class alone, all told apart: the likelihood alone would have no maximum."""
    few = Labelled(*(tensor[:3] for tensor in labelled(2000)))
    few = few._replace(label=torch.zeros_like(few.label))
    temperature, offset = calibrate([Scaled(1.0)], few)
    assert 0.1 < temperature.item() < 10
    assert offset.abs().max().item() < 3


def test_the_score_is_the_ratio_of_densities():
    probabilities = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    yields = torch.tensor([7.0, 3.0, 1.0], dtype=torch.float64)
    found = likelihood_ratio(probabilities, yields, signal=0)
    assert found.item() == pytest.approx(0.5 / (0.5 + 0.75 * 0.3 + 0.25 * 0.2))
    of_members = likelihood_ratio(probabilities.expand(4, 2, 3), yields, signal=0)
    assert torch.equal(of_members, found.expand(4, 2))


def test_members_differ_and_probabilities_add_up(particles):
    classifier = ClassifierNetwork(model="part-int-sm", size="small", classes=("a", "b"), members=2).double().eval()
    found = classifier(particles)
    assert found.shape == (12, 2, 2)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(12, 2, dtype=torch.float64))
    assert not torch.allclose(found[:, 0], found[:, 1])
