"""Speed, as ratios and rates measured side by side in one run: ``tox -e bench``.

Nothing here fails for being slow: machines are noisy. Each benchmark prints what it measured, and asserts that both
sides computed the same.
"""

import subprocess
import sys

import awkward as ak
import hist
import numpy as np
import pytest
import torch
from coffea import processor as coffea_processor
from coffea.ml_tools.torch_wrapper import torch_wrapper

import hepreco
import hepreco.testing
from hepreco.events import Dataset, ObjectSpec, read_batch, to_fileset
from hepreco.generation import Sample, write_sample
from hepreco.histograms import HistogramSpec
from hepreco.histograms.filling import fill_all
from hepreco.kinematics import mass
from hepreco.plugin import Axis
from hepreco.processing import Cut, ReconstructionProcessor

pytestmark = [
    pytest.mark.bench,
    # coffea takes TorchScript only, which torch has deprecated.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:No format checks:UserWarning"),
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("bench") / "ttbar.root"
    write_sample(Sample("ttbar-hadronic", 200_000), path)
    return Dataset("ttbar", (str(path),))


class Bare(coffea_processor.ProcessorABC):
    """What an analyst writes by hand for the same two histograms and cut flow."""

    def process(self, events):
        dataset = events.metadata["dataset"]
        jets = events.Jet[(events.Jet.pt > 30) & (abs(events.Jet.eta) < 2.4)]
        selected = ak.num(jets) >= 6
        weight = ak.to_numpy(events.genWeight)
        pt, met = events.Jet.pt[selected], events.PuppiMET.pt[selected]
        histograms = {
            name: hist.Hist(
                hist.axis.StrCategory([], growth=True, name="dataset"),
                hist.axis.Regular(50, 0, 500, name="x"),
                storage=hist.storage.Weight(),
            )
            for name in ("jet_pt", "met")
        }
        histograms["jet_pt"].fill(
            dataset=dataset, x=ak.flatten(pt), weight=np.repeat(weight[selected], ak.to_numpy(ak.num(pt)))
        )
        histograms["met"].fill(dataset=dataset, x=met, weight=weight[selected])
        flow = hist.Hist(
            hist.axis.StrCategory([], growth=True, name="dataset"),
            hist.axis.StrCategory(["all", "six jets"], name="cut"),
            storage=hist.storage.Weight(),
        )
        flow.fill(dataset=dataset, cut="all", weight=weight.sum())
        flow.fill(dataset=dataset, cut="six jets", weight=weight[selected].sum())
        return {"histograms": histograms | {"cutflow": flow}}

    def postprocess(self, accumulator):
        return accumulator


def test_whole_run_against_a_bare_processor(sample, best_of):
    """Aim: at most 1.15 without plugins."""
    axis = Axis(50, 0.0, 500.0)
    ours = ReconstructionProcessor(
        selection=[Cut("six jets", "Jet", ("pt > 30", "|eta| < 2.4"), at_least=6)],
        histograms=[HistogramSpec("jet_pt", ("Jet.pt",), axis), HistogramSpec("met", ("PuppiMET.pt",), axis)],
    )
    runner = coffea_processor.Runner(
        executor=coffea_processor.IterativeExecutor(status=False), schema=hepreco.NanoAODSchema, chunksize=50_000
    )
    results = {}

    def go(name, instance):
        results[name] = runner(to_fileset([sample]), processor_instance=instance)["histograms"]

    ratio = np.divide(*best_of(lambda: go("ours", ours), lambda: go("bare", Bare())))
    for name in ("jet_pt", "met"):
        nominal = results["ours"][name][{"dataset": "ttbar", "variation": "nominal"}]
        assert np.array_equal(nominal.values(flow=True), results["bare"][name][{"dataset": "ttbar"}].values(flow=True))
    seconds = best_of(lambda: go("ours", ours), rounds=1)[0]
    print(f"\nwhole run / bare coffea processor: {ratio:.3f}; {200_000 / seconds:,.0f} events/s")


@pytest.mark.parametrize("events", [2000, 20_000])
def test_many_histograms_and_variations(events, best_of):
    """200 histograms of 40 columns with 60 variations, against awkward and hist for each: aim at least 4."""
    generator = np.random.default_rng(1)
    counts = generator.poisson(6, events)
    jets = {f"q{i}": generator.exponential(60, counts.sum()).astype(np.float32) for i in range(20)}
    scores = {f"c{i}": generator.exponential(60, events).astype(np.float32) for i in range(20)}
    all_events = ak.zip({"Jet": ak.unflatten(ak.zip(jets), counts), "p": ak.zip(scores)}, depth_limit=1)
    weight = generator.choice([-1, 1, 1], events).astype(np.float32) * np.float32(337.047)
    masks = {f"v{i}": generator.random(events) > 0.4 for i in range(60)}
    selected = {name: all_events[mask] for name, mask in masks.items()}
    weights = {name: weight[mask] for name, mask in masks.items()}
    paths = [f"{collection}.{field}" for collection in all_events.fields for field in all_events[collection].fields]
    specs = [HistogramSpec(f"h{i}", (paths[i % 40],), Axis(50 + i, 0.0, 300.0)) for i in range(200)]

    def one(spec, variation):
        column, weight = selected[variation][tuple(spec.columns[0].split("."))], weights[variation]
        flat = ak.to_numpy(ak.drop_none(ak.flatten(column, axis=None)))
        repeated = np.repeat(weight, ak.to_numpy(ak.num(column))) if column.ndim > 1 else weight
        return [
            hist.Hist(spec.last_axis(), storage=hist.storage.Double()).fill(flat, weight=term).values(flow=True)
            for term in (repeated, np.square(repeated))
        ]

    def plainly():
        return {spec.name: [one(spec, name) for name in selected] for spec in specs}

    def ours():
        return fill_all(specs, selected, weights=weights, dataset="a").histograms

    filled = ours()
    for name, rows in plainly().items():
        view = filled[name].view(flow=True)[0]
        assert np.array_equal(np.stack((view["value"], view["variance"]), axis=1), np.array(rows))
    seconds, plain = best_of(ours, plainly, rounds=1)
    print(
        f"\n200 histograms, 60 variations, {events} events: {seconds:.1f} s; one by one {plain / seconds:.1f} times it"
    )


def place(batch, index):
    """The slots in which objects of these indices are."""
    return (index[:, :, None] == batch.index[:, None, :]).int().argmax(dim=2)


def chi2(plugin, jets):
    """From the formula, of jets in the order b q q b q q."""
    total = torch.zeros(len(jets), dtype=jets.dtype)
    for top in jets.unflatten(1, (2, 3)).unbind(dim=1):
        total += ((mass(top[:, 1:].sum(dim=1)) - plugin.w_mass) / plugin.sigma_w) ** 2
        total += ((mass(top.sum(dim=1)) - plugin.top_mass) / plugin.sigma_top) ** 2
    return total


@pytest.mark.parametrize("jets", [6, 8, 10])
def test_chi2_assigner(jets, best_of):
    """Aim: 10 000 events/s per core with eight jets."""
    from hepreco_chi2_assigner import Chi2Assigner  # noqa: PLC0415

    plugin = Chi2Assigner()
    inputs = hepreco.InputSpec((ObjectSpec("Jet", at_least=jets, at_most=jets),))
    batch = hepreco.testing.toy_batch(inputs, events=20_000)
    assert bool(batch.mask.all())
    found = []
    seconds = best_of(lambda: found.append(plugin.reconstruct(batch)), rounds=3)[0]
    for answer in found:  # χ² of the jets that were chosen, and no exchange of two of them is better
        slots = torch.cat([answer[name] for name in ("b_index", "q_index")], dim=1)[:, [0, 2, 3, 1, 4, 5]]
        chosen = batch.momenta.gather(1, place(batch, slots)[..., None].expand(-1, -1, 4))
        torch.testing.assert_close(answer["chi2"], chi2(plugin, chosen))
        for one, other in ((0, 1), (0, 3), (1, 4), (2, 3)):
            order = list(range(6))
            order[one], order[other] = order[other], order[one]
            assert (chi2(plugin, chosen[:, order]) >= answer["chi2"] * (1 - 1e-9)).all()
    print(f"\nχ² assigner, {jets} jets: {len(batch) / seconds:,.0f} events/s per core")


def test_inference_against_torch_wrapper(tmp_path, sample, best_of):
    """The same network on the same events, chunk by chunk: ours is loaded once, coffea's wrapper in every chunk."""
    from hepreco.weights import load_network, read_card  # noqa: PLC0415
    from hepreco_autoencoder import AutoencoderReconstructor  # noqa: PLC0415
    from hepreco_autoencoder.network import Autoencoder  # noqa: PLC0415
    from hepreco_autoencoder.reconstructor import network_inputs  # noqa: PLC0415

    plugin = AutoencoderReconstructor()
    batch = read_batch(sample, plugin.inputs)
    chunks = [batch[start : start + 5000] for start in range(0, len(batch), 5000)]
    network = load_network(Autoencoder, directory=plugin.weights, device="cpu", dtype=torch.float32)
    inputs = [network_inputs(chunk, objects=plugin.objects).float() for chunk in chunks]
    saved = tmp_path / "network.pt"
    torch.jit.trace(network, inputs[0]).save(str(saved))

    class Wrapped(torch_wrapper):
        def prepare_awkward(self, values):
            return [values], {}

    def coffea_way():
        return [np.asarray(Wrapped(str(saved))(ak.from_numpy(x.numpy()))) for x in inputs]

    def our_way():
        return [plugin.reconstruct(chunk)["error"] for chunk in chunks]

    assert read_card(plugin.weights).network
    ours, theirs = best_of(our_way, coffea_way, rounds=5)
    for error, x, y in zip(our_way(), inputs, coffea_way(), strict=True):
        expected = ((x - torch.from_numpy(y)) / plugin.scale).square().mean(dim=(1, 2))
        torch.testing.assert_close(error.float(), expected, rtol=1e-3, atol=1e-6)
    print(
        f"\ninference: {len(batch) / ours:,.0f} events/s, coffea's wrapper {len(batch) / theirs:,.0f} events/s, "
        f"ratio {theirs / ours:.2f}"
    )


MEMORY = """
import resource, sys
from hepreco.events import Dataset
from hepreco.plugin import discover
from hepreco.processing import ReconstructionProcessor, make_executor, run
processor = ReconstructionProcessor({"chi2": discover()["chi2-assigner"].build({})})
with make_executor("iterative") as executor:
    result = run(processor, [Dataset("a", (sys.argv[1],))], executor=executor, chunksize=5000)
print(result["report"].events("a"), result["report"].complete)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_peak_memory_is_flat(tmp_path):
    """The file grows tenfold, the memory does not."""
    peaks = []
    for events in (20_000, 200_000):
        path = tmp_path / f"{events}.root"
        write_sample(Sample("ttbar-hadronic", events), path)
        output = subprocess.run([sys.executable, "-c", MEMORY, str(path)], capture_output=True, text=True, check=True)
        assert output.stdout.split()[-3:-1] == [str(events), "True"]
        peaks.append(int(output.stdout.split()[-1]) / 1024)
    assert min(peaks) > 0
    print(
        f"\npeak memory: {peaks[0]:.0f} MiB for 20 000 events, {peaks[1]:.0f} MiB for 200 000: "
        f"ratio {peaks[1] / peaks[0]:.2f}"
    )
