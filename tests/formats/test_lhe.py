import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pylhe
import pytest
import torch
from torch import Tensor

from hepreco.errors import DatasetError
from hepreco.formats.lhe import LheHeader, LheWriter, read_lhe, read_lhe_header
from hepreco.formats.records import CrossSection, PartonEvents
from hepreco.kinematics import boost, two_body_decay

HEADER = LheHeader(
    beam_energy=6500.0,
    cross_section=CrossSection(64.378, 0.1 / 3),
    scale=173.2,
    alpha_s=0.1 + 0.2 / 3,
    alpha_qed=1 / 128,
    process="g g > t t~ & <decays>",
    pdf_set=247000,
)
ELEVEN_DIGITS = 1e-9  # relative, of sums of momenta as MadGraph writes them
GLUON, TOP, W, B, U, D = 21, 6, 24, 5, 2, 1


@pytest.fixture(scope="module")
def events(phase_space: Callable[..., Tensor]) -> PartonEvents:
    """g g → t t̄ → (b u d̄)(b̄ ū d) along z; the t̄ of every other event stays as it is, so that it is shorter."""
    generator = torch.Generator().manual_seed(3)
    size, m_t, m_w, m_b = 20, 173.0, 80.4, 4.7
    hard = phase_space([m_t, m_t], energy=600.0, events=size)
    velocity = torch.zeros(size, 1, 3, dtype=torch.float64)
    velocity[..., 2] = 0.8 * torch.rand(size, 1, generator=generator, dtype=torch.float64)
    hard = boost(hard, velocity=velocity)

    def decay(parent: Tensor, *masses: float) -> tuple[Tensor, Tensor]:
        return two_body_decay(parent, masses=tuple(parent.new_full((size,), m) for m in masses), generator=generator)

    particles = list(hard.unbind(1))
    for top in hard[:, 2:].unbind(1):
        w, b = decay(top, m_w, m_b)
        particles += [w, b, *decay(w, 0.0, 0.0)]
    columns = {
        "pdg_id": [GLUON, GLUON, TOP, -TOP, W, B, U, -D, -W, -B, -U, D],
        "status": [-1, -1, 2, 2, 2, 1, 1, 1, 2, 1, 1, 1],
        "mother": [-1, -1, -1, -1, 2, 2, 4, 4, 3, 3, 8, 8],
        "colour": [
            [501, 502], [503, 501], [503, 0], [0, 502],
            [0, 0], [503, 0], [504, 0], [0, 504], [0, 0], [0, 502], [0, 505], [505, 0],
        ],
    }  # fmt: skip
    values = {
        name: torch.tensor(column).expand(size, *torch.tensor(column).shape).clone() for name, column in columns.items()
    }
    values["momenta"] = torch.stack(particles, dim=1)
    values["status"][::2, 3] = 1
    for name, column in values.items():
        column[::2, 8:] = -1 if name == "mother" else 0
    weight = torch.ones(size, dtype=torch.float64)
    weight[3] = 4 / 3
    return PartonEvents(**values, weight=weight)


def write(path: Path, *blocks: PartonEvents) -> Path:
    with LheWriter(path, HEADER) as writer:
        for block in blocks:
            writer.write(block)
    return path


