from collections.abc import Callable
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
from coffea.jetmet_tools import CorrectedJetsFactory, CorrectedMETFactory, CorrectionLibJECStack
from coffea.jetmet_tools.CorrectedJetsFactory import jer_smear

from hepreco.errors import ConfigError
from hepreco.plugin import CorrectionInput, discover
from hepreco_corrections import JetEnergy
from hepreco_corrections.examples import EXAMPLE
from hepreco_corrections.smearing import matched_pt, normal_of_objects

#: What NanoAOD's float32 may lose, and what coffea computes in single precision.
CLOSE, SINGLE = 1e-6, 2e-5
ALL = JetEnergy(EXAMPLE, "Example_MC", sources=("Total", "Flavour"), resolution="Example_JR_MC")
Read = Callable[..., CorrectionInput]


def record(events: CorrectionInput, generated: Any = None) -> ak.Array:
    """Jets as coffea's factory takes them."""
    names = ("pt", "mass", "eta", "phi", "area", "rawFactor")
    jets = ak.zip({name: events[f"Jet.{name}"] for name in names})
    jets["pt_raw"], jets["mass_raw"] = ((1 - jets.rawFactor) * jets[name] for name in ("pt", "mass"))
    jets["rho"] = ak.broadcast_arrays(events["Rho.fixedGridRhoFastjetAll"], jets.pt)[0]
    if generated is not None:
        jets["pt_gen"] = ak.unflatten(generated, ak.num(jets.pt))
    return jets


def stack(**options: Any) -> CorrectionLibJECStack:
    return CorrectionLibJECStack.from_file(EXAMPLE, "Example", "MC", "AK4PFPuppi", **options)


def names(of: CorrectionLibJECStack) -> dict[str, str]:
    known = {"JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetA": "area", "JetPhi": "phi", "Rho": "rho"}
    return known | {"ptRaw": "pt_raw", "massRaw": "mass_raw", "ptGenJet": "pt_gen"}


def partners(events: CorrectionInput) -> Any:
    """The slow way, jet by jet."""
    found = []
    for number in range(len(events)):
        for eta, phi, index in zip(
            *(events[f"Jet.{name}"][number] for name in ("eta", "phi", "genJetIdx")), strict=True
        ):
            generated = [events[f"GenJet.{name}"][number] for name in ("pt", "eta", "phi")]
            held = 0 <= index < len(generated[0])
            if held:
                turn = np.angle(np.exp(1j * (phi - generated[2][index])))
                held = np.hypot(eta - generated[1][index], turn) < 0.2
            found.append(generated[0][index] if held else 0.0)
    return np.array(found, dtype=np.float64)


@pytest.fixture(params=["small", "real"])
def events(request: pytest.FixtureRequest, read: Read) -> CorrectionInput:
    return read(ALL, request.getfixturevalue("real")) if request.param == "real" else read(ALL)


def test_levels_and_sources_are_those_of_coffea(events: CorrectionInput) -> None:
    correction = JetEnergy(EXAMPLE, "Example_MC", sources=("Total", "Flavour"))
    by_hand = stack(unc_sources=["Total", "Flavour"])
    jets = CorrectedJetsFactory(names(by_hand), by_hand).build(record(events, 0.0 * ak.flatten(events["Jet.pt"])))
    for name in ("nominal", *correction.variations):
        found = correction.corrected(events, name)
        source, _, direction = name.rpartition("_")
        expected = jets[f"JES_{source}"][direction] if source else jets
        for coordinate in ("pt", "mass"):
            given, wanted = (
                ak.to_numpy(ak.flatten(each)) for each in (found[f"Jet.{coordinate}"], expected[coordinate])
            )
            np.testing.assert_allclose(given, wanted, rtol=CLOSE)
            assert given.dtype == np.float32
    assert np.any(given != ak.to_numpy(ak.flatten(events["Jet.mass"])))


