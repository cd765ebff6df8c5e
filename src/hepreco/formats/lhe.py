"""Les Houches event files (hep-ph/0109068, hep-ph/0609017), written and read in blocks of events."""

import gzip
import math
import warnings
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count, islice
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import TextIO, cast, final
from xml.etree import ElementTree

import numpy as np
import pylhe
import torch
from torch import Tensor

from hepreco.errors import DatasetError
from hepreco.formats.records import CrossSection, PartonEvents

_PROTON = 2212
_UNKNOWN = -1.0  # value of an unknown scale or coupling in the accord
_MEAN_IS_CROSS_SECTION, _WEIGHTS_ARE_SIGNS = 4, 3  # strategies, |IDWTUP|
_UNKNOWN_SPIN = 9.0
_RESONANCE, _INCOMING, _FINAL = 2, -1, 1

# Python's float formatting: the fewest digits that reproduce the float64.
_FORMAT = pylhe.LHEXMLFormat(
    weights=pylhe.LHEWeightFormat.NONE,
    eventinfo="{nparticles} {pid} {weight} {scale} {aqed} {aqcd}",
    particle="{id} {status} {mother1} {mother2} {color1} {color2} {px} {py} {pz} {e} {m} {lifetime} {spin}",
    initinfo="{beamA} {beamB} {energyA} {energyB} {PDFgroupA} {PDFgroupB} {PDFsetA} {PDFsetB} "
    "{weightingStrategy} {numProcesses}",
    procinfo="{xSection} {error} {unitWeight} {procId}",
)
_FIELDS = attrgetter("e", "px", "py", "pz", "id", "status", "mother1", "mother2", "color1", "color2")


@dataclass(frozen=True)
class LheHeader:
    """The properties that all events of a file share.

    Parameters
    ----------
    beam_energy
        Energy of each of the two protons, in GeV.
    cross_section
        Cross-section of the process, in pb.
    scale
        Factorisation and renormalisation scale in GeV; −1 if unknown. When a file is read, that of its first event.
    alpha_s, alpha_qed
        The couplings at this scale; −1 if unknown.
    process
        Description of the process, such as ``"p p > t t~"``.
    pdf_set
        Number of the parton densities in LHAPDF; 0 for others.
    """

    beam_energy: float
    cross_section: CrossSection
    scale: float
    alpha_s: float
    alpha_qed: float
    process: str
    pdf_set: int = 0


@final
class LheWriter:
    """Writes blocks of events to a Les Houches event file: ``with LheWriter(path, header) as writer``, then ``write``.

    The file has the suffix ``.partial`` until the ``with`` block ends without an error, so that a file without this
    suffix is complete. It is gzipped if its name ends in ``.gz``.

    Momenta are written with all digits of float64, spins as unknown. Masses are √max(E² − p², 0), and exactly 0 if they
    are smaller than 10⁻⁴ GeV or 2·10⁻⁵ E: such masses cannot be distinguished from 0 in momenta with eleven digits, as
    other programs write them. The strategy IDWTUP is −4: XWGTUP is the weight of the event times the cross-section in
    pb, and its mean is the cross-section.
    """

    def __init__(self, path: Path, header: LheHeader) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._header = header
        self._stream: TextIO

    def __enter__(self) -> "LheWriter":
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.suffix == ".gz":  # random digits hardly compress: level 3 is as small as 9, and faster
            self._stream = gzip.open(self._partial, "wt", compresslevel=3, encoding="utf-8")
        else:
            self._stream = self._partial.open("w", encoding="utf-8")
        opening, self._closing, _ = _frame(self._header).tolhe(_FORMAT).partition("</LesHouchesEvents>")
        self._stream.write(opening)
        return self

    def write(self, events: PartonEvents) -> None:
        """Append events."""
        for event in _to_pylhe(events, self._header):
            self._stream.write(event.tolhe(_FORMAT) + "\n")

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        with self._stream:
            if kind is None:
                self._stream.write(self._closing + "\n")
        if kind is None:
            self._partial.replace(self._path)


