"""The pages' examples, run as a reader would run them, and what they print compared with what is known otherwise."""

import math
import re

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from ready import TESTS

HEPRECO = ("-c", "from hepreco.cli import main; main()")
#: The order of the momenta of gg → tt̄, all hadronic.
TOP_PAIR = "(21, 21, 2, -1, 5, -2, 1, -5)"


def numbers(pattern, text):
    """The numbers in the only match of a pattern."""
    (found,) = re.findall(pattern, text)
    return [float(number) for number in (found if isinstance(found, tuple) else [found])]


def with_six_jets(path):
    """The sum of weights of events with at least six jets of the χ² assigner, and of all."""
    with uproot.open(path)["Events"] as tree:
        pt, eta, weight = (tree[name].array() for name in ("Jet_pt", "Jet_eta", "genWeight"))
    six = ak.sum((pt > 30) & (abs(eta) < 2.4), axis=1) >= 6
    return float(ak.sum(ak.values_astype(weight, "float64")[six])), float(ak.sum(ak.values_astype(weight, "float64")))


def two_tops_per_event(printed):
    """The sum of a histogram of both top masses, with what lies outside of its axis."""
    (value,) = numbers(r"\(WeightedSum\(value=([\d.e+]+), variance=[\d.e+]+\) with flow\)", printed)
    return value / 2


def of_the_readme(printed, workplace):
    selected, _ = with_six_jets(workplace / "output/samples/ttbar.root")
    assert two_tops_per_event(printed) == pytest.approx(selected, rel=1e-5)
    assert "name='chi2_assigner.top.mass'" in printed
    assert printed.startswith("[[")
    assert printed.splitlines()[-1] == TOP_PAIR


def of_your_processor(printed, workplace):
    with uproot.open(workplace / "output/samples/ttbar.root")["Events"] as tree:
        jets = tree.arrays(["Jet_pt", "Jet_eta"])

    def with_six(events, pt):
        return int(ak.sum(ak.sum((events.Jet_pt > pt) & (abs(events.Jet_eta) < 2.4), axis=1) >= 6))

    assert f"{with_six(jets, 30)} of {len(jets)} events" in printed
    assert f"{with_six(jets[:1000], 50)} of {with_six(jets[:1000], 30)} events" in printed
    assert "True ['chi2', 'w', 'top'" in printed


def of_the_tutorial(printed, workplace):
    with uproot.open(workplace / "output/samples/ttbar.root")["Events"] as tree:
        assert f"{tree.num_entries} events" in printed
    for name in ("chi2_assigner.top.mass", "autoencoder.error", "cutflow"):
        assert f"'{name}'" in printed
    nominal, up = numbers(r"^([\d.]+) ([\d.]+)$", printed.splitlines()[2])
    assert nominal < up < 1.2 * nominal  # jets of 3 % more energy pass more often
    position, spread, width, purity = numbers(
        r"position ([\d.]+) ± ([\d.]+) width ([\d.]+) ± [\d.]+ purity ([\d.]+)", printed
    )
    assert position == pytest.approx(172.5, abs=5 * spread)
    assert width == pytest.approx(12.0, abs=4.0)
    assert 0.8 < purity < 1
    assert 0 < numbers(r"χ²/ndof ([\d.]+)", printed)[0] < 3
    area, error = numbers(r"AUC ([\d.]+) ± ([\d.]+)", printed)
    assert 0.5 + 5 * error < area < 1
    assert numbers(r"efficiency at 50 %: ([\d.]+) ±", printed)[0] > 2  # of a score that knows nothing
    for figure in ("mjjj", "peak", "roc"):
        assert all(path.stat().st_size > 1000 for path in (workplace / "figures").glob(f"{figure}.*"))
        assert list((workplace / "figures").glob(f"{figure}.*"))