def test_smearing_is_that_of_coffea_with_numbers_of_the_event(events: CorrectionInput) -> None:
    generated = partners(events)
    by_hand = stack(jer_tag="Example_JR")
    record_of_jets = record(events, generated)
    jets = CorrectedJetsFactory(names(by_hand), by_hand).build(record_of_jets)
    flat = ak.flatten(jets)
    for number, name in enumerate(("nominal", "resolution_up", "resolution_down")):
        factor = jer_smear(
            flat.pt_gen,
            flat.pt_jec,
            flat.eta,
            flat.jet_energy_resolution,
            normal_of_objects(events.event_id, ak.to_numpy(ak.num(jets))),
            flat.jet_energy_resolution_scale_factor,
            number,
            False,
        )
        found = ak.to_numpy(ak.flatten(ALL.corrected(events, name)["Jet.pt"]))
        np.testing.assert_allclose(found, ak.to_numpy(factor * flat.pt_jec), rtol=CLOSE)
        matched = (generated > 0) & (
            abs(flat.pt_jec - generated) < 3 * flat.jet_energy_resolution * flat.pt_jec
        )  # no random number
        chosen = {"nominal": jets, "resolution_up": jets.JER.up, "resolution_down": jets.JER.down}[name]
        whole = ak.to_numpy(ak.flatten(chosen.pt))
        np.testing.assert_allclose(found[matched], whole[matched], rtol=CLOSE)


def test_missing_momentum_takes_up_the_change(events: CorrectionInput) -> None:
    for name in ("nominal", "Total_up"):
        found = ALL.corrected(events, name)
        change, phi = found["Jet.pt"] - events["Jet.pt"], events["Jet.phi"]
        before = events["PuppiMET.pt"] * np.exp(1j * events["PuppiMET.phi"])
        after = found["PuppiMET.pt"] * np.exp(1j * found["PuppiMET.phi"])
        expected = before - ak.sum(change * np.cos(phi), axis=1) - 1j * ak.sum(change * np.sin(phi), axis=1)
        np.testing.assert_allclose(ak.to_numpy(after), ak.to_numpy(expected), rtol=SINGLE, atol=1e-3)


def test_type_1_is_that_of_coffea(read: Read, real: Path) -> None:
    correction = JetEnergy(EXAMPLE, "Example_MC", sources=("Total",), type_1=True)
    events = read(correction, real)
    by_hand = stack(unc_sources=["Total"])
    jets = record(events, 0.0 * ak.flatten(events["Jet.pt"]))
    for name in ("muonSubtrFactor", "muonSubtrDeltaPhi", "chEmEF", "neEmEF"):
        jets[name] = events[f"Jet.{name}"]
    soft = ak.zip({path.partition(".")[2]: events[path] for path in correction.reads if path.startswith("CorrT1")})
    soft["rho"] = ak.broadcast_arrays(events["Rho.fixedGridRhoFastjetAll"], soft.rawPt)[0]
    known = names(by_hand) | {
        "METpt": "pt",
        "METphi": "phi",
        "RawMETpt": "pt",
        "RawMETphi": "phi",
        "UnClusteredEnergyDeltaX": "pt",
        "UnClusteredEnergyDeltaY": "pt",
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
    }
    first = type(by_hand.jec)(correction.first_level(""))
    corrected = CorrectedJetsFactory(known, by_hand).build(jets)
    raw = ak.zip({name: events[f"RawPuppiMET.{name}"] for name in ("pt", "phi")})
    missing = CorrectedMETFactory(known, by_hand.jec, first).build(raw, corrected, raw, soft)
    found = correction.corrected(events, "nominal")
    for coordinate in ("pt", "phi"):
        given, wanted = (ak.to_numpy(each) for each in (found[f"PuppiMET.{coordinate}"], missing[coordinate]))
        np.testing.assert_allclose(given, wanted, rtol=SINGLE, atol=SINGLE)
    shifted = [correction.corrected(events, f"Total_{direction}")["PuppiMET.pt"] for direction in ("up", "down")]
    assert ak.mean(abs(shifted[0] - found["PuppiMET.pt"])) > 1
    assert ak.mean(abs(shifted[1] - found["PuppiMET.pt"])) > 1


