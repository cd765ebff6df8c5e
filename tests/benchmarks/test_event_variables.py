"""Events per second of whole runs with learned variables, and with those derived by hand: ``tox -e bench``."""

import numpy as np
import pytest
from coffea import processor as coffea_processor

import hepreco
from hepreco.events import Dataset, read_batch, to_fileset
from hepreco.generation import Sample, write_sample
from hepreco.plugin import discover
from hepreco.processing import ReconstructionProcessor

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore:No format checks:UserWarning")]

EVENTS = 20_000
TOPOLOGIES = ("visible-pair", "semi-visible", "pair-semi-visible")


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("bench") / "ttbar.root"
    write_sample(Sample("ttbar-hadronic", EVENTS), path)
    return Dataset("ttbar", (str(path),))


def test_event_variables_in_the_processor(sample, best_of):
    """Reading and filling included, of jets that pass; variables by hand are eight, m_T2 among them."""
    plugins = {"by hand": discover()["kinematic-variables"].build({})}
    plugins |= {name: discover()["event-variables"].build({"topology": name}) for name in TOPOLOGIES}
    runner = coffea_processor.Runner(
        executor=coffea_processor.IterativeExecutor(status=False), schema=hepreco.NanoAODSchema, chunksize=20_000
    )

    def go(reconstructors):
        return runner(to_fileset([sample]), processor_instance=ReconstructionProcessor(reconstructors))

    for name, plugin in plugins.items():
        output = go({"plugin": plugin})
        found = output["report"].without_answer["ttbar"].get("plugin", {})
        assert sum(found.values()) < EVENTS / 2, name
        batch = read_batch(sample, plugin.inputs)
        direct, weight = plugin.reconstruct(batch), batch.weight.numpy()
        for column in plugin.outputs:
            histogram = output["histograms"][f"plugin.{column.name}"][{"variation": "nominal", "dataset": "ttbar"}]
            values = direct[column.name].numpy().astype(np.float32)
            edges = np.asarray(histogram.axes[0].edges)
            known = np.isfinite(values)
            counted = np.histogram(values[known], edges, weights=weight[known])[0]
            assert np.abs(counted - histogram.values()).sum() <= 4, name  # of values at an edge
    bare, *seconds = best_of(
        lambda: go({}), *(lambda plugin=plugin: go({"plugin": plugin}) for plugin in plugins.values()), rounds=2
    )
    print(f"\n{EVENTS} events, per core; without a plugin {EVENTS / bare:,.0f} events/s")
    for name, taken in zip(plugins, seconds, strict=True):
        print(f"{name}: {EVENTS / taken:,.0f} events/s, time / that by hand {taken / seconds[0]:.2f}")