def read_lhe_header(path: Path) -> LheHeader:
    """Read the properties that all events of a Les Houches event file share.

    Raises
    ------
    DatasetError
        The file does not exist, is not a Les Houches event file, or its beams are not two protons of equal energy.
    """
    with _open(path) as file, _reading(path, "its first event"):
        event = next(iter(file.events), None)
    info = file.init.initInfo
    beams = {(info.beamA, info.energyA, info.PDFsetA), (info.beamB, info.energyB, info.PDFsetB)}
    if len(beams) > 1 or info.beamA != _PROTON:
        raise DatasetError(
            f"the beams of {path} are (particle, energy, PDF set) = {sorted(beams)}, expected two equal proton beams",
            "choose a file of proton-proton collisions",
        )
    elements = file.header.extra_elements if file.header else []
    return LheHeader(
        beam_energy=info.energyA,
        cross_section=_cross_section(file),
        scale=event.eventinfo.scale if event else _UNKNOWN,
        alpha_s=event.eventinfo.aqcd if event else _UNKNOWN,
        alpha_qed=event.eventinfo.aqed if event else _UNKNOWN,
        process=next((element.text or "" for element in elements if element.tag == "process"), ""),
        pdf_set=info.PDFsetA,
    )


def read_lhe(path: Path, *, block: int = 1000) -> Iterator[PartonEvents]:
    """Read a Les Houches event file, gzipped or not, in blocks of at most ``block`` events.

    Weights are near 1. For |IDWTUP| of 1, 2 or 4 they are XWGTUP divided by the file's cross-section (for ±4 the mean
    of XWGTUP is the cross-section). For |IDWTUP| = 3 the accord defines weights of ±1; only the sign of XWGTUP is used,
    since some programs write ±1 and others the cross-section divided by the number of events.

    Raises
    ------
    DatasetError
        The file does not exist, is not a Les Houches event file, ends too early, or has a damaged event: momenta or
        weights that are not finite, four-momentum not conserved within 10⁻⁴ of the energy, or a history that
        :class:`~hepreco.formats.records.PartonEvents` cannot hold. Earlier blocks have been returned before.
    """
    with _open(path) as file:
        for first in count(1, block):
            with _reading(path, f"its events {first} to {first + block - 1}"):
                chunk = list(islice(file.events, block))
            if not chunk:
                return
            yield _from_pylhe(chunk, file, f"{path}, event", first)


def _frame(header: LheHeader) -> pylhe.LHEFile:
    """A file without events."""
    process = ElementTree.Element("process")
    process.text = header.process
    cross_section = header.cross_section
    return pylhe.LHEFile(
        header=pylhe.LHEHeader(initrwgt=pylhe.LHEInitRWGT(), extra_elements=[process]),
        init=pylhe.LHEInit(
            initInfo=pylhe.LHEInitInfo(
                beamA=_PROTON,
                beamB=_PROTON,
                energyA=header.beam_energy,
                energyB=header.beam_energy,
                PDFgroupA=0,  # PDFLIB is obsolete: its groups are 0, and the sets are those of LHAPDF
                PDFgroupB=0,
                PDFsetA=header.pdf_set,
                PDFsetB=header.pdf_set,
                weightingStrategy=-_MEAN_IS_CROSS_SECTION,
                numProcesses=1,
            ),
            procInfo=[pylhe.LHEProcInfo(cross_section.value, cross_section.error, cross_section.value, procId=1)],
            generators=[pylhe.LHEGenerator("hepreco", version("hepreco"), "")],
        ),
    )


def _to_pylhe(events: PartonEvents, header: LheHeader) -> Iterator[pylhe.LHEEvent]:
    energy, px, py, pz = events.momenta.unbind(-1)
    mass = (energy**2 - px**2 - py**2 - pz**2).clamp(min=0).sqrt()
    mass = torch.where(mass < (2e-5 * energy).clamp(min=1e-4), 0.0, mass)
    # Particles are counted from 1; those not from a resonance have both incoming partons as mothers, 1 and 2.
    mothers = [
        torch.where(events.status == _INCOMING, 0, torch.where(events.mother < 0, parton, events.mother + 1))
        for parton in (1, 2)
    ]
    lifetime, spin = torch.zeros_like(mass), torch.full_like(mass, _UNKNOWN_SPIN)
    particle = (events.pdg_id, events.status, *mothers, *events.colour.unbind(-1))
    columns = (*particle, px, py, pz, energy, mass, lifetime, spin)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for weight, event in zip((events.weight * header.cross_section.value).tolist(), rows, strict=True):
        particles = [
            pylhe.LHEParticle(*values)
            for values in zip(*event, strict=True)
            if values[1] != 0  # status of padding
        ]
        yield pylhe.LHEEvent(
            eventinfo=pylhe.LHEEventInfo(
                nparticles=len(particles),
                pid=1,
                weight=weight,
                scale=header.scale,
                aqed=header.alpha_qed,
                aqcd=header.alpha_s,
            ),
            particles=particles,
        )