def assert_same(first: PartonEvents, second: PartonEvents) -> None:
    for name, values in vars(first).items():
        torch.testing.assert_close(
            vars(second)[name], values, rtol=0, atol=0, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("name", ["events.lhe", "events.lhe.gz"])
def test_what_is_written_is_read_again_to_the_last_bit(name, events, tmp_path):
    path = write(tmp_path / "new" / name, events[:7], events[7:])
    assert [file.name for file in path.parent.iterdir()] == [name]
    assert path.read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")
    assert read_lhe_header(path) == HEADER
    (read,) = read_lhe(path)
    # Weights pass through a product and a quotient: two roundings.
    torch.testing.assert_close(read.weight, events.weight, rtol=1e-15, atol=0)
    assert_same(replace(events, weight=read.weight), read)


def test_blocks_are_as_wide_as_their_longest_event(events, tmp_path):
    path = write(tmp_path / "events.lhe", events[::2], events[1::2])
    blocks = list(read_lhe(path, block=8))
    assert [block.momenta.shape[:2] for block in blocks] == [(8, 8), (8, 12), (4, 12)]
    assert_same(replace(events[1::2][-4:], weight=blocks[2].weight), blocks[2])


def test_a_file_without_events(tmp_path):
    path = write(tmp_path / "none.lhe")
    assert list(read_lhe(path)) == []
    assert read_lhe_header(path) == replace(HEADER, scale=-1.0, alpha_s=-1.0, alpha_qed=-1.0)


def test_conventions_of_the_accord(events, tmp_path):
    """The numbers of hep-ph/0109068, section 2, as another reader finds them."""
    file = pylhe.LHEFile.fromfile(write(tmp_path / "events.lhe", events), generator=False)
    info, (process,) = file.init.initInfo, file.init.procInfo
    assert (info.beamA, info.beamB, info.energyA, info.energyB) == (2212, 2212, 6500.0, 6500.0)
    assert (info.PDFgroupA, info.PDFsetA, info.weightingStrategy) == (0, 247000, -4)
    assert (process.xSection, process.error, process.unitWeight) == (64.378, 0.1 / 3, 64.378)
    event = file.events[1]
    assert (event.eventinfo.nparticles, event.eventinfo.weight, event.eventinfo.scale) == (12, 64.378, 173.2)
    assert (event.eventinfo.aqcd, event.eventinfo.aqed) == (HEADER.alpha_s, HEADER.alpha_qed)
    assert [(p.mother1, p.mother2) for p in event.particles] == [
        (0, 0), (0, 0), (1, 2), (1, 2), (3, 3), (3, 3), (5, 5), (5, 5), (4, 4), (4, 4), (9, 9), (9, 9)
    ]  # fmt: skip
    assert {(p.spin, p.lifetime) for p in event.particles} == {(9.0, 0.0)}
    massless = [p for event in file.events for p in event.particles if abs(p.id) in {U, D, GLUON}]
    assert {p.m for p in massless} == {0.0}
    expected = {TOP: 173.0, W: 80.4, B: 4.7}
    assert all(
        p.m == pytest.approx(expected[abs(p.id)], abs=1e-6)
        for event in file.events
        for p in event.particles
        if abs(p.id) in expected
    )


@pytest.mark.parametrize(
    ("name", "cross_section", "particles"), [("tt", 64.37823, 12), ("ttw", 6.2179e-3, 15)], ids=["tt", "ttw"]
)
def test_files_of_madgraph(name, cross_section, particles, samples, tmp_path):
    path = samples / f"{name}.lhe.gz"
    header = read_lhe_header(path)
    assert (header.beam_energy, header.cross_section.value, header.pdf_set) == (6500.0, cross_section, 247000)
    assert (header.scale, header.alpha_s) == (91.188, 0.13)
    events = next(read_lhe(path))
    assert events.momenta.shape == (1000, particles, 4)
    torch.testing.assert_close(events.weight, torch.ones_like(events.weight), rtol=ELEVEN_DIGITS, atol=0)
    mother = torch.where(events.mother >= 0, events.pdg_id.gather(1, events.mother.clamp(min=0)), 0)
    for child, parent in {B: TOP, -B: -TOP, U: W, -D: W, -U: -W, D: -W}.items():
        final = (events.pdg_id == child) & (events.status == 1)
        assert (mother[final] == parent).all(), child
    assert (mother[events.pdg_id.abs() == TOP] == 0).all()
    products = torch.zeros_like(events.momenta)
    index = events.mother.clamp(min=0)[..., None].expand_as(products)
    products.scatter_add_(1, index, torch.where(events.mother >= 0, 1.0, 0.0)[..., None] * events.momenta)
    resonances = events.status == 2
    torch.testing.assert_close(products[resonances], events.momenta[resonances], rtol=0, atol=1e-6)

    # Their digits do not tell a light quark's mass from 0, and yet it is written as 0.
    again = pylhe.LHEFile.fromfile(write(tmp_path / "again.lhe", events), generator=False)
    masses = {
        (abs(p.id), round(p.m, 1)) for event in again.events for p in event.particles if abs(p.id) not in {TOP, W}
    }
    assert masses <= {(B, 4.7), (U, 0.0), (D, 0.0), (GLUON, 0.0)}


@pytest.mark.parametrize(
    ("strategy", "written", "weights"),
    [
        (-4, (64.378, -64.378, 32.189), (1.0, -1.0, 0.5)),
        (4, (64.378, 64.378, 32.189), (1.0, 1.0, 0.5)),
        (1, (64.378, 64.378, 32.189), (1.0, 1.0, 0.5)),
        (3, (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
        (-3, (6.4e-3, -6.4e-3, 6.4e-3), (1.0, -1.0, 1.0)),
    ],
)
def test_weights_by_strategy(strategy, written, weights, events, tmp_path):
    some = replace(events[:3], weight=torch.tensor(written, dtype=torch.float64) / HEADER.cross_section.value)
    path = write(tmp_path / "events.lhe", some)
    path.write_text(path.read_text().replace(" 247000 -4 1", f" 247000 {strategy} 1"))
    (read,) = read_lhe(path)
    assert read.weight.tolist() == pytest.approx(weights)


def test_processes_of_a_file_add_up(events, tmp_path):
    path = write(tmp_path / "events.lhe", events)
    text = path.read_text().replace(" -4 1\n", " -4 2\n")
    path.write_text(text.replace("64.378 1\n<generator", "64.378 1\n35.622 0.2 64.378 2\n<generator"))
    cross_section = read_lhe_header(path).cross_section
    assert cross_section.value == pytest.approx(100.0)
    assert cross_section.error == pytest.approx(math.hypot(0.1 / 3, 0.2))


def test_an_interrupted_write_leaves_no_file_under_the_final_name(events, tmp_path):
    path = tmp_path / "events.lhe"
    broken = replace(events, mother=events.mother[:3])
    with pytest.raises(RuntimeError, match="size"):
        write(path, events, broken)
    assert [file.name for file in tmp_path.iterdir()] == ["events.lhe.partial"]
    with pytest.raises(DatasetError, match=r"cut short"):
        list(read_lhe(tmp_path / "events.lhe.partial"))


def test_a_missing_file(tmp_path):
    for read in (read_lhe_header, lambda path: list(read_lhe(path))):
        with pytest.raises(DatasetError, match=r"no file .*absent\.lhe"):
            read(tmp_path / "absent.lhe")


@pytest.mark.parametrize(
    "content", [b"", b"root\0\0\xf6", b"<html></html>", b"<LesHouchesEvents/>", b"\x1f\x8b not gzip"], ids=repr
)
def test_files_of_another_format(content, tmp_path):
    path = tmp_path / "other.lhe"
    path.write_bytes(content)
    for read in (read_lhe_header, lambda path: list(read_lhe(path))):
        with pytest.raises(DatasetError, match=r"its beginning cannot be read"):
            read(path)


@pytest.mark.parametrize("cut", ["</LesHouchesEvents>", "</event>", "21 -1", "0.0 9.0\n"])
def test_files_cut_short(cut, events, tmp_path):
    path = write(tmp_path / "events.lhe", events)
    text = path.read_text()
    path.write_text(text[: text.rindex(cut)])
    with pytest.raises(DatasetError, match=r"events 1 to 1000 cannot be read"):
        list(read_lhe(path))


def test_what_precedes_a_cut_is_given(events, tmp_path):
    path = write(tmp_path / "events.lhe.gz", *[events] * 50)
    path.write_bytes(path.read_bytes()[:-5000])
    blocks = read_lhe(path, block=20)
    assert len(next(blocks)) == 20
    with pytest.raises(DatasetError, match=r"events \d+1 to \d+ cannot be read .*cut short|ended before"):
        list(blocks)


def test_a_line_cut_short(events, tmp_path):
    path = write(tmp_path / "events.lhe", events)
    path.write_text(path.read_text().replace(" 0.0 9.0\n</event>", "\n</event>", 1))
    with pytest.raises(DatasetError, match=r"events 1 to 1000 cannot be read"):
        list(read_lhe(path))


@pytest.mark.parametrize(
    ("field", "where", "value", "message"),
    [
        ("momenta", (5, 6, 1), math.nan, "not finite"),
        ("momenta", (5, 2, 1), math.inf, "not finite"),
        ("weight", (5,), math.nan, "not finite"),
        ("momenta", (5, 6, 1), 1e3, "do not balance"),
        ("status", (5, 4), 3, "status other than"),
        ("status", (5, 2), -1, "two incoming ones"),
        ("status", (5, 4), 1, "earlier resonance"),
        ("mother", (5, 4), 8, "earlier resonance"),
        ("mother", (5, 4), 40, "earlier resonance"),
    ],
)
def test_damaged_events_are_named(field, where, value, message, events, tmp_path):
    values = vars(events)[field].clone()
    values[where] = value
    path = write(tmp_path / "events.lhe", replace(events, **{field: values}))
    blocks = read_lhe(path, block=4)
    assert len(next(blocks)) == 4
    with pytest.raises(DatasetError, match=rf"events\.lhe, event 6: .*{message}"):
        next(blocks)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\n8 1 64.378 ", "\n9 1 64.378 ", "event 1: other particles than its first line announces"),
        ("\n24 2 3 3 ", "\n24 2 3 4 ", "event 1: two mothers of one particle"),
    ],
)
def test_damaged_lines_are_named(old, new, message, events, tmp_path):
    path = write(tmp_path / "events.lhe", events)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DatasetError, match=message):
        list(read_lhe(path))


