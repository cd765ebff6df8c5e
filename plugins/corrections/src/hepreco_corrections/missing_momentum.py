"""Propagates changes of jets to the missing transverse momentum, with coffea."""

from collections.abc import Mapping
from typing import Final

import awkward as ak
import numpy as np
from coffea.jetmet_tools import CorrectedMETFactory, CorrectionLibJEC
from coffea.jetmet_tools.CorrectedMETFactory import corrected_polar_met

#: coffea's names for the fields below.
_NAMES: Final = {
    "METpt": "pt",
    "METphi": "phi",
    "RawMETpt": "pt",
    "RawMETphi": "phi",
    "UnClusteredEnergyDeltaX": "nothing",
    "UnClusteredEnergyDeltaY": "nothing",
    "JetPt": "JetPt",
    "JetPhi": "JetPhi",
    "JetEta": "JetEta",
    "JetA": "JetA",
    "Rho": "Rho",
    "run": "run",
    "ptRaw": "ptRaw",
    "JetMuonSubtrFactor": "muonSubtrFactor",
    "JetMuonSubtrDeltaPhi": "muonSubtrDeltaPhi",
    "JetChEmEF": "chEmEF",
    "JetNeEmEF": "neEmEF",
    "CorrT1JetPt": "rawPt",
    "CorrT1JetPhi": "phi",
    "CorrT1JetEta": "eta",
    "CorrT1JetArea": "area",
    "CorrT1JetMuonSubtrFactor": "muonSubtrFactor",
    "CorrT1JetMuonSubtrDeltaPhi": "muonSubtrDeltaPhi",
    "CorrT1JetEmEF": "EmEF",
    "CorrT1JetJERSmearFactor": "scale",
}


def recoiled(
    missing: Mapping[str, ak.Array], *, pt: ak.Array, pt_before: ak.Array, phi: ak.Array
) -> dict[str, ak.Array]:
    """The missing momentum minus the vectorial change of the jets' pt.

    Parameters
    ----------
    missing
        ``pt`` (GeV) and ``phi`` of the missing momentum.
    pt, pt_before
        Transverse momenta of the jets (GeV), now and when the missing momentum was computed.
    phi
        Azimuths of the jets.
    """
    found = corrected_polar_met(missing["pt"], missing["phi"], pt, phi, pt_before)
    return {"pt": found.pt, "phi": found.phi}


def of_type_1(
    raw: Mapping[str, ak.Array],
    *,
    jets: Mapping[str, ak.Array],
    soft: Mapping[str, ak.Array],
    first_level: CorrectionLibJEC,
    all_levels: CorrectionLibJEC,
) -> dict[str, ak.Array]:
    """The missing momentum of type I, from which the corrections of jets beyond the first level are subtracted.

    Parameters
    ----------
    raw
        ``pt`` (GeV) and ``phi`` before any correction.
    jets
        The inputs of the corrections under coffea's names, ``ptRaw`` (GeV), :data:`JET_COLUMNS`, and ``scale``: the
        final pt over that after all levels of correction.
    soft
        The jets of ``CorrT1METJet``: :data:`SOFT_COLUMNS`, ``scale``, and the inputs of the corrections from the event.
    first_level, all_levels
        Corrections of the pt of jets.
    """
    factory = CorrectedMETFactory(_NAMES, all_levels, first_level, is_t1_smeared_met=True)
    missing = ak.zip({**raw, "nothing": ak.zeros_like(raw["pt"])})
    # coffea multiplies the corrected pt by this field
    given = {("jet_energy_resolution_correction" if name == "scale" else name): value for name, value in jets.items()}
    found = factory.build(missing, ak.zip(given), missing, ak.zip(dict(soft)))
    return {name: ak.values_astype(found[name], np.float64) for name in ("pt", "phi")}
