"""Writes the packaged example files: ``python plugins/corrections/tests/example_files.py``."""

import json
from pathlib import Path
from typing import Any

import hist
import numpy as np
from correctionlib import schemav2

from hepreco_corrections import examples, measure_efficiencies


def variables(**kinds: str) -> list[dict[str, str]]:
    """Inputs by their types."""
    return [{"name": name, "type": kind} for name, kind in kinds.items()]


def correction(name: str, data: Any, **kinds: str) -> dict[str, Any]:
    """One correction of a file."""
    output = {"name": "factor", "type": "real"}
    return {"name": name, "version": 1, "inputs": variables(**kinds), "output": output, "data": data}


def category(name: str, contents: dict[Any, Any]) -> dict[str, Any]:
    """One content for each key."""
    items = [{"key": key, "value": value} for key, value in contents.items()]
    return {"nodetype": "category", "input": name, "content": items}


def binning(name: str, edges: list[float], contents: list[Any], flow: Any = "clamp") -> dict[str, Any]:
    """One content for each bin."""
    return {"nodetype": "binning", "input": name, "edges": edges, "content": contents, "flow": flow}


def formula(expression: str, *names: str) -> dict[str, Any]:
    """A formula of x, y, z and t."""
    return {"nodetype": "formula", "expression": expression, "parser": "TFormula", "variables": list(names)}


def document(*corrections: dict[str, Any], compound: tuple[dict[str, Any], ...] = ()) -> str:
    """A file of correctionlib."""
    content = {"schema_version": 2, "corrections": corrections, "compound_corrections": list(compound)}
    return schemav2.CorrectionSet.model_validate(content).model_dump_json(exclude_unset=True)


def muon_id() -> dict[str, Any]:
    def scale(sign: int) -> Any:
        return [binning("pt", [15, 30, 60, 120], [a + sign * 0.01, a + sign * 0.005, a]) for a in (0.98, 0.95)]

    by_kind = {kind: binning("abseta", [0, 1.2, 2.4], scale(sign)) for kind, sign in SIGNS.items()}
    return correction("muon_id", category("scale_factors", by_kind), abseta="real", pt="real", scale_factors="string")


SIGNS = {"sf": 0, "systup": 1, "systdown": -1}
POINTS = {"L": 0.2, "M": 0.6}
ALGORITHM = "AK4PFPuppi"


def pileup() -> dict[str, Any]:
    by_kind = {
        kind: binning("NumTrueInteractions", [0, 20, 40, 60, 100], [round(shift * w, 3) for w in (0.6, 1.1, 1.2, 0.8)])
        for kind, shift in {"nominal": 1.0, "up": 1.05, "down": 0.96}.items()
    }
    return correction("pileup", category("weights", by_kind), NumTrueInteractions="real", weights="string")


def b_tagging(name: str, flavours: dict[int, float], sources: tuple[str, ...]) -> dict[str, Any]:
    kinds = {"central": 0.0} | {
        "_".join(filter(None, (direction, source))): sign * (0.03 + 0.01 * number)
        for number, source in enumerate(("", *sources))
        for direction, sign in {"up": 1, "down": -1}.items()
    }

    def of_flavour(base: float) -> Any:
        return binning("abseta", [0, 2.5], [binning("pt", [20, 50, 100, 1000], [base, base - 0.02, base - 0.04])])

    content = {
        kind: category(
            "working_point",
            {
                point: category(
                    "flavor",
                    {f: of_flavour(round(base + shift - 0.1 * (point == "M"), 3)) for f, base in flavours.items()},
                )
                for point in POINTS
            },
        )
        for kind, shift in kinds.items()
    }
    kinds_of_inputs = {
        "systematic": "string",
        "working_point": "string",
        "flavor": "int",
        "abseta": "real",
        "pt": "real",
    }
    return correction(name, category("systematic", content), **kinds_of_inputs)