@pytest.mark.parametrize("beams", ["2212 -2212 6500.0 6500.0", "2212 2212 6500.0 4000.0", "11 11 6500.0 6500.0"])
def test_beams_are_two_protons_of_one_energy(beams, events, tmp_path):
    path = write(tmp_path / "events.lhe", events)
    path.write_text(path.read_text().replace("2212 2212 6500.0 6500.0", beams))
    with pytest.raises(DatasetError, match=r"expected two equal proton beams"):
        read_lhe_header(path)


@pytest.mark.parametrize("name", ["events.lhe", "events.lhe.gz"])
def test_pythia_showers_every_event_without_complaint(name, events, tmp_path, capfd):
    pythia8 = pytest.importorskip("pythia8mc")
    path = write(tmp_path / name, events)
    pythia = pythia8.Pythia("", False)
    for setting in (
        "Beams:frameType = 4", f"Beams:LHEF = {path}", "PartonLevel:all = on", "PartonLevel:MPI = off",
        "HadronLevel:all = off", "Next:numberCount = 0",
    ):  # fmt: skip
        assert pythia.readString(setting)
    assert pythia.init()
    assert all(pythia.next() for _ in range(len(events)))
    info = pythia.infoPython()
    assert info.nTried() == info.nAccepted() == len(events)
    mean = HEADER.cross_section.value * events.weight.mean().item()
    assert info.sigmaGen() == pytest.approx(mean * 1e-9, rel=1e-6)  # Pythia counts in mb
    capfd.readouterr()
    pythia.stat()
    assert "no errors or warnings to report" in capfd.readouterr().out
    assert not pythia.next()
    assert pythia.infoPython().atEndOfFile()
