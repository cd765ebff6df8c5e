"""Events per second of ``part-sm`` in the processor, and its transformer against the reference: ``tox -e bench``."""

import numpy as np
import pytest
import torch
from coffea import processor as coffea_processor

import hepreco
from hepreco.events import Dataset, read_batch, to_fileset
from hepreco.generation import Detector, Sample, write_sample
from hepreco.processing import ReconstructionProcessor
from hepreco.training import initialised
from hepreco.weights import Card, save_weights

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore:No format checks:UserWarning")]

EVENTS = 4_000
BATCH = 256
MODELS = {"fcn": 1, "pn-int-sm": 1, "part-int-sm": 1, "lgatr": 1, "pn-int-sm of three seeds": 3}
CLASSES = ("tttt", "tth", "ttw", "ttww", "ttz")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("bench") / "tttt.root"
    write_sample(Sample("tttt-multilepton", EVENTS, detector=Detector(radiation=2.0)), path)
    return Dataset("tttt", (str(path),))


def test_classifiers_in_the_processor(sample, tmp_path, best_of):
    """Reading and filling included; weights are not trained, which costs the same."""
    from hepreco_part_sm import ClassifierNetwork, EventClassifier  # noqa: PLC0415

    plugins = {}
    for name, members in MODELS.items():
        model = name.split()[0]
        network = initialised(
            lambda model=model, members=members: ClassifierNetwork(
                model=model, size="small", classes=CLASSES, members=members
            ),
            seed=1,
        )
        options = {"model": model, "size": "small", "classes": list(CLASSES), "members": members}
        save_weights(tmp_path / name, network.state_dict(), Card("", options, "none", 1, "", ""))
        plugins[name] = EventClassifier(model=model, members=members, weights_directory=str(tmp_path / name))
    runner = coffea_processor.Runner(
        executor=coffea_processor.IterativeExecutor(status=False), schema=hepreco.NanoAODSchema, chunksize=5_000
    )

    def go(reconstructors):
        return runner(to_fileset([sample]), processor_instance=ReconstructionProcessor(reconstructors))

    for name, plugin in plugins.items():
        plugin.setup("cpu")
        batch = read_batch(sample, plugin.inputs)
        scores = plugin.reconstruct(batch)["score_tttt"].numpy().astype(np.float32)
        known, weight = np.isfinite(scores), batch.weight.numpy()
        filled = go({"plugin": plugin})["histograms"]["plugin.score_tttt"]
        filled = filled[{"variation": "nominal", "dataset": "tttt"}]
        counted = np.histogram(scores[known], filled.axes[0].edges, weights=weight[known])[0]
        assert np.abs(counted - filled.values()).sum() <= 4, name  # of scores at an edge
        assert filled.sum(flow=True).value == pytest.approx(weight[known].sum())
        assert known.sum() > EVENTS / 2
    bare, *seconds = best_of(
        lambda: go({}), *(lambda plugin=plugin: go({"plugin": plugin}) for plugin in plugins.values()), rounds=2
    )
    print(f"\nper core; without a plugin {EVENTS / bare:,.0f} events/s")
    for name, taken in zip(plugins, seconds, strict=True):
        print(f"{name}: {EVENTS / taken:,.0f} events/s, {1e6 * (taken - bare) / EVENTS:.0f} µs per event")


def test_transformer_against_the_reference(sample, best_of):
    """ParT of its authors (package ``weaver-core``) and ours, of the same widths: the same events, 256 at a time."""
    from weaver.nn.model.ParticleTransformer import ParticleTransformer  # noqa: PLC0415

    from hepreco_part_sm import EventClassifier  # noqa: PLC0415
    from hepreco_part_sm.features import token_features  # noqa: PLC0415
    from hepreco_part_sm.models import build_member  # noqa: PLC0415
    from hepreco_part_sm.particles import Particles  # noqa: PLC0415

    plugin = EventClassifier()
    found = plugin.particles(read_batch(sample, plugin.inputs)[:BATCH])
    particles = Particles(found.momenta.float(), found.kinds, found.missing_momentum.float()).trimmed()
    features = token_features(particles)
    ours = initialised(lambda: build_member("part-int", size="full", outputs=len(CLASSES)), seed=1)
    theirs = ParticleTransformer(features.shape[-1], len(CLASSES), trim=False)
    sizes = [sum(p.numel() for p in network.parameters()) for network in (ours, theirs)]

    assert abs(sizes[0] / sizes[1] - 1) < 0.001

    def of_theirs():
        columns = particles.momenta[..., [1, 2, 3, 0]].transpose(1, 2)
        return theirs(token_features(particles).transpose(1, 2), v=columns, mask=particles.mask[:, None].float())

    def step(network, forward):
        network.zero_grad()
        torch.nn.functional.cross_entropy(forward(), torch.zeros(len(features), dtype=torch.int64)).backward()

    times = best_of(
        lambda: step(ours.train(), lambda: ours(particles)),
        lambda: step(theirs.train(), of_theirs),
        torch.no_grad()(lambda: ours.eval()(particles)),
        torch.no_grad()(lambda: (theirs.eval(), of_theirs())),
        rounds=3,
    )
    assert ours(particles).shape == of_theirs().shape == (len(features), len(CLASSES))
    order = torch.randperm(particles.kinds.shape[1], generator=torch.Generator().manual_seed(1))
    shuffled = Particles(particles.momenta[:, order], particles.kinds[:, order], particles.missing_momentum)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(shuffled), ours.eval()(particles), rtol=1e-3, atol=1e-4)
    print(f"\nparameters {sizes[0]:,} and {sizes[1]:,}; µs per event, ours and the reference's, and their ratio")
    for name, (one, other) in zip(("training", "inference"), zip(times[::2], times[1::2], strict=False), strict=False):
        print(f"{name}: {1e6 * one / BATCH:.0f}, {1e6 * other / BATCH:.0f}, {other / one:.2f}")
