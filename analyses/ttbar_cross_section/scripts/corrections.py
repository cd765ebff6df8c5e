"""The corrections of the analysis as files of correctionlib.

The pseudo-data come from a detector that differs from that of simulation. The nominal corrections are these
differences, so that a fit with them must find the injected cross-section, and a fit without them need not.
"""

import json
from pathlib import Path
from typing import Any, Final

from correctionlib import schemav2

from hepreco.detector import Detector

#: Of data over those of simulation: efficiencies of b tagging for heavy and light flavours, efficiency of leptons, and
#: the energy resolution of jets.
HEAVY, LIGHT, LEPTON, RESOLUTION = 0.95, 1.2, 0.97, 1.1
#: Their relative uncertainties, and that of the energy scale of jets.
HEAVY_ERROR, LIGHT_ERROR, LEPTON_ERROR, RESOLUTION_ERROR, SCALE_ERROR = 0.03, 0.2, 0.015, 0.05, 0.02
SIMULATION: Final = Detector()
#: The detector of the pseudo-data.
DATA: Final = Detector(
    jet_stochastic=RESOLUTION * SIMULATION.jet_stochastic,
    jet_constant=RESOLUTION * SIMULATION.jet_constant,
    lepton_efficiency=LEPTON * SIMULATION.lepton_efficiency,
    b_efficiency=HEAVY * SIMULATION.b_efficiency,
    c_efficiency=HEAVY * SIMULATION.c_efficiency,
    light_efficiency=LIGHT * SIMULATION.light_efficiency,
)
#: By how much the number of jets that do not come from the hard process is uncertain.
_EXTRA: Final = 0.1
_ALGORITHM: Final = "AK4PFPuppi"


def write_corrections(directory: Path) -> None:
    """Write all files but the efficiencies of b tagging, which a run measures."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, corrections in files().items():
        content = {"schema_version": 2, "corrections": corrections}
        text = schemav2.CorrectionSet.model_validate(content).model_dump_json(exclude_unset=True)
        (directory / f"{name}.json").write_text(json.dumps(json.loads(text), indent=1) + "\n", "utf-8")


def files() -> dict[str, list[dict[str, Any]]]:
    """The corrections of each file."""
    return {
        "jets": [_jet_scale(), _jet_resolution(), _jet_resolution_factor()],
        "btag": [_b_tag("heavy", (4, 5), HEAVY, HEAVY_ERROR), _b_tag("light", (0,), LIGHT, LIGHT_ERROR)],
        "leptons": [_correction("lepton", _shifted(LEPTON, LEPTON_ERROR), systematic="string", pt="real")],
        "extra_jets": [_correction("extra_jets", _extra_jets(), systematic="string", parton="int")],
        "top_pt": [_correction("top_pt", _top_pt(), systematic="string", pt="real")],
    }


def _jet_scale() -> dict[str, Any]:
    return _correction(
        f"Generated_MC_scale_{_ALGORITHM}", _formula(f"{SCALE_ERROR}", "JetPt"), JetEta="real", JetPt="real"
    )


def _jet_resolution() -> dict[str, Any]:
    """Of simulation: σ(E)/E = a/√E ⊕ b, with E = pt cosh η."""
    a, b = SIMULATION.jet_stochastic, SIMULATION.jet_constant
    formula = _formula(f"sqrt({a}*{a}/(x*cosh(y))+{b}*{b})", "JetPt", "JetEta")
    return _correction(f"Generated_MC_PtResolution_{_ALGORITHM}", formula, JetEta="real", JetPt="real")


def _jet_resolution_factor() -> dict[str, Any]:
    shifts = {"nom": 0.0, "up": RESOLUTION_ERROR, "down": -RESOLUTION_ERROR}
    values = _category("systematic", {name: RESOLUTION + shift for name, shift in shifts.items()})
    return _correction(f"Generated_MC_ScaleFactor_{_ALGORITHM}", values, JetEta="real", systematic="string")


def _b_tag(name: str, flavours: tuple[int, ...], factor: float, error: float) -> dict[str, Any]:
    by_flavour = {
        kind: _category("working_point", {"M": _category("flavor", dict.fromkeys(flavours, factor * shift))})
        for kind, shift in {"central": 1.0, "up": 1 + error, "down": 1 - error}.items()
    }
    inputs = {"systematic": "string", "working_point": "string", "flavor": "int", "abseta": "real", "pt": "real"}
    return _correction(name, _category("systematic", by_flavour), **inputs)


def _shifted(factor: float, error: float) -> dict[str, Any]:
    return _category("systematic", {"nominal": factor, "up": factor * (1 + error), "down": factor * (1 - error)})


def _extra_jets() -> dict[str, Any]:
    """One factor for each jet that comes from no parton of the hard process."""
    shifts = {"nominal": 1.0, "up": 1 + _EXTRA, "down": 1 - _EXTRA}
    by_parton = {name: _category("parton", {-1: factor}) | {"default": 1.0} for name, factor in shifts.items()}
    return _category("systematic", by_parton)


def _top_pt() -> dict[str, Any]:
    """Half of exp(0.0615 − 0.0005 pt/GeV) for each top quark, as large as measurements differ from simulation."""
    slopes = {"nominal": 0.0, "up": 0.5, "down": -0.5}
    formulas = {name: _formula(f"exp({slope}*(0.0615-0.0005*x))", "pt") for name, slope in slopes.items()}
    return _category("systematic", formulas)


def _correction(name: str, data: Any, **inputs: str) -> dict[str, Any]:
    variables = [{"name": each, "type": kind} for each, kind in inputs.items()]
    return {"name": name, "version": 1, "inputs": variables, "output": {"name": "factor", "type": "real"}, "data": data}


def _category(name: str, contents: dict[Any, Any]) -> dict[str, Any]:
    items = [{"key": key, "value": value} for key, value in contents.items()]
    return {"nodetype": "category", "input": name, "content": items}


def _formula(expression: str, *names: str) -> dict[str, Any]:
    return {"nodetype": "formula", "expression": expression, "parser": "TFormula", "variables": list(names)}
