"""Values and units of the NanoAOD branches that plugins read as features."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

#: Collections of NanoAOD, versions 9 to 15, its open-data excerpts and PFNano.
COLLECTIONS: Final = frozenset(
    [
        "Electron",
        "Muon",
        "Tau",
        "Photon",
        "Jet",
        "FatJet",
        "SubJet",
        "boostedTau",
        "LowPtElectron",
        "IsoTrack",
        "FsrPhoton",
        "SV",
        "OtherPV",
        "PV",
        "CorrT1METJet",
        "SoftActivityJet",
        "TauProd",
        "TrigObj",
        "PFCand",
        "PFCands",
        "JetPFCands",
        "FatJetPFCand",
        "FatJetPFCands",
        "GenPart",
        "GenJet",
        "GenJetAK8",
        "SubGenJetAK8",
        "GenVisTau",
        "GenDressedLepton",
        "GenIsolatedPhoton",
        "GenProton",
        "GenCands",
        "TrackGenJetAK4",
        "LHEPart",
        "PPSLocalTrack",
        "Proton_multiRP",
        "Proton_singleRP",
        "ScoutingElectron",
        "ScoutingMuon",
        "ScoutingMuonVtx",
        "ScoutingMuonNoVtx",
        "ScoutingPFJet",
        "ScoutingFatPFJet",
        "ScoutingPhoton",
        "ScoutingPFCand",
        "L1EG",
        "L1Jet",
        "L1Mu",
        "L1Tau",
    ]
)
#: NanoAOD's collections of missing transverse momentum.
MISSING_MOMENTA: Final = frozenset(
    [
        "MET",
        "PuppiMET",
        "PFMET",
        "RawMET",
        "RawPFMET",
        "RawPuppiMET",
        "CaloMET",
        "ChsMET",
        "TkMET",
        "TrkMET",
        "DeepMETResolutionTune",
        "DeepMETResponseTune",
        "GenMET",
        "FiducialMET",
        "ScoutingMET",
    ]
)


#: Words in NanoAOD names of simulation truth.
TRUTH_WORDS: Final = frozenset(("gen", "generator", "lhe", "parton", "truth"))
#: Other branches and collections with simulation truth.
TRUTH_BRANCHES: Final = frozenset(("PSWeight", "Pileup", "hadronFlavour", "nBHadrons", "nCHadrons", "statusFlags"))
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")


@dataclass(frozen=True)
class Range:
    """The values of a branch.

    Parameters
    ----------
    at
        The value at a quantile between 0 and 1.
    undefined
        Values that mean "unknown" or "missing", and others at the edge of the range.
    unit
        ``GeV`` if it scales with energies.
    """

    at: Callable[[Tensor], Tensor]
    undefined: tuple[float, ...] = ()
    unit: Literal["", "GeV"] = ""


def uniform(low: float, high: float) -> Callable[[Tensor], Tensor]:
    """A uniform distribution between two numbers."""
    return lambda quantile: low + (high - low) * quantile


def falling(mean: float) -> Callable[[Tensor], Tensor]:
    """An exponential distribution from zero."""
    return lambda quantile: -mean * torch.log1p(-quantile)


def peaked(width: float) -> Callable[[Tensor], Tensor]:
    """A Laplace distribution: symmetric around zero, with tails."""
    return lambda quantile: -width * torch.sign(quantile - 0.5) * torch.log1p(-2 * (quantile - 0.5).abs())


def one_of(*values: float) -> Callable[[Tensor], Tensor]:
    """One of these values, with equal probability."""
    return lambda quantile: torch.tensor(values, dtype=torch.float64)[(quantile * len(values)).long()]


def whole(low: int, high: int) -> Callable[[Tensor], Tensor]:
    """An integer in a range, both ends included."""
    return one_of(*range(low, high + 1))


_SCORE = Range(uniform(0.0, 1.0), undefined=(-1.0, 0.0, 1.0))
_FLAG = Range(one_of(0, 1))
#: Ranges of branches; the first pattern that matches the whole name applies.
RANGES: Final = tuple(
    (re.compile(pattern), values)
    for pattern, values in (
        (r"charge|tuneP_charge", Range(one_of(-1, 1))),
        (r"tightCharge", Range(one_of(0, 1, 2))),
        (r"jetId", Range(one_of(0, 2, 6))),
        (r"puId", Range(one_of(0, 4, 6, 7))),
        (r"cutBased|multiIsoId|miniIsoId|pfIsoId|puppiIsoId|mvaMuID_WP|mvaId", Range(whole(0, 4))),
        (r"highPtId|tkIsoId", Range(whole(0, 2))),
        (r"idDeepTau\w+|idAnti\w+", Range(whole(1, 8))),
        (r"decayMode\w*", Range(one_of(0, 1, 2, 10, 11))),
        (r"(loose|medium|mediumPrompt|tight|soft|softMva|highPurity)(Id)?|is[A-Z]\w*|\w+_WP\w+", _FLAG),
        (r"convVeto|electronVeto|pixelSeed|highPurity|inTimeMuon|hasRefitSV|cutBased_HEEP|triggerIdLoose", _FLAG),
        (r"\w*Idx\w*", Range(whole(-1, 3))),
        (r"n[A-Z]\w*|\w*Multiplicity|lostHits|seedGain|ntracks|ndof", Range(whole(0, 20))),
        (r"msoftdrop|\w*[mM]ass|\w*energy(Err|Raw)?|\w*Energy(Error)?", Range(falling(50.0), (0.0,), "GeV")),
        (
            r"\w*([pP]t|PT)(Err)?|\w*Sum(Pt|Et)\w*|\w*PFClusterIso|chargedIso|neutralIso|puCorr|jetPtRelv2",
            Range(falling(40.0), (0.0,), "GeV"),
        ),
        (r"btag\w+|particleNet\w+|globalParT\w+|deepTag\w+|pnScore\w+|prob\w+|jetDF|raw\w+VS\w+|qConf\w+", _SCORE),
        (r"mva\w+|softMva\w*|promptMVA|puIdDisc|haloTagger\w*", Range(uniform(-1.0, 1.0), undefined=(-1.0, 0.0, 1.0))),
        (r"\w*[iI]so\w*", Range(falling(0.1), undefined=(0.0,))),
        (r"dxy(bs)?|dxySig|dz", Range(peaked(0.01), undefined=(0.0,))),
        (r"sip3d|ipLengthSig|dlenSig|\w*chi2|\w*Chi2", Range(falling(2.0), undefined=(0.0,))),
        (r"ip3d|\w*Err|hoe\w*|dlen", Range(falling(0.02), undefined=(0.0,))),
        (r"\w*(EF|HEF)|tau[1-4]|r9|lsf3|n[23]b1|hadronicTop", Range(uniform(0.0, 1.0), undefined=(0.0,))),
        (r"area", Range(uniform(0.4, 0.6))),
        (r"rawFactor|muonSubtrFactor|\w*Corr\w*", Range(uniform(-0.1, 0.3), undefined=(0.0,))),
    )
)
#: Range of a branch that no pattern matches.
UNKNOWN: Final = Range(uniform(0.0, 1.0))
_PDG_ID: Final = {"Electron": 11, "Muon": 13, "Tau": 15, "Photon": 22}


def known_range(collection: str, branch: str) -> Range | None:
    """The range of a branch's values; ``None`` if its name is unknown or simulation truth.

    Example
    -------
    >>> import torch
    >>> known_range("Muon", "charge").at(torch.tensor([0.1, 0.9]))
    tensor([-1.,  1.], dtype=torch.float64)
    """
    if is_truth(branch):
        return None
    if branch == "pdgId":
        number = _PDG_ID.get(collection, 1)
        return Range(one_of(-number, number))
    return next((values for pattern, values in RANGES if pattern.fullmatch(branch)), None)


def is_truth(name: str) -> bool:
    """Whether a name is that of simulation truth, which data does not have."""
    words = {word.lower() for word in _WORD.findall(name)}
    return name in TRUTH_BRANCHES or bool(words & TRUTH_WORDS)