def of_columns(printed, workplace):
    columns = ak.from_parquet(workplace / "output/columns/ttbar")
    assert numbers(r"count +(\d+)\.0+ +(\d+)\.0+", printed) == [len(columns)] * 2
    chi2 = ak.to_numpy(columns["chi2_assigner_chi2"])
    assert numbers(r"min +[\d.]+ +([\d.]+)", printed) == [pytest.approx(chi2.min(), rel=1e-4)]
    with uproot.open(workplace / "output/samples/ttbar.root")["Events"] as tree:
        event, met = (tree[name].array(library="np") for name in ("event", "PuppiMET_pt"))
        jets = tree["Jet_pt"].array()
    known = dict(zip(event.tolist(), met.tolist(), strict=True))
    rows = re.findall(r"^\d +(\d+) +([\d.]+) +([\d.]+)$", printed, re.M)
    assert len(rows) == 5
    answers = dict(zip(ak.to_list(columns["event"]), chi2.tolist(), strict=True))
    for number, missing, value in rows:
        assert float(missing) == pytest.approx(known[int(number)], rel=1e-5)
        assert float(value) == pytest.approx(answers[int(number)], rel=1e-5)
    (line,) = (line for line in printed.splitlines() if line.startswith("[[") and line.endswith("]]"))
    first = {n: jets[np.flatnonzero(event == n)[0]] for n in sorted(answers)[:3]}
    b_index = dict(zip(ak.to_list(columns["event"]), ak.to_list(columns["chi2_assigner_b_index"]), strict=True))
    pairs = re.findall(r"\[([\d.]+), ([\d.]+)\]", line)
    for (number, pt), pair in zip(first.items(), pairs, strict=True):
        assert [float(value) for value in pair] == pytest.approx([pt[i] for i in b_index[number]], rel=5e-3)


def of_the_cluster(printed, workplace):
    selected, every = with_six_jets(workplace / "ttbar.root")
    assert "2000 events" in printed
    assert two_tops_per_event(printed) == pytest.approx(380.0 * 1000 * selected / every, rel=1e-5)


def of_adding_a_process(printed, _workplace):
    """γγ → tt̄ at right angles is 4e⁴Q⁴N(1 + 2β² − 2β⁴), with e² = 4π/132.507."""
    legs, squared, best = printed.splitlines()
    assert legs == "(21, 21, 2, -1, 5, 11, -12, -5, 5, -5) 8"
    beta2 = 1 - (173.0 / 300.0) ** 2
    expected = 4 * (4 * math.pi / 132.507) ** 2 * (2 / 3) ** 4 * 3 * (1 + 2 * beta2 - 2 * beta2**2)
    assert numbers(r"tensor\(([\d.]+),", squared) == [pytest.approx(expected, abs=6e-5)]
    assert best == "tensor([[0, 1, 2, 3]])"


def of_generating(printed, workplace):
    value, error = numbers(r"([\d.]+) ± ([\d.]+) pb", printed)
    assert 0 < error < 0.02 * value
    assert value < 64.4  # which is without any cut
    assert "torch.Size([1000, 10]) ('m_A', 'm_C')" in printed
    with uproot.open(workplace / "few.root")["Events"] as tree:
        quarks = tree["LHEPart_status"].array() == 1
        assert len(quarks) == 500
        assert ak.all(tree["LHEPart_pt"].array()[quarks] > 20)


def of_matrix_elements(printed, _workplace):
    channels = ("g g > t t~", "u u~ > t t~", "c c~ > t t~", "d d~ > t t~", "s s~ > t t~")
    assert printed.splitlines() == [TOP_PAIR, str(channels)]


def of_figures(printed, workplace):
    total, data, names = re.match(r"([\d.]+) ([\d.]+) (.*)", printed).groups()
    assert float(total) == pytest.approx(2000, rel=0.35)  # the tail of tt̄ lies beyond the axis
    assert 1000 < float(data) <= 2000
    assert names == "['jes']"
    for figure in ("ht", "ht-ttbar-shifts"):
        assert (workplace / f"figures/{figure}.pdf").stat().st_size > 1000


def of_the_fit(printed, _workplace):
    value, error = numbers(r"\(\) ([\d.]+) ± ([\d.]+)", printed)
    assert value == pytest.approx(1.3, abs=0.5 * error)
    assert printed.strip().endswith("['mu']")


