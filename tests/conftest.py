"""Fixtures of the whole suite: generated samples, real files where they are at hand, phase space, other programs."""

import importlib.util
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ready
import torch
from filelock import FileLock
from torch import Tensor

from hepreco.amplitudes import StandardModel
from hepreco.events import Dataset
from hepreco.generation import Detector, Sample, write_sample
from hepreco.kinematics import boost
from hepreco.plotting.style import STYLE


@pytest.fixture(autouse=True, scope="session")
def fonts_as_outlines() -> Iterator[None]:
    """In PDF files of tests: a subset of a font takes a second to make for every figure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(STYLE, "pdf.fonttype", 3)
        yield


@pytest.fixture(scope="session")
def ready_workers() -> Iterator[None]:
    """Workers that need not import hepreco, which takes each of them seconds."""
    with ready.workers():
        yield


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fills a directory of a name, once for all processes that test in parallel."""
    parallel = "PYTEST_XDIST_WORKER" in os.environ
    parent = tmp_path_factory.getbasetemp().parent if parallel else tmp_path_factory.getbasetemp()

    def filled(name: str, fill: Callable[[Path], object]) -> Path:
        directory = parent / name
        with FileLock(directory.with_suffix(".lock")):
            if not directory.exists():
                directory.mkdir()
                fill(directory)
        return directory

    return filled


@pytest.fixture(scope="session")
def written(once: Callable[[str, Callable[[Path], object]], Path]) -> Callable[[str, Sample], Path]:
    """Writes a sample under a name, once for all processes that test in parallel."""

    def write(name: str, sample: Sample) -> Path:
        return once(name, lambda directory: write_sample(sample, directory / f"{name}.root")) / f"{name}.root"

    return write


@pytest.fixture(scope="session")
def hadronic(written: Callable[[str, Sample], Path]) -> Dataset:
    """400 all-hadronic tt̄ events with a cross-section."""
    return Dataset("ttbar", (str(written("hadronic", Sample("ttbar-hadronic", 400))),), cross_section=380.0)


@pytest.fixture(scope="session")
def multijet(written: Callable[[str, Sample], Path]) -> Dataset:
    sample = Sample("bbbar", 300, seed=2, detector=Detector(radiation=5.0))
    return Dataset("multijet", (str(written("multijet", sample)),))


@pytest.fixture(scope="session")
def lepton_jets(written: Callable[[str, Sample], Path]) -> Dataset:
    return Dataset("lepton_jets", (str(written("lepton_jets", Sample("ttbar-lepton-jets", 300, seed=3))),))


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """Folders of files that are not part of the repository: real events, and other programs' numbers.

    Where they are missing a CI run fails, unless it says by ``HEPRECO_SHARED=`` (empty) that it has none.
    """

    def folder(name: str) -> Path:
        said = os.environ.get("HEPRECO_SHARED")
        path = Path(said or Path(__file__).parents[2] / "shared") / name
        if said == "" or not path.is_dir():
            message = f"no folder {path}: set HEPRECO_SHARED"
            if os.environ.get("CI") == "true" and said != "":
                pytest.fail(message)
            pytest.skip(message)
        return path

    return folder


@pytest.fixture(scope="session")
def samples(shared: Callable[[str], Path]) -> Path:
    """Real CMS NanoAOD files."""
    return shared("samples")


