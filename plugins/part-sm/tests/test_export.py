import json
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import onnxruntime
import pytest
import torch
from ready import CONTEXT

from hepreco.errors import ConfigError
from hepreco.training import initialised
from hepreco_part_sm import ClassifierNetwork, Particles
from hepreco_part_sm.export import export_onnx
from hepreco_part_sm.particles import MOST

#: Two libraries in single precision, for probabilities.
PARITY = 1e-5
CLASSES = ("signal", "first", "second")


def some_particles(events: int, *, seed: int) -> Particles:
    """Events of one to all objects of all kinds, in falling order of pt, and one without any at the end."""
    generator = torch.Generator().manual_seed(seed)
    number = torch.randint(1, MOST + 1, (events, 1), generator=generator)
    number[-1] = 0 if events > 1 else 5
    present = torch.arange(MOST) < number
    kinds = torch.where(present, torch.randint(1, 8, (events, MOST), generator=generator), 0)
    transverse = (10 + 100 * torch.rand(events, MOST, generator=generator)).sort(dim=1, descending=True).values
    azimuth, along = (
        6.28 * torch.rand(events, MOST, generator=generator),
        torch.randn(events, MOST, generator=generator),
    )
    space = torch.stack((azimuth.cos(), azimuth.sin(), along), dim=-1) * transverse[..., None]
    energy = (space.square().sum(dim=-1, keepdim=True) + 25).sqrt()
    momenta = torch.where(present[..., None], torch.cat((energy, space), dim=-1), 0.0)
    return Particles(momenta, kinds, 50 * torch.randn(events, 2, generator=generator))


def classifier_of(model: str, *, members: int) -> ClassifierNetwork:
    """A calibrated classifier, whose normalisations have seen events."""
    classifier = initialised(
        lambda: ClassifierNetwork(model=model, size="small", classes=CLASSES, members=members), seed=1
    )
    with torch.no_grad():
        classifier.train()(some_particles(200, seed=2))
    classifier.temperature.fill_(0.8)
    classifier.offset.copy_(torch.linspace(-1, 1, len(CLASSES)))
    return classifier.eval()


@pytest.fixture(scope="module")
def elsewhere():
    """A process of its own, in which no shapes are checked: torch cannot trace the checks."""
    with ProcessPoolExecutor(max_workers=1, mp_context=CONTEXT) as executor:
        yield executor


@pytest.mark.parametrize(
    ("model", "members"),
    [
        pytest.param("part-int-sm", 1, marks=pytest.mark.slow),
        ("pn-int", 1),
        ("fcn", 2),
        ("cnn", 1),
        pytest.param("lgatr", 1, marks=pytest.mark.slow),
    ],
)
def test_graph_gives_the_probabilities_of_the_classifier(model, members, tmp_path, elsewhere, record_property):
    classifier = classifier_of(model, members=members)
    elsewhere.submit(export_onnx, classifier, tmp_path / "model.onnx").result()
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for events in (1, 7):
        particles = some_particles(events, seed=3)
        with torch.no_grad():
            expected = classifier(particles).numpy()
        (found,) = session.run(["probabilities"], {name: value.numpy() for name, value in particles._asdict().items()})
        assert found.shape == (events, members, len(CLASSES))
        record_property(f"largest difference, {events} events", f"{abs(found - expected).max():.1e}; at most {PARITY}")
        np.testing.assert_allclose(found, expected, rtol=0, atol=PARITY)
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(CLASSES)


@pytest.mark.parametrize(("model", "message"), [("bdt", r"trees[\s\S]*do: convert"), ("lloca", r"frames[\s\S]*lgatr")])
def test_what_is_no_graph_is_refused(model, message, tmp_path):
    classifier = ClassifierNetwork(model=model, size="small", classes=CLASSES)
    with pytest.raises(ConfigError, match=message):
        export_onnx(classifier, tmp_path / "model.onnx")