def test_data_have_their_own_levels_by_run(read: Read) -> None:
    correction = JetEnergy(EXAMPLE, "Example_DATA", missing_momentum="")
    events = read(correction)
    assert not [path for path in correction.reads if "gen" in path.lower()]
    assert correction.variations == ()
    early = CorrectionInput(events.columns, 0 * events.event_id + 1)
    late = CorrectionInput(events.columns, 0 * events.event_id + 5000)
    ratio = correction.corrected(late, "nominal")["Jet.pt"] / correction.corrected(early, "nominal")["Jet.pt"]
    np.testing.assert_allclose(ak.to_numpy(ak.flatten(ratio)), 1.02 / 1.01, rtol=CLOSE)


def test_the_pt_of_the_files_may_stay(read: Read) -> None:
    correction = JetEnergy(EXAMPLE, "Example_MC", level="", sources=("Total",), missing_momentum="")
    assert sorted(correction.reads) == ["Jet.eta", "Jet.mass", "Jet.pt"]
    events = read(correction)
    np.testing.assert_array_equal(
        ak.to_numpy(ak.flatten(correction.corrected(events, "nominal")["Jet.pt"])),
        ak.to_numpy(ak.flatten(events["Jet.pt"])),
    )


def test_random_numbers_are_normal_and_belong_to_the_jet() -> None:
    number = np.arange(40_000)
    identifiers = np.stack((0 * number + 1, number // 100, number), axis=1)
    counts = number % 5
    found = normal_of_objects(identifiers, counts)
    assert abs(found.mean()) < 4 / np.sqrt(len(found))
    assert abs(found.std() - 1) < 4 / np.sqrt(2 * len(found))
    assert abs(np.mean(found[:-1] * found[1:])) < 4 / np.sqrt(len(found))
    assert len(np.unique(found)) == len(found)
    np.testing.assert_array_equal(normal_of_objects(identifiers[100:], counts[100:]), found[counts[:100].sum() :])


def test_partners_across_the_cut_of_phi() -> None:
    generated = {"pt": ak.Array([[50.0], []]), "eta": ak.Array([[0.0], []]), "phi": ak.Array([[3.13], []])}
    index, eta, phi = (
        ak.Array([[0, 0, -1, 3], [0]]),
        ak.Array([[0.1, 0.15, 0.0, 0.0], [0.0]]),
        ak.Array([[-3.13, 3.0, 3.13, 3.13], [0.0]]),
    )
    found = matched_pt(index, generated=generated, eta=eta, phi=phi, distance=0.2)
    assert found.tolist() == [50.0, 0.0, 0.0, 0.0, 0.0] or found.tolist() == [50.0, 50.0, 0.0, 0.0, 0.0]
    assert found.tolist() == [50.0, 0.0 if np.hypot(0.15, 0.13) >= 0.2 else 50.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"tag": "Example_MCC"}, "has no correction 'Example_MCC_L1L2L3Res_AK4PFPuppi'"),
        ({"sources": ("Totl",)}, "has no correction 'Example_MC_Totl_AK4PFPuppi'"),
        ({"type_1": True, "level": ""}, "type_1 without a level"),
        ({"sources": ("resolution",)}, "no source can be called 'resolution'"),
        ({"file": "/nowhere.json"}, "/nowhere.json: No such file"),
    ],
)
def test_what_does_not_fit(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        JetEnergy(**({"file": EXAMPLE, "tag": "Example_MC"} | options)).setup()


def test_it_is_built_from_a_configuration() -> None:
    table = {"file": EXAMPLE, "tag": {"22": "Example_MC"}, "sources": ["Total"]}
    built = discover()["jet-energy"].build_correction(table)
    assert built == JetEnergy(EXAMPLE, {"22": "Example_MC"}, sources=("Total",))
    built.setup()