def jet_energy() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    single, compound = [], []
    for data_type in ("MC", "DATA"):
        tag = f"Example_{data_type}"
        single += [
            correction(
                f"{tag}_L1FastJet_{ALGORITHM}",
                formula("1-0.01*y*z/x", "JetPt", "JetA", "Rho"),
                JetA="real",
                JetPt="real",
                Rho="real",
            ),
            correction(
                f"{tag}_L2Relative_{ALGORITHM}",
                formula("1.05+0.02*abs(x)+1/(y+20)", "JetEta", "JetPt"),
                JetEta="real",
                JetPt="real",
            ),
        ]
        stack = [f"{tag}_L1FastJet_{ALGORITHM}", f"{tag}_L2Relative_{ALGORITHM}"]
        inputs = {"JetA": "real", "JetEta": "real", "JetPt": "real", "Rho": "real"}
        if data_type == "DATA":
            stack.append(f"{tag}_L2L3Residual_{ALGORITHM}")
            single.append(correction(stack[-1], binning("run", [0, 1000, 999999], [1.01, 1.02]), run="real"))
            inputs["run"] = "real"
        compound.append(
            {
                "name": f"{tag}_L1L2L3Res_{ALGORITHM}",
                "inputs": variables(**inputs),
                "output": {"name": "factor", "type": "real"},
                "inputs_update": ["JetPt"],
                "input_op": "*",
                "output_op": "*",
                "stack": stack,
            }
        )
    for source, size in {"Total": 0.03, "Flavour": 0.01}.items():
        data = formula(f"{size}+0.5/(x+10)+0.001*abs(y)", "JetPt", "JetEta")
        single.append(correction(f"Example_MC_{source}_{ALGORITHM}", data, JetEta="real", JetPt="real"))
    resolution = formula("sqrt(0.05^2+1/x)+0.001*y", "JetPt", "Rho")
    single.append(
        correction(f"Example_JR_MC_PtResolution_{ALGORITHM}", resolution, JetEta="real", JetPt="real", Rho="real")
    )
    scale = {
        k: binning("JetEta", [-5.2, -2, 2, 5.2], [s + 0.1, s, s + 0.1])
        for k, s in {"nom": 1.1, "up": 1.2, "down": 1.0}.items()
    }
    single.append(
        correction(
            f"Example_JR_MC_ScaleFactor_{ALGORITHM}", category("systematic", scale), JetEta="real", systematic="string"
        )
    )
    return single, compound


def example() -> str:
    """The text of ``example.json``."""
    sources = ("correlated", "uncorrelated")
    single, compound = jet_energy()
    heavy = b_tagging("deepJet_comb", {4: 0.97, 5: 1.0}, sources)
    light = b_tagging("deepJet_light", {0: 1.1}, sources)
    return document(muon_id(), pileup(), heavy, light, *single, compound=tuple(compound))


def histograms() -> tuple[hist.Hist, dict[str, hist.Hist]]:
    """Jets, and those that pass each working point."""
    axes = (
        hist.axis.IntCategory([0, 4, 5], name="flavour"),
        hist.axis.Variable([20, 50, 100, 1000], name="pt"),
        hist.axis.Regular(2, 0, 2.4, name="abseta"),
    )
    total, tagged = hist.Hist(*axes), {point: hist.Hist(*axes) for point in POINTS}
    total.view()[...] = 1000 * np.arange(1, 19).reshape(3, 3, 2)
    for number, point in enumerate(POINTS):
        share = np.array([0.1, 0.3, 0.8])[:, None, None] / (1 + number)
        tagged[point].view()[...] = np.round(share * total.view() * (1 - 0.1 * np.arange(2)))
    return total, tagged


def texts() -> dict[str, str]:
    """The packaged files."""
    efficiencies = measure_efficiencies(*histograms()).model_dump_json(exclude_unset=True)
    return {"example.json": example(), "example_efficiencies.json": efficiencies}


if __name__ == "__main__":
    for name, text in texts().items():
        Path(examples.__file__).with_name(name).write_text(json.dumps(json.loads(text), separators=(",", ":")) + "\n")
