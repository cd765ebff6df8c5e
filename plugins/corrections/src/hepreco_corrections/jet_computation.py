"""The computations of :class:`~hepreco_corrections.jets.JetEnergy`, with the tools of coffea."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

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

from hepreco.plugin import CorrectionInput
from hepreco.plugin.corrections import CENTRAL
from hepreco_corrections.columns import flat
from hepreco_corrections.jets import JET_COLUMNS, OF_JETS, RESOLUTION, SOFT_COLUMNS, SOFT_JETS, index_column
from hepreco_corrections.missing_momentum import of_type_1, recoiled
from hepreco_corrections.smearing import matched_pt, normal_of_objects, smeared

if TYPE_CHECKING:
    from hepreco_corrections.jets import JetEnergy

#: Radii of jets; a jet and a generated jet match within half the radius.
_RADII: Final = {"AK4": 0.4, "AK8": 0.8}


def corrected_jets(options: "JetEnergy", events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
    """Pt and mass of all jets, and the missing momentum, in the types of the columns that are read."""
    source, _, direction = variation.rpartition("_")
    stack = _stack(options, events.period, tuple(each for each in options.sources if each == source))
    inputs, counts = _inputs(options, events)
    factor = _levels(stack, inputs)
    inputs |= {"JetPt": inputs["JetPt"] * factor, "JetMass": inputs["JetMass"] * factor}
    scale = _smearing(options, stack, inputs, events, counts, direction if source == RESOLUTION else CENTRAL)
    scale = scale * _uncertainty(stack, {**inputs, "JetPt": scale * inputs["JetPt"]}, direction)
    pt, mass = (ak.unflatten(scale * inputs[name], counts) for name in ("JetPt", "JetMass"))
    found = {f"{options.jets}.pt": pt, f"{options.jets}.mass": mass}
    if options.missing_momentum:
        if options.type_1:
            jets = {name: ak.unflatten(value, counts) for name, value in {**inputs, "scale": scale}.items()}
            missing = _type_1(options, stack, events, jets, direction)
        else:
            missing = _recoiled(options, events, pt)
        found |= {f"{options.missing_momentum}.{name}": value for name, value in missing.items()}
    return {path: _like(events[path], found[path]) for path in options.changes}


def _inputs(options: "JetEnergy", events: CorrectionInput) -> tuple[dict[str, NDArray[Any]], NDArray[np.int64]]:
    """All columns of jets as flat arrays by the names of the inputs, and the number of jets of each event."""
    reads = set(options.reads)
    columns = {name: f"{options.jets}.{column}" for name, column in OF_JETS.items()}
    columns |= {"Rho": options.density, "rawFactor": f"{options.jets}.rawFactor"}
    found = flat(events, {name: path for name, path in columns.items() if path in reads})
    counts = np.asarray(found.counts)
    values = dict(found.values)
    for name in ("JetPt", "JetMass"):
        values[name] = values[name].astype(np.float64)
    return {**values, "run": np.repeat(events.event_id[:, 0], counts)}, counts


def _levels(stack: CorrectionLibJECStack, inputs: dict[str, NDArray[Any]]) -> Any:
    """Ratio of corrected energies to those of NanoAOD; the raw pt is added to ``inputs``."""
    if stack.jec is None:
        return 1.0
    raw = 1 - inputs["rawFactor"].astype(np.float64)
    inputs["ptRaw"] = raw * inputs["JetPt"]
    given = {**inputs, "JetPt": inputs["ptRaw"], "JetMass": raw * inputs["JetMass"]}
    return raw * stack.jec.getCorrection(**{name: given[name] for name in stack.jec.signature})


def _smearing(
    options: "JetEnergy",
    stack: CorrectionLibJECStack,
    inputs: Mapping[str, NDArray[Any]],
    events: CorrectionInput,
    counts: NDArray[np.int64],
    direction: str,
) -> NDArray[np.float64]:
    """The factors by which smearing to the resolution of data changes the corrected energies."""
    if stack.jer is None:
        return np.ones(len(inputs["JetPt"]))
    return smeared(
        inputs["JetPt"],
        generated_pt=_partners(options, events) if options.generated else 0.0 * inputs["JetPt"],
        eta=inputs["JetEta"],
        resolution=stack.jer.getResolution(**_given(stack.jer, inputs)),
        scale_factors=ak.to_numpy(stack.jersf.getScaleFactor(**_given(stack.jersf, inputs))),
        normal=normal_of_objects(events.event_id, counts),
        direction=direction,
    )


def _partners(options: "JetEnergy", events: CorrectionInput) -> NDArray[np.float64]:
    return matched_pt(
        events[f"{options.jets}.{index_column(options.generated)}"],
        generated={name: events[f"{options.generated}.{name}"] for name in ("pt", "eta", "phi")},
        eta=events[f"{options.jets}.eta"],
        phi=events[f"{options.jets}.phi"],
        distance=_RADII.get(options.algorithm[:3], 0.4) / 2,
    )


def _recoiled(options: "JetEnergy", events: CorrectionInput, pt: ak.Array) -> dict[str, ak.Array]:
    missing = {name: events[f"{options.missing_momentum}.{name}"] for name in ("pt", "phi")}
    before, phi = events[f"{options.jets}.pt"], events[f"{options.jets}.phi"]
    return recoiled(missing, pt=pt, pt_before=before, phi=phi)


def _type_1(
    options: "JetEnergy",
    stack: CorrectionLibJECStack,
    events: CorrectionInput,
    jets: dict[str, ak.Array],
    direction: str,
) -> dict[str, ak.Array]:
    soft = {name: events[f"{SOFT_JETS}.{name}"] for name in SOFT_COLUMNS}
    per_event = {"run": ak.Array(events.event_id[:, 0])}
    per_event |= {"Rho": events[options.density]} if "Rho" in jets else {}
    soft |= {name: ak.broadcast_arrays(value, soft["rawPt"])[0] for name, value in per_event.items()}
    return of_type_1(
        {name: events[f"Raw{options.missing_momentum}.{name}"] for name in ("pt", "phi")},
        jets=jets | {name: events[f"{options.jets}.{name}"] for name in JET_COLUMNS},
        soft=soft | {"scale": _soft_scale(stack, soft, direction)},
        first_level=CorrectionLibJEC(options.first_level(events.period)),
        all_levels=stack.jec,
    )


def _stack(options: "JetEnergy", period: str, sources: tuple[str, ...]) -> CorrectionLibJECStack:
    """The adapters of coffea for a period, with some of the sources."""
    named = options.named(period)
    smearing = {}
    if "jer" in named:
        smearing = {"jer": CorrectionLibJER(named["jer"]), "jersf": CorrectionLibJERSF(named["jersf"])}
    return CorrectionLibJECStack(
        jec=CorrectionLibJEC(named["jec"]) if "jec" in named else None,
        junc=CorrectionLibJUNC([(source, named[source]) for source in sources]) if sources else None,
        **smearing,
    )


def _given(part: Any, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of an adapter."""
    return {name: inputs[name] for name in part.signature}


def _uncertainty(stack: CorrectionLibJECStack, inputs: Mapping[str, NDArray[Any]], direction: str) -> Any:
    """The factor for the source of uncertainty of the stack; 1 if it has none."""
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
