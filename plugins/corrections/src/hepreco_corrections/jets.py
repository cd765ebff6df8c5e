"""Energies of jets: levels of correction, sources of uncertainty, resolution, and the missing momentum with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

import awkward as ak
import numpy as np
from coffea.jetmet_tools import (
    CorrectionLibJEC,
    CorrectionLibJECStack,
    CorrectionLibJER,
    CorrectionLibJERSF,
    CorrectionLibJUNC,
)
from numpy.typing import NDArray

from hepreco.errors import ConfigError
from hepreco.plugin import CorrectionInput, ObjectCorrection
from hepreco.plugin.corrections import CENTRAL
from hepreco_corrections.columns import flat
from hepreco_corrections.examples import EXAMPLE
from hepreco_corrections.files import ByPeriod, NamedCorrection, all_of, find, of_period
from hepreco_corrections.missing_momentum import JET_COLUMNS, SOFT_COLUMNS, SOFT_JETS, of_type_1, recoiled
from hepreco_corrections.smearing import matched_pt, normal_of_objects, smeared

_RESOLUTION: Final = "resolution"
#: Columns of jets under the names of inputs; the others are given apart.
_OF_JETS: Final = {"JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetPhi": "phi", "JetA": "area"}
#: A jet and a generated one match up to half of the radius.
_RADII: Final = {"AK4": 0.4, "AK8": 0.8}


@final
@dataclass(frozen=True)
class JetEnergy(ObjectCorrection):
    """Jet energy corrections, their uncertainties, and smearing to the resolution of data, from correctionlib.

    The corrections replace those of NanoAOD. Sources of uncertainty and smearing follow them, as in coffea's
    ``CorrectedJetsFactory``; but random numbers derive from the event and the place of the jet in it, so that they do
    not depend on chunks. The missing momentum takes up what the jets have gained.

    Parameters
    ----------
    file
        A JSON file of correctionlib, packed or not; or a table of them by data-taking period.
    tag
        What the names of the corrections begin with, such as ``Summer22_22Sep2023_V2_MC``; or a table by period.
    level
        The correction; empty to keep the pt of the files.
    sources
        Sources of uncertainty, each a pair of variations.
    resolution
        What the names of resolution and scale factor begin with, such as ``Summer22_22Sep2023_JRV1_MC``; empty for no
        smearing, as for data.
    algorithm
        What all names end with.
    jets, generated
        The collections of jets and of generated jets; the latter empty to smear without partners.
    density
        The density of pile-up, where a correction asks for it.
    missing_momentum
        What the changes of jets are carried to; empty for none.
    type_1
        Whether the missing momentum is computed anew, from that before any correction and all jets above 15 GeV, those
        of ``CorrT1METJet`` among them (NanoAOD from version 13 on).

    Example
    -------
    >>> JetEnergy("jec.json", "V1_MC", level="", sources=("Total",)).variations
    ('Total_up', 'Total_down')
    """

    file: ByPeriod
    tag: ByPeriod
    level: str = "L1L2L3Res"
    sources: tuple[str, ...] = ()
    resolution: ByPeriod = ""
    algorithm: str = "AK4PFPuppi"
    jets: str = "Jet"
    generated: str = "GenJet"
    density: str = "Rho.fixedGridRhoFastjetAll"
    missing_momentum: str = "PuppiMET"
    type_1: bool = False

    def __post_init__(self) -> None:
        if self.type_1 and not (self.level and self.missing_momentum):
            raise ConfigError(
                "jet-energy: type_1 without a level of correction, or a missing momentum", "give both, or leave it out"
            )
        if _RESOLUTION in self.sources:
            raise ConfigError(f"jet-energy: no source can be called {_RESOLUTION!r}", "give 'resolution' its tag")

    @property
    def reads(self) -> tuple[str, ...]:
        """What the corrections of the files ask for, of all periods, and what is changed."""
        wanted = {name for period in self._periods for part in self._named(period).values() for name in part.signature}
        mine = ["pt", "mass", *(["rawFactor"] if self.level else []), *(["phi"] if self.missing_momentum else [])]
        mine += [column for name, column in _OF_JETS.items() if name in wanted]
        if self.resolution:
            mine += ["eta", *(["phi", _index(self.generated)] if self.generated else [])]
        mine += JET_COLUMNS if self.type_1 else ()
        paths = [f"{self.jets}.{column}" for column in mine]
        paths += [self.density] if "Rho" in wanted else []
        paths += [f"{self.generated}.{name}" for name in ("pt", "eta", "phi") if self.resolution and self.generated]
        paths += [f"{SOFT_JETS}.{name}" for name in SOFT_COLUMNS if self.type_1]
        for name in (self.missing_momentum, f"Raw{self.missing_momentum}" if self.type_1 else ""):
            paths += [f"{name}.pt", f"{name}.phi"] if name else []
        return tuple(dict.fromkeys(paths))

    @property
    def changes(self) -> tuple[str, ...]:
        """Pt and mass of jets, and the missing momentum."""
        missing = (f"{self.missing_momentum}.pt", f"{self.missing_momentum}.phi") if self.missing_momentum else ()
        return (f"{self.jets}.pt", f"{self.jets}.mass", *missing)

    @property
    def variations(self) -> tuple[str, ...]:
        """A pair for each source, and ``resolution_up`` and ``resolution_down`` where jets are smeared."""
        varied = (*self.sources, *((_RESOLUTION,) if self.resolution else ()))
        return tuple(f"{name}_{direction}" for name in varied for direction in ("up", "down"))

    @property
    def files(self) -> tuple[str, ...]:
        """Of all periods."""
        return all_of(self.file)

    @classmethod
    def examples(cls) -> tuple["JetEnergy", ...]:
        """Of simulation, of data, of what NanoAOD holds, and of type I."""
        return (
            cls(EXAMPLE, "Example_MC", sources=("Total", "Flavour"), resolution="Example_JR_MC"),
            cls(EXAMPLE, "Example_DATA"),
            cls(EXAMPLE, "Example_MC", level="", sources=("Total",), resolution="Example_JR_MC", missing_momentum=""),
            cls(EXAMPLE, "Example_MC", sources=("Total",), resolution="Example_JR_MC", type_1=True),
        )

    def setup(self) -> None:
        """Read the files, and find the corrections."""
        for period in self._periods:
            self._named(period)
            if self.type_1:
                self._first_level(period)

    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
        """Pt and mass of all jets, and the missing momentum, in the types in which they are read."""
        source, _, direction = variation.rpartition("_")
        stack = self._stack(events.period, tuple(each for each in self.sources if each == source))
        inputs, counts = self._inputs(events)
        before = inputs["JetPt"]
        factor = self._levels(stack, inputs)
        inputs |= {"JetPt": before * factor, "JetMass": inputs["JetMass"] * factor}
        scale = self._smearing(stack, inputs, events, counts, direction if source == _RESOLUTION else CENTRAL)
        scale = scale * _uncertainty(stack, {**inputs, "JetPt": scale * inputs["JetPt"]}, direction)
        pt, mass = (ak.unflatten(scale * inputs[name], counts) for name in ("JetPt", "JetMass"))
        found = {f"{self.jets}.pt": pt, f"{self.jets}.mass": mass}
        if self.missing_momentum:
            if self.type_1:
                jets = {name: ak.unflatten(value, counts) for name, value in {**inputs, "scale": scale}.items()}
                missing = self._type_1(stack, events, jets, direction)
            else:
                missing = self._recoiled(events, pt)
            found |= {f"{self.missing_momentum}.{name}": value for name, value in missing.items()}
        return {path: _like(events[path], found[path]) for path in self.changes}

    def _inputs(self, events: CorrectionInput) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
        """All columns of jets under the names of inputs, flat, and how many jets each event has."""
        reads = set(self.reads)
        columns = {name: f"{self.jets}.{column}" for name, column in _OF_JETS.items()}
        columns |= {"Rho": self.density, "rawFactor": f"{self.jets}.rawFactor"}
        found = flat(events, {name: path for name, path in columns.items() if path in reads})
        counts = np.asarray(found.counts)
        values = dict(found.values)
        for name in ("JetPt", "JetMass"):
            values[name] = values[name].astype(np.float64)
        return {**values, "run": np.repeat(events.event_id[:, 0], counts)}, counts

    def _levels(self, stack: CorrectionLibJECStack, inputs: dict[str, NDArray[Any]]) -> Any:
        """Energies after the corrections over those of NanoAOD; ``inputs`` gets the raw pt."""
        if stack.jec is None:
            return 1.0
        raw = 1 - inputs["rawFactor"].astype(np.float64)
        inputs["ptRaw"] = raw * inputs["JetPt"]
        given = {**inputs, "JetPt": inputs["ptRaw"], "JetMass": raw * inputs["JetMass"]}
        return raw * stack.jec.getCorrection(**{name: given[name] for name in stack.jec.signature})

    def _smearing(
        self,
        stack: CorrectionLibJECStack,
        inputs: Mapping[str, NDArray[Any]],
        events: CorrectionInput,
        counts: NDArray[np.int64],
        direction: str,
    ) -> NDArray[np.float64]:
        """By how much the resolution of data changes the corrected energies."""
        if stack.jer is None:
            return np.ones(len(inputs["JetPt"]))
        return smeared(
            inputs["JetPt"],
            generated_pt=self._partners(events) if self.generated else 0.0 * inputs["JetPt"],
            eta=inputs["JetEta"],
            resolution=stack.jer.getResolution(**_given(stack.jer, inputs)),
            scale_factors=ak.to_numpy(stack.jersf.getScaleFactor(**_given(stack.jersf, inputs))),
            normal=normal_of_objects(events.event_id, counts),
            direction=direction,
        )

    def _partners(self, events: CorrectionInput) -> NDArray[np.float64]:
        return matched_pt(
            events[f"{self.jets}.{_index(self.generated)}"],
            generated={name: events[f"{self.generated}.{name}"] for name in ("pt", "eta", "phi")},
            eta=events[f"{self.jets}.eta"],
            phi=events[f"{self.jets}.phi"],
            distance=_RADII.get(self.algorithm[:3], 0.4) / 2,
        )

    def _recoiled(self, events: CorrectionInput, pt: ak.Array) -> dict[str, ak.Array]:
        missing = {name: events[f"{self.missing_momentum}.{name}"] for name in ("pt", "phi")}
        before, phi = events[f"{self.jets}.pt"], events[f"{self.jets}.phi"]
        return recoiled(missing, pt=pt, pt_before=before, phi=phi)

    def _type_1(
        self, stack: CorrectionLibJECStack, events: CorrectionInput, jets: dict[str, ak.Array], direction: str
    ) -> dict[str, ak.Array]:
        soft = {name: events[f"{SOFT_JETS}.{name}"] for name in SOFT_COLUMNS}
        per_event = {"run": ak.Array(events.event_id[:, 0])}
        per_event |= {"Rho": events[self.density]} if "Rho" in jets else {}
        soft |= {name: ak.broadcast_arrays(value, soft["rawPt"])[0] for name, value in per_event.items()}
        return of_type_1(
            {name: events[f"Raw{self.missing_momentum}.{name}"] for name in ("pt", "phi")},
            jets=jets | {name: events[f"{self.jets}.{name}"] for name in JET_COLUMNS},
            soft=soft | {"scale": _soft_scale(stack, soft, direction)},
            first_level=CorrectionLibJEC(self._first_level(events.period)),
            all_levels=stack.jec,
        )

    @property
    def _periods(self) -> tuple[str, ...]:
        tables = [each for each in (self.file, self.tag, self.resolution) if not isinstance(each, str)]
        return tuple(dict.fromkeys(period for table in tables for period in table)) or ("",)

    def _named(self, period: str) -> dict[str, NamedCorrection]:
        """All corrections of a period, by what they are to coffea, or by their source."""
        path, tag, resolution = (of_period(each, period) for each in (self.file, self.tag, self.resolution))
        names = {"jec": f"{tag}_{self.level}_{self.algorithm}"} if self.level else {}
        names |= {source: f"{tag}_{source}_{self.algorithm}" for source in self.sources}
        if resolution:
            names |= {
                "jer": f"{resolution}_PtResolution_{self.algorithm}",
                "jersf": f"{resolution}_ScaleFactor_{self.algorithm}",
            }
        return {part: find(path, name) for part, name in names.items()}

    def _first_level(self, period: str) -> NamedCorrection:
        tag = of_period(self.tag, period)
        return find(of_period(self.file, period), f"{tag}_L1FastJet_{self.algorithm}")

    def _stack(self, period: str, sources: tuple[str, ...]) -> CorrectionLibJECStack:
        """The adapters of coffea for a period, with some of the sources."""
        named = self._named(period)
        smearing = {}
        if "jer" in named:
            smearing = {"jer": CorrectionLibJER(named["jer"]), "jersf": CorrectionLibJERSF(named["jersf"])}
        return CorrectionLibJECStack(
            jec=CorrectionLibJEC(named["jec"]) if "jec" in named else None,
            junc=CorrectionLibJUNC([(source, named[source]) for source in sources]) if sources else None,
            **smearing,
        )


def _index(generated: str) -> str:
    """The column of jets that points to generated ones: ``genJetIdx`` for ``GenJet``."""
    return f"{generated[:1].lower()}{generated[1:]}Idx"


def _given(part: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs that an adapter asks for."""
    return {name: inputs[name] for name in part.signature}


