"""The χ² assigner: least-squares assignment of jets to the quarks of tt̄."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, final

import torch
from torch import Tensor

from hepreco import Column, EventBatch, InputSpec, ObjectSpec, Reconstructor
from hepreco.conventions import B_TAG_THRESHOLD, TOP_MASS, W_MASS
from hepreco.errors import ConfigError
from hepreco.kinematics import mass, neutrino_solutions, pt
from hepreco.plugin import Axis
from hepreco_chi2_assigner.candidates import bits, triplets
from hepreco_chi2_assigner.search import TopCandidates, best_disjoint_pair

#: Largest number of jets: each is one bit of an int64.
MOST_JETS: Final = 60
#: Penalty for each tag in the wrong place, far above any χ².
MISTAG: Final = 1e9
#: Events processed together, to bound memory.
EVENTS_AT_A_TIME: Final = 4096


@final
@dataclass(frozen=True)
class Chi2Assigner(Reconstructor):
    """Assign jets to t → bW → bqq̄′ by least squares, exactly, for any number of jets up to 60.

    All-hadronic, with i over both tops, χ² is

    - ``masses``: Σᵢ [(m_jj,i − m_W)²/σ_W² + (m_jjj,i − m_t)²/σ_t²];
    - ``mass-difference``: Σᵢ (m_jj,i − m_W)²/σ_W² + (m_jjj,1 − m_jjj,2)²/σ_Δ².

    In lepton+jets the second top is made of a jet, the leading lepton and a neutrino of either solution of
    m(ℓν) = m_W; its W gives no term, and the width of its mass is ``sigma_leptonic_top``.

    Parameters
    ----------
    channel
        Decay channel of tt̄.
    formula
        Which of the two χ².
    w_mass, top_mass
        In GeV.
    sigma_w, sigma_top, sigma_leptonic_top, sigma_difference
        Resolutions in GeV. The defaults suit jets with σ(E)/E = 80 %/√E ⊕ 5 %.
    b_tag
        A discriminator of the jets; with it, assignments with the fewest tags in the wrong place (an untagged jet as
        b, a tagged one as q) are preferred to any others. ``None`` ignores tags.
    b_tag_threshold
        Jets with a discriminator above this are tagged.
    where, leptons_where
        Cuts on jets, and on electrons and muons.
    at_most
        Largest number of jets; those of largest pt are kept.
    missing_momentum
        The collection of missing transverse momentum, for lepton+jets.
    """

    channel: Literal["all-hadronic", "lepton+jets"] = "all-hadronic"
    formula: Literal["masses", "mass-difference"] = "masses"
    w_mass: float = W_MASS
    top_mass: float = TOP_MASS
    sigma_w: float = 8.0
    sigma_top: float = 12.0
    sigma_leptonic_top: float = 20.0
    sigma_difference: float = 17.0
    b_tag: str | None = None
    b_tag_threshold: float = B_TAG_THRESHOLD
    where: tuple[str, ...] = ("pt > 30", "|eta| < 2.4")
    leptons_where: tuple[str, ...] = ("pt > 25", "|eta| < 2.5")
    at_most: int = MOST_JETS
    missing_momentum: str = "PuppiMET"

    def __post_init__(self) -> None:
        if not self._jets_needed <= self.at_most <= MOST_JETS:
            raise ConfigError(f"at_most = {self.at_most} jets", f"give {self._jets_needed} to {MOST_JETS}")
        if min(self.sigma_w, self.sigma_top, self.sigma_leptonic_top, self.sigma_difference) <= 0:
            raise ConfigError("a resolution is not positive", "give widths in GeV")

    @classmethod
    def examples(cls) -> tuple["Chi2Assigner", ...]:
        """The other formula, with b tags, and the other channel."""
        tagged = cls(b_tag="btagDeepFlavB", b_tag_threshold=0.5)
        lepton_jets = cls(channel="lepton+jets")
        return cls(formula="mass-difference"), tagged, lepton_jets, replace(tagged, channel="lepton+jets")

    @property
    def inputs(self) -> InputSpec:
        """Jets, and in lepton+jets electrons, muons and missing momentum."""
        features = (self.b_tag,) if self.b_tag else ()
        jets = ObjectSpec("Jet", self.where, at_least=self._jets_needed, at_most=self.at_most, features=features)
        if self._hadronic:
            return InputSpec((jets,))
        leptons = [ObjectSpec(name, self.leptons_where, at_most=1) for name in ("Electron", "Muon")]
        return InputSpec((jets, *leptons), missing_momentum=self.missing_momentum)

    @property
    def outputs(self) -> tuple[Column, ...]:
        """χ², the tops and Ws (all-hadronic: by pt of the top; lepton+jets: hadronic first), and jet indices."""
        w_peak = Column("w", "four-vector", per=2, unit="GeV", label="$m_{jj}$", axis=Axis(50, 30.0, 130.0))
        top_peak = Column("top", "four-vector", per=2, unit="GeV", label="$m_{jjj}$", axis=Axis(50, 100.0, 300.0))
        peaks = [w_peak, top_peak]
        if not self._hadronic:  # the leptonic side has no m(jj): histogram the hadronic one alone
            both = [replace(peak, label="", axis=None) for peak in peaks]
            peaks = both + [replace(peak, name=f"hadronic_{peak.name}", per=None) for peak in peaks]
        return (
            Column("chi2", label=r"$\chi^2$", axis=Axis(1000, 1e-4, 1e5, "log")),
            *peaks,
            Column("b_index", "index", per=2, of="Jet"),
            Column("q_index", "index", per=4, of="Jet"),
        )

    def reconstruct(self, batch: EventBatch) -> Mapping[str, Tensor]:
        """The best assignment of every event; none for lepton+jets events without a lepton."""
        size = len(batch)
        found = {
            "chi2": batch.momenta.new_full((size,), torch.nan),
            "w": batch.momenta.new_full((size, 2, 4), torch.nan),
            "top": batch.momenta.new_full((size, 2, 4), torch.nan),
            "b_index": batch.index.new_full((size, 2), -1),
            "q_index": batch.index.new_full((size, 4), -1),
        }
        count = batch.collection("Jet").mask.sum(dim=1)
        usable = torch.ones_like(count, dtype=torch.bool) if self._hadronic else _leading_lepton(batch)[:, 0] > 0
        for jets in count[usable].unique().tolist():
            for events in torch.nonzero(usable & (count == jets))[:, 0].split(EVENTS_AT_A_TIME):
                for name, value in self._assign(batch[events], jets).items():
                    found[name][events] = value
        if not self._hadronic:
            found |= {"hadronic_w": found["w"][:, 0], "hadronic_top": found["top"][:, 0]}
        return found

    @property
    def _hadronic(self) -> bool:
        return self.channel == "all-hadronic"

    @property
    def _jets_needed(self) -> int:
        return 6 if self._hadronic else 4

    def _assign(self, batch: EventBatch, number: int) -> dict[str, Tensor]:
        """The best assignments of events with the same number of jets."""
        jets = batch.collection("Jet")
        jets = jets.objects_ordered_by(pt(jets.momenta), at_most=number)
        momenta, index = jets.momenta, jets.index
        tagged = jets.features[self.b_tag] > self.b_tag_threshold if self.b_tag else None
        members = triplets(number).to(batch.device)
        w = momenta[:, members[:, 1]] + momenta[:, members[:, 2]]
        top = w + momenta[:, members[:, 0]]
        top_mass = mass(top)
        chi2 = ((mass(w) - self.w_mass) / self.sigma_w) ** 2 + self._top_term(top_mass, self.sigma_top)
        hadronic = TopCandidates(chi2 + _mistags(tagged, members), top_mass, bits(members))
        if self._hadronic:
            other_w, other_top, other_members, other_chi2, other = w, top, members, chi2, hadronic
        else:
            other_w, other_top, other_members, other_chi2, other = self._leptonic(batch, momenta, tagged)
        sigma = self.sigma_difference if self.formula == "mass-difference" else None
        first, second = best_disjoint_pair(hadronic, other, sigma=sigma)
        tops = torch.stack((_pick(top, first), _pick(other_top, second)), dim=1)
        ws = torch.stack((_pick(w, first), _pick(other_w, second)), dim=1)
        slots = torch.stack((members[first], other_members[second]), dim=1)
        total = _pick(chi2, first) + _pick(other_chi2, second)
        if sigma is not None:
            total = total + ((mass(tops[:, 0]) - mass(tops[:, 1])) / sigma) ** 2
        if self._hadronic:
            order = pt(tops).argsort(dim=1, descending=True, stable=True)
            tops, ws, slots = (torch.take_along_dim(x, order[..., None], dim=1) for x in (tops, ws, slots))
        assigned = torch.where(
            slots >= 0, torch.take_along_dim(index, slots.clamp(min=0).flatten(1), 1).view_as(slots), -1
        )
        return {
            "chi2": total,
            "w": ws,
            "top": tops,
            "b_index": assigned[:, :, 0],
            "q_index": assigned[:, :, 1:].flatten(start_dim=1),
        }

    def _leptonic(
        self, batch: EventBatch, jets: Tensor, tagged: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, TopCandidates]:
        """Each jet as the b of the leptonic top, with each neutrino: W, top, jets used, χ² and candidates."""
        lepton = _leading_lepton(batch)
        neutrino = neutrino_solutions(
            lepton, batch.missing_momentum, w_mass=self.w_mass, complex_roots="take real part"
        )
        number = jets.shape[1]
        b = torch.arange(number, device=jets.device).repeat_interleave(2)
        w = (lepton[:, None] + neutrino).repeat(1, number, 1)
        top = w + jets[:, b]
        members = torch.stack((b, torch.full_like(b, -1), torch.full_like(b, -1)), dim=-1)
        chi2 = self._top_term(mass(top), self.sigma_leptonic_top)
        cost = chi2 + _mistags(tagged, members)
        return w, top, members, chi2, TopCandidates(cost, mass(top), bits(b[:, None]))

    def _top_term(self, top_mass: Tensor, sigma: float) -> Tensor:
        if self.formula == "mass-difference":
            return torch.zeros_like(top_mass)
        return ((top_mass - self.top_mass) / sigma) ** 2


def _mistags(tagged: Tensor | None, members: Tensor) -> Tensor | float:
    """The penalty of each candidate: an untagged b, tagged quarks of the W (−1: no such quark)."""
    if tagged is None:
        return 0.0
    quarks = (tagged[:, members[:, 1:].clamp(min=0)] & (members[:, 1:] >= 0)).sum(dim=-1)
    return MISTAG * ((~tagged[:, members[:, 0]]).long() + quarks)


def _leading_lepton(batch: EventBatch) -> Tensor:
    """Four-momentum of the electron or muon of largest pt, zero where there is none."""
    leptons = [batch.collection(name) for name in ("Electron", "Muon")]
    momenta = torch.cat([torch.where(kind.mask[..., None], kind.momenta, 0.0) for kind in leptons], dim=1)
    return _pick(momenta, pt(momenta).argmax(dim=1))


def _pick(values: Tensor, position: Tensor) -> Tensor:
    """The candidate at a position in each event."""
    return values[torch.arange(len(values), device=values.device), position]