PAGES = {
    "README.md": of_the_readme,
    "docs/tutorial.md": of_the_tutorial,
    "docs/how-to/add-to-your-processor.md": of_your_processor,
    "docs/how-to/columns.md": of_columns,
    "docs/how-to/figures.md": of_figures,
    "docs/how-to/fit.md": of_the_fit,
    "docs/how-to/run-on-a-cluster.md": of_the_cluster,
    "docs/how-to/add-a-process.md": of_adding_a_process,
    "docs/how-to/generate-events.md": of_generating,
    "docs/reference/matrix-elements.md": of_matrix_elements,
}


@pytest.fixture(scope="session")
def workplace(once, root, shell):
    """A directory in which the tutorial's first command was run, on a tenth of its events."""

    def work(directory):
        config = directory / "analyses/ttbar/analysis.toml"
        config.parent.mkdir(parents=True)
        text = (root / "analyses/ttbar/analysis.toml").read_text()
        assert text.count("events = 20000") == 2
        config.write_text(text.replace("events = 20000", "events = 2000"))
        run = ("run", str(config), "--output", "output", "--write-columns", "parquet", "--no-figures")
        shell(*HEPRECO, *run, cwd=directory)

    return once("reader", work)


@pytest.mark.parametrize("page", PAGES)
def test_python_runs(page, root, workplace, blocks_of, shell):
    code = [block.code for block in blocks_of(root / page) if block.language == "python" and block.runs]
    script = workplace / f"{page.replace('/', '-')}.py"
    script.write_text("\n\n".join(code))
    assert code
    PAGES[page](shell(script.name, cwd=workplace, new="cluster" in page), workplace)


def first_events(source, target, *, events):
    """A part of an HDF5 file."""
    with h5py.File(source) as whole, h5py.File(target, "w") as part:

        def copy(name, data):
            if hasattr(data, "dtype"):
                part[name] = data[:events]

        whole.visititems(copy)


def test_labels_are_compared_as_on_their_page(root, samples, tmp_path, blocks_of, shell):
    first_events(samples / "spanet_ttbar_even.h5", tmp_path / "spanet_ttbar.h5", events=300)
    found = {block.language: block.code for block in blocks_of(root / "docs/how-to/run-on-spanet-files.md")}
    (tmp_path / "analysis.toml").write_text(found["toml"])
    files = ("--files", "ttbar=spanet_ttbar.h5", "--output", "results", "--write-columns", "parquet", "--no-figures")
    shell(*HEPRECO, "run", "analysis.toml", *files, cwd=tmp_path)
    (tmp_path / "compare.py").write_text(found["python"])
    printed = shell("compare.py", cwd=tmp_path)
    with h5py.File(tmp_path / "spanet_ttbar.h5") as file:
        quarks = [file[f"TARGETS/{top}/{name}"][:] for top in ("t1", "t2") for name in ("b", "q1", "q2")]
    complete = (np.stack(quarks) >= 0).all(axis=0).sum()
    right = dict(re.findall(rf"^(\S+): ([\d.]+) of {complete} complete events$", printed, re.M))
    assert right.keys() == {"chi2-assigner", "me-assigner"}
    assert all(0.2 < float(each) < 0.9 for each in right.values())  # a guess is right once in 90 events


def test_a_plugin_written_from_its_page_passes(root, tmp_path, write_package, shell):
    path = write_package(root / "docs/how-to/write-a-plugin.md", tmp_path, "w-candidate")
    assert "w-candidate" in shell(*HEPRECO, "plugins", "list", cwd=tmp_path, path=path)
    shell(*HEPRECO, "plugins", "check", "w-candidate", cwd=tmp_path, path=path)
    shell("-c", TESTS, "-q", "-p", "no:cacheprovider", "tests", cwd=tmp_path, path=path)


def test_a_plugin_trained_from_its_page_passes(root, tmp_path, write_package, shell):
    path = write_package(root / "docs/how-to/train-a-plugin.md", tmp_path, "fourth-jet")
    shell(*HEPRECO, "generate", "ttbar-hadronic", "--events", "1000", "--output", "training.root", cwd=tmp_path)
    train = ("train", "fourth-jet", "--files", "training.root", "--output", "fourth-jet-weights", "--epochs", "2")
    shell(*HEPRECO, *train, cwd=tmp_path, path=path)
    shell(*HEPRECO, "plugins", "check", "fourth-jet", cwd=tmp_path, path=path)