def _uncertainty(stack: CorrectionLibJECStack, inputs: Mapping[str, NDArray[Any]], direction: str) -> Any:
    """The factor of the one source of uncertainty of the stack; 1 where there is none."""
    if stack.junc is None:
        return 1.0
    ((_, factors),) = stack.junc.getUncertainty(**_given(stack.junc, inputs))
    return ak.to_numpy(factors)[:, ("up", "down").index(direction)]


def _soft_scale(stack: CorrectionLibJECStack, soft: Mapping[str, ak.Array], direction: str) -> ak.Array:
    """The same factor for the jets of :data:`SOFT_JETS`, at their corrected pt."""
    names = {"rawPt": "JetPt", "eta": "JetEta", "phi": "JetPhi", "area": "JetA"}
    inputs = {names.get(name, name): ak.to_numpy(ak.flatten(value, axis=1)) for name, value in soft.items()}
    inputs["JetPt"] = inputs["JetPt"] * stack.jec.getCorrection(**_given(stack.jec, inputs))
    factors = np.broadcast_to(_uncertainty(stack, inputs, direction), inputs["JetPt"].shape)
    return ak.unflatten(factors, ak.num(soft["rawPt"], axis=1))


def _like(before: ak.Array, after: ak.Array) -> ak.Array:
    """The new values in the number type of the old ones."""
    return ak.values_astype(after, np.asarray(ak.flatten(before, axis=None)).dtype)
