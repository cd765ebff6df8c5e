"""Writes events as NanoAOD or as Les Houches event files."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import uproot

from hepreco.detector import Detector
from hepreco.errors import OutputError
from hepreco.formats.lhe import LheHeader, LheWriter, read_lhe, read_lhe_header
from hepreco.formats.records import DetectorEvents, PartonEvents
from hepreco.generation.detector.parametrised import measure, radiate, to_objects
from hepreco.generation.detector.shower import shower
from hepreco.generation.samples.nanoaod import branches
from hepreco.generation.samples.production import Production, produce
from hepreco.generation.samples.sample import Sample

#: Events are measured and written in blocks of this size.
_BLOCK: Final = 10_000

#: The hard process before and after the recoil against radiation, and the objects of a perfect detector.
_Block = tuple[PartonEvents, PartonEvents, DetectorEvents]


def write_sample(
    sample: Sample,
    path: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Production:
    """Make a sample and write it, as NanoAOD (``.root``) or as a Les Houches event file (``.lhe``, ``.lhe.gz``).

    Until the file is complete, finished events are kept in a directory beside it, whose name ends in ``.parts``. A
    repeated call continues an interrupted one from there. The file gets its name when it is complete.

    Parameters
    ----------
    workers
        Number of processes; the events do not depend on it.
    overwrite
        Whether to replace an existing file, and unfinished events of another sample beside it.
    progress
        Called with the number of new events.

    Raises
    ------
    OutputError
        The file exists, its name has another ending, or it cannot be written.
    ConfigError
        The cross-section is zero.
    """
    write = _writer_for(path)
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists", "choose another name, or ask to overwrite it")
    directory = path.with_name(path.name + ".parts")
    production = produce(sample, directory, workers=workers, overwrite=overwrite, progress=progress)
    with _writing(path):
        write(production, sample, path)
    production.discard()
    return production


def import_lhe(
    source: Path,
    path: Path,
    *,
    detector: Detector,
    seed: int = 1,
    parton_shower: bool = False,
    overwrite: bool = False,
) -> int:
    """Convert a Les Houches event file of any program to NanoAOD; return the number of events.

    Parameters
    ----------
    parton_shower
        Whether jets come from :func:`~hepreco.generation.detector.shower.shower`; otherwise there is one jet for every
        parton, and for every parton of initial-state radiation.

    Raises
    ------
    ConfigError
        A parton shower is requested, but Pythia or FastJet is not installed.
    DatasetError
        The input is damaged; no output is left.
    OutputError
        As for :func:`write_sample`.
    """
    if path.suffix != ".root":
        raise OutputError(f"cannot write events to {path.name}", "give a name that ends in .root")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists", "choose another name, or ask to overwrite it")
    header = read_lhe_header(source)
    provenance = {
        "source": source.name,
        "process": header.process,
        "seed": seed,
        "parton_shower": parton_shower,
        "detector": asdict(detector),
    }
    cross_section = {"cross_section": header.cross_section.value, "cross_section_error": header.cross_section.error}
    simulated = _showered(source, detector, seed) if parton_shower else _parametrised(read_lhe(source), detector, seed)
    with _writing(path):
        return _write_nanoaod(simulated, path, detector=detector, seed=seed, provenance=provenance | cross_section)


def is_written(sample: Sample, path: Path) -> bool:
    """Whether a NanoAOD file holds exactly this sample."""
    if not path.exists():
        return False
    with uproot.open(path) as file:
        return bool(json.loads(str(file["hepreco"])).get("digest") == sample.digest) if "hepreco" in file else False


def _writer_for(path: Path) -> Callable[[Production, Sample, Path], None]:
    if path.suffix == ".root":
        return _write_root
    if path.name.endswith((".lhe", ".lhe.gz")):
        return _write_lhe
    raise OutputError(f"cannot write events to {path.name}", "give a name that ends in .root, .lhe or .lhe.gz")


def _write_root(production: Production, sample: Sample, path: Path) -> None:
    provenance = {
        **asdict(sample),
        "digest": sample.digest,
        "title": sample.preset.title,
        "cross_section": production.cross_section.value,
        "cross_section_error": production.cross_section.error,
        "efficiency": production.efficiency,
        "overweight": production.overweight,
    }
    blocks = _parametrised(production.blocks(_BLOCK), sample.detector, sample.seed)
    _write_nanoaod(blocks, path, detector=sample.detector, seed=sample.seed, provenance=provenance)


def _write_lhe(production: Production, sample: Sample, path: Path) -> None:
    header = LheHeader(
        beam_energy=sample.energy / 2,
        cross_section=production.cross_section,
        scale=float(sample.model.m_z),
        alpha_s=float(sample.model.alpha_s),
        alpha_qed=1 / float(sample.model.alpha_inverse),
        process=f"{sample.process}: {', '.join(sample.preset.processes)} (seed {sample.seed})",
    )
    with LheWriter(path, header) as writer:
        for events in production.blocks(_BLOCK):
            writer.write(events)


def _parametrised(blocks: Iterable[PartonEvents], detector: Detector, seed: int) -> Iterator[_Block]:
    first = 0
    for events in blocks:
        recoiled, radiation = radiate(events, detector, seed=seed, first=first)
        yield events, recoiled, to_objects(recoiled, radiation, radius=detector.jet_radius)
        first += len(events)


def _showered(source: Path, detector: Detector, seed: int) -> Iterator[_Block]:
    """Showered events; jets are found down to half of ``jet_pt_min``, since smearing can raise their pt."""
    for events, objects in shower(source, seed=seed, radius=detector.jet_radius, pt_min=detector.jet_pt_min / 2):
        yield events, events, objects


def _write_nanoaod(
    blocks: Iterable[_Block], path: Path, *, detector: Detector, seed: int, provenance: Mapping[str, Any]
) -> int:
    """Measure events and write them; return their number."""
    partial = path.with_name(path.name + ".partial")
    first, weights = 0, 0.0
    with uproot.recreate(partial) as file:
        tree = None
        for events, recoiled, objects in blocks:
            measured = measure(objects, detector, seed=seed, first=first)
            columns = branches(events, recoiled, objects, measured, first=first)
            if tree is None:
                types = {name: values.type.content for name, values in columns.items()}
                tree = file.mktree("Events", types, title="Events")
            tree.extend(columns)
            first, weights = first + len(events), weights + float(events.weight.sum())
        file["Runs"] = {
            "run": np.ones(1, dtype=np.uint32),
            "genEventCount": np.array([first], dtype=np.int64),
            "genEventSumw": np.array([weights]),
        }
        file["hepreco"] = json.dumps({**provenance, "version": version("hepreco")}, default=float)
    partial.replace(path)
    return first


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}",
            "make room or choose another output, and repeat the command",
        ) from None