@contextmanager
def _open(path: Path) -> Iterator[pylhe.LHEFile]:
    with _reading(path, "its beginning"):
        file = pylhe.LHEFile.fromfile(path, with_attributes=False)
    # Closing the generator closes the file, which otherwise stays open until garbage collection.
    with closing(cast("Generator[pylhe.LHEEvent]", file.events)):
        yield file


@contextmanager
def _reading(path: Path, part: str) -> Iterator[None]:
    """Turn exceptions about missing or damaged files into errors with a remedy."""
    try:
        with warnings.catch_warnings():
            # If the XML ends too early or is malformed, pylhe only warns, as if the events ended there.
            warnings.filterwarnings("error", message="Parse Error", category=RuntimeWarning)
            yield
    except FileNotFoundError:
        raise DatasetError(f"no file {path}", "check the name; an incomplete file ends in .partial") from None
    except (OSError, EOFError, ValueError, LookupError, AttributeError, RuntimeWarning, zlib.error) as error:
        raise DatasetError(
            f"{path} is not a complete Les Houches event file: {part} cannot be read ({error})",
            "copy or generate it again: it is cut short, damaged, or of another format",
        ) from error


def _cross_section(file: pylhe.LHEFile) -> CrossSection:
    processes = file.init.procInfo
    return CrossSection(
        sum(process.xSection for process in processes), math.hypot(*(process.error for process in processes))
    )


def _from_pylhe(chunk: list[pylhe.LHEEvent], file: pylhe.LHEFile, name: str, first: int) -> PartonEvents:
    announced = torch.tensor([event.eventinfo.nparticles for event in chunk])
    sizes = torch.tensor([len(event.particles) for event in chunk])
    _reject(name, first, {"other particles than its first line announces": (announced != sizes) | (sizes == 0)})
    rows = torch.from_numpy(np.array([_FIELDS(particle) for event in chunk for particle in event.particles], float))
    present = torch.arange(int(sizes.max())) < sizes[:, None]
    table = rows.new_zeros(*present.shape, rows.shape[1])
    table[present] = rows
    mother, second = (table[..., 6:8].long() - 1).unbind(-1)
    events = PartonEvents(
        momenta=table[..., :4],
        pdg_id=table[..., 4].long(),
        status=table[..., 5].long(),
        mother=torch.where(_at(table[..., 5], mother) == _INCOMING, -1, mother),
        colour=table[..., 8:].long(),
        weight=_weights(chunk, file),
    )
    one_mother = (events.mother < 0) | (second == mother) | (second < 0)
    _reject(name, first, _damages(events) | {"two mothers of one particle": ~one_mother.all(1)})
    return events


def _at(values: Tensor, index: Tensor) -> Tensor:
    """The values of the particles at these positions; 0 for positions without a particle."""
    named = (index >= 0) & (index < values.shape[1])
    return torch.where(named, values.gather(1, torch.where(named, index, 0)), 0)


def _weights(chunk: list[pylhe.LHEEvent], file: pylhe.LHEFile) -> Tensor:
    weights = torch.tensor([event.eventinfo.weight for event in chunk], dtype=torch.float64)
    if abs(file.init.initInfo.weightingStrategy) == _WEIGHTS_ARE_SIGNS:
        return weights.sign()
    return weights / _cross_section(file).value


def _damages(events: PartonEvents) -> dict[str, Tensor]:
    """Possible defects, and a mask of the events that have each."""
    momenta, status, mother = events.momenta, events.status, events.mother
    position = torch.arange(status.shape[1])
    incoming = status == _INCOMING
    direction = torch.where(incoming, -1.0, torch.where(status == _FINAL, 1.0, 0.0))
    missing = (direction[..., None] * momenta).sum(1).abs().amax(1)
    known = incoming | (status == _RESONANCE) | (status == _FINAL) | (status == 0)
    from_resonance = (_at(status, mother) == _RESONANCE) & (mother < position)
    return {
        "momenta or weights (XWGTUP over cross-section) that are not finite": ~(
            momenta.isfinite().all((1, 2)) & events.weight.isfinite()
        ),
        "a status other than −1 (incoming), 2 (resonance) and 1 (final)": ~known.all(1),
        "other particles than two incoming ones at its beginning": (incoming != (position < 2)).any(1),
        "a mother that is neither incoming nor an earlier resonance": ~((mother < 0) | from_resonance).all(1),
        "momenta that do not balance": missing > 1e-4 * (incoming * momenta[..., 0]).sum(1),
    }


def _reject(name: str, first: int, damages: dict[str, Tensor]) -> None:
    for damage, where in damages.items():
        if where.any():
            raise DatasetError(
                f"{name} {first + int(where.nonzero()[0])}: {damage}",
                "correct the program that wrote the file, and generate it again",
            )