@pytest.fixture(scope="session")
def phase_space() -> Callable[..., Tensor]:
    """Flat phase space (RAMBO; Kleiss, Stirling, Ellis, Comput. Phys. Commun. 40 (1986) 359), (event, leg, 4)."""

    def generate(
        final: list[float], *, energy: float, incoming: tuple[float, ...] = (0.0, 0.0), events: int = 5, seed: int = 1
    ) -> Tensor:
        beams = _beams(incoming, energy).expand(events, -1, 4)
        if len(final) == 1:
            return torch.cat((beams, beams.sum(dim=1, keepdim=True)), dim=1)
        generator = torch.Generator().manual_seed(seed)
        cos, azimuth, one, two = torch.rand(4, events, len(final), generator=generator, dtype=torch.float64)
        cos, azimuth, length = 2 * cos - 1, 2 * math.pi * azimuth, -torch.log(one * two)
        sin = torch.sqrt(1 - cos**2)
        p = length[..., None] * torch.stack(
            (torch.ones_like(cos), sin * torch.cos(azimuth), sin * torch.sin(azimuth), cos), dim=-1
        )
        total = p.sum(dim=1, keepdim=True)
        p = boost(p, velocity=-total[..., 1:] / total[..., :1])[..., 1:]
        masses = torch.tensor(final, dtype=torch.float64)
        squares = (p**2).sum(-1)
        scale = torch.full((events, 1), energy / float(length.sum(1).mean()), dtype=torch.float64)
        for _ in range(100):  # Newton: the scale at which the energies add up
            energies = torch.sqrt(scale**2 * squares + masses**2)
            excess = energies.sum(1, keepdim=True) - energy
            scale = scale - excess / (scale * squares / energies).sum(1, keepdim=True)
        energies = torch.sqrt(scale**2 * squares + masses**2)
        final_momenta = torch.cat((energies[..., None], scale[..., None] * p), dim=-1)
        return torch.cat((beams, final_momenta), dim=1)

    return generate


def _beams(masses: tuple[float, ...], energy: float) -> Tensor:
    if len(masses) == 1:
        return torch.tensor([[energy, 0.0, 0.0, 0.0]], dtype=torch.float64)
    one, two = masses
    p = math.sqrt((energy**2 - (one + two) ** 2) * (energy**2 - (one - two) ** 2)) / (2 * energy)
    return torch.tensor([[math.hypot(p, one), 0, 0, p], [math.hypot(p, two), 0, 0, -p]], dtype=torch.float64)


@pytest.fixture(scope="session")
def on_shell(phase_space: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Phase space for a matrix element, with the masses of its legs."""

    def generate(me, *, energy: float, events: int = 5, seed: int = 1) -> Tensor:
        incoming, final = (
            [float(getattr(me.model, particle.mass)) if particle.mass else 0.0 for particle in particles]
            for particles in (me.process.incoming, me.process.final)
        )
        return phase_space(final, energy=energy, incoming=tuple(incoming), events=events, seed=seed)

    return generate


@pytest.fixture(scope="session")
def ufoamp() -> Callable[..., Tensor]:
    """Evaluates a process with ufoamp, where that is installed, at the parameters of the default model."""
    from ufoamp.analysis import MatrixElement as Theirs  # noqa: PLC0415
    from ufoamp.ufo_model import load  # noqa: PLC0415

    ufo = load(importlib.util.find_spec("ufo_sm").submodule_search_locations[0])
    model = StandardModel()
    ours = {
        "aEWM1": "alpha_inverse", "Gf": "fermi_constant", "aS": "alpha_s", "MZ": "m_z", "MH": "m_h", "MT": "m_t",
        "MB": "m_b", "MTA": "m_tau", "ymt": "m_t", "ymb": "m_b", "ymtau": "m_tau",
        "WZ": "width_z", "WW": "width_w", "WT": "width_t", "WH": "width_h",
    }  # fmt: skip
    external = [parameter.name for parameter in ufo.parameters if parameter.nature == "external"]
    # What we do not have vanishes: masses of light fermions, mixing of generations.
    values = {name: getattr(model, ours[name]) if name in ours else 0.0 for name in external}

    def evaluate(process, orders, momenta):
        words = " ".join(word for word in process.split() if "=" not in word)
        me = Theirs(ufo, words, couplings=values, restrict=None, gauge="unitary", scheme="fixed_width")
        if orders is not None:
            me.set_amp_orders({name: (power, power) for name, power in zip(("QCD", "QED"), orders, strict=True)})
        # No factor for identical final particles there.
        identical = math.prod(map(math.factorial, Counter(words.split(">")[1].split()).values()))
        return torch.from_numpy(me.m2_events(momenta.numpy(), prune=False)) / identical

    return evaluate
