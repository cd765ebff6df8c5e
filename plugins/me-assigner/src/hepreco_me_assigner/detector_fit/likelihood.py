"""The likelihood of jets from a pair of top quarks, summed over all hypotheses about which jet comes from where.

The derivation is in the page "A detector from unlabelled events" of the documentation.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.kinematics import eta, minkowski_dot, pt
from hepreco_me_assigner.detector_fit.acceptance import SPECTRA, log_relative_acceptance, log_within
from hepreco_me_assigner.detector_fit.hypotheses import JETS, KINDS, LEPTONIC, Hypotheses, hypotheses
from hepreco_me_assigner.process import Branch, Hypothesis
from hepreco_me_assigner.transfer_functions import (
    HALF_LOG_2PI,
    TransferFunctions,
    double,
    log_radiation,
    log_single,
)

#: Width in ln m² of the upper end of the mass of a b jet with one jet of the W.
_EDGE: Final = 0.08
#: Events of one number of jets that are evaluated together.
_AT_A_TIME: Final = 128
#: Phase space of a decay to two massless particles, ∫ d³p₁/(2E₁) d³p₂/(2E₂) δ⁴.
_PHASE_SPACE: Final = math.pi / 2


@dataclass(frozen=True)
class JetSample:
    """Jets of some events, ordered by pt; empty slots are at the end.

    Parameters
    ----------
    momenta
        In GeV.
    number
        How many jets each event has.
    tagged
        Whether each is b-tagged; ``None`` without tags.
    """

    momenta: Float[Tensor, "event jet 4"]
    number: Int[Tensor, " event"]
    tagged: Bool[Tensor, "event jet"] | None

    def __len__(self) -> int:
        return len(self.momenta)

    def __getitem__(self, events: Tensor) -> "JetSample":
        tagged = None if self.tagged is None else self.tagged[events]
        return JetSample(self.momenta[events], self.number[events], tagged)

    def leading(self, number: int) -> "JetSample":
        """Without slots beyond a number."""
        tagged = None if self.tagged is None else self.tagged[:, :number]
        return JetSample(self.momenta[:, :number], self.number, tagged)


@dataclass(frozen=True)
class Selection:
    """What a sample's events have been required to have, as far as the likelihood has to know.

    Parameters
    ----------
    least, most
        Smallest and largest number of jets.
    tags
        Smallest number of b tags, at most 2.
    pt_min
        Smallest pt of jets (GeV).
    """

    least: int
    most: int
    tags: int
    pt_min: float


@dataclass(frozen=True)
class Likelihood:
    """The likelihood for one set of parameters.

    Parameters
    ----------
    detector
        Its fields may be tensors, so that the likelihood can be differentiated.
    lost
        Probability that a b quark, and that another quark, leaves no jet.
    branches
        The decays of both top quarks, one with quarks only first.
    """

    detector: Detector
    lost: tuple[Tensor, Tensor]
    branches: tuple[Branch, Branch]

    def log(self, sample: JetSample, selection: Selection) -> tuple[Float[Tensor, " event"], Float[Tensor, " event"]]:
        """For events of one number of jets: ln of the density of jets and tags, and of tags given the jets.

        Both are conditional on the selection. Without tags the second is 0.
        """
        number = sample.momenta.shape[1]
        among = hypotheses(number)
        jets, tags = self._hypotheses(sample, among, selection.pt_min)
        count = torch.tensor(JETS, dtype=torch.float64)
        one, other = (kinds - count * torch.log(self._mean) for kinds in self._log_kinds)
        allowed = among.disjoint.to(jets.dtype)
        total = _log_sum(jets + tags + one[among.kind], allowed, jets + tags + other[among.kind])
        radiated = self._radiated(sample.momenta, selection.pt_min).sum(dim=1)
        joint = total + radiated + number * torch.log(self._mean) - self._log_selected(selection)
        if sample.tagged is None:
            return joint, torch.zeros_like(joint)
        light = self._log_tag(sample, double(self.detector.light_efficiency)).sum(dim=1)
        pass_tags = self._log_tags(number, selection.tags).exp()[among.kind][:, among.kind]
        blind = _log_sum(jets + one[among.kind], allowed * pass_tags, jets + other[among.kind])
        return joint + light, total + light - blind

    def probability_complete(self, sample: JetSample) -> Float[Tensor, " event"]:
        """For events of one number of jets: the probability that every quark of both top quarks has a jet."""
        among = hypotheses(sample.momenta.shape[1])
        densities = sum(self._hypotheses(sample, among, self.detector.jet_pt_min))
        count = torch.tensor(JETS, dtype=torch.float64)
        tops = [densities + (kinds - count * torch.log(self._mean))[among.kind] for kinds in self._log_kinds]
        most = [int(count[kinds.isfinite()].max()) for kinds in self._log_kinds]
        whole = [top.masked_fill(count[among.kind] != jets, -torch.inf) for top, jets in zip(tops, most, strict=True)]
        allowed = among.disjoint.to(count.dtype)
        return (_log_sum(whole[0], allowed, whole[1]) - _log_sum(tops[0], allowed, tops[1])).exp()

    @property
    def _mean(self) -> Tensor:
        return double(self.detector.radiation)

    @property
    def _log_kinds(self) -> tuple[Float[Tensor, " kind"], Float[Tensor, " kind"]]:
        """Ln of the probability of every kind of hypothesis, for either top quark."""
        b, quark = self.lost
        b_jets = {True: 1 - b, False: b}
        quark_jets = {2: (1 - quark) ** 2, 1: 2 * quark * (1 - quark), 0: quark**2}
        hadronic = torch.stack([b_jets["b" in kind] * quark_jets[kind.count("q")] for kind in KINDS]).log()
        leptonic = torch.full_like(hadronic, -torch.inf)
        leptonic[list(LEPTONIC)] = torch.stack((1 - b, b)).log()
        return hadronic, leptonic if "lepton" in self.branches[1].kinds else hadronic

    def _hypotheses(self, sample: JetSample, among: Hypotheses, pt_min: float) -> tuple[Tensor, Tensor]:
        """Ln of the density of jets, and of their tags, for every hypothesis, both over those of radiated jets."""
        radiated = self._radiated(sample.momenta, pt_min)
        rates = torch.stack([double(getattr(self.detector, f"{x}_efficiency")) for x in ("b", "c", "light")])
        densities, tags = [], []
        for kind, jets in zip(KINDS, among.jets, strict=True):
            chosen = sample.momenta[:, jets]
            density = self._density(kind, chosen, pt_min) - radiated[:, jets].sum(dim=2)
            densities.append(density.expand(len(sample), len(jets)))
            tags.append(self._tags(kind, sample, jets, rates))
        return torch.cat(densities, dim=1), torch.cat(tags, dim=1)

    def _density(
        self, kind: tuple[str, ...], momenta: Float[Tensor, "event hypothesis jet 4"], pt_min: float
    ) -> Tensor:
        """Ln of the density in ln E and solid angle of the jets of a top quark, all of which are found."""
        if not kind:
            return momenta.new_zeros(momenta.shape[:2])
        top, boson = (resonance.mass for resonance in self.branches[0].resonances)
        found = log_relative_acceptance(kind, self.detector, top=top, boson=boson, pt_min=pt_min)
        return self._density_of_all(kind, momenta, pt_min) - found

    def _density_of_all(
        self, kind: tuple[str, ...], momenta: Float[Tensor, "event hypothesis jet 4"], pt_min: float
    ) -> Tensor:
        """The same without the condition that they are found."""
        slope, spread = SPECTRA[kind]
        if len(kind) == 1:
            return log_single(momenta[..., 0, :], ((double(1.0), double(slope)),), double(spread), pt_min)
        if kind == ("b", "q"):
            return self._pair_with_b(momenta) + _log_spectrum(momenta.sum(dim=-2), slope, spread)
        fit = self._top if "b" in kind else self._w_alone
        fitted, density = fit(momenta)
        return density - len(kind) * math.log(2) + _log_spectrum(fitted.sum(dim=-2), slope, spread)

    def _top(self, momenta: Float[Tensor, "event hypothesis 3 4"]) -> tuple[Tensor, Tensor]:
        """Fitted momenta of the quarks of a top, and ln of their density for one top momentum."""
        branch, places = self.branches[0], list(self.branches[0].cascades[0])
        top, boson = (resonance.mass**2 for resonance in branch.resonances)
        inverse = [places.index(place) for place in range(3)]
        fitted, weight = TransferFunctions(self.detector).fit(branch, momenta[..., inverse, :])
        constant = math.log(_PHASE_SPACE * boson) + math.log(_PHASE_SPACE * (1 - boson / top) * (top - boson))
        return fitted, weight - constant - 2 * HALF_LOG_2PI + _log_decay(fitted[..., places, :], top, boson)

    def _w_alone(self, momenta: Float[Tensor, "event hypothesis 2 4"]) -> tuple[Tensor, Tensor]:
        """The same of a W. Either of its two jets may be that of either quark, hence a factor of two."""
        branch = _without_b(self.branches[0])
        fitted, weight = TransferFunctions(self.detector).fit(branch, momenta)
        boson = branch.resonances[0].mass ** 2
        return fitted, weight - math.log(_PHASE_SPACE * boson) - HALF_LOG_2PI + math.log(2)

    def _pair_with_b(self, momenta: Float[Tensor, "event hypothesis 2 4"]) -> Tensor:
        """A b jet and one jet of the W: their m² is flat up to m_t² − m_W²."""
        top, boson = (resonance.mass**2 for resonance in self.branches[0].resonances)
        one, other = momenta.unbind(dim=-2)
        response = torch.log(double(self.detector.b_response) * self.detector.light_response)
        log_m2 = (2 * minkowski_dot(one, other)).clamp(min=1e-6).log() - response
        inside = torch.nn.functional.logsigmoid((math.log(top - boson) - log_m2) / _EDGE)
        measure = 2 * (one[..., 1:].norm(dim=-1) * other[..., 1:].norm(dim=-1)).log() - 2 * response
        return inside + measure - math.log(_PHASE_SPACE * (top - boson) * 4)

    def _tags(self, kind: tuple[str, ...], sample: JetSample, jets: Tensor, rates: Float[Tensor, "3"]) -> Tensor:
        """Ln of the probability of the tags of the jets of a hypothesis, over that of radiated jets."""
        found = sample.momenta.new_zeros(len(sample), len(jets))
        if sample.tagged is None:
            return found
        b, charm, light = (self._log_tag(sample, rate) - self._log_tag(sample, rates[2]) for rate in rates)
        up = torch.logaddexp(charm, light) - math.log(2)  # every other W decays to charm
        if "b" in kind:
            found = found + b[:, jets[:, 0]]
        quarks = jets[:, kind.count("b") :]
        if quarks.shape[1] == 1:
            found = found + torch.logaddexp(up, light)[:, quarks[:, 0]] - math.log(2)
        if quarks.shape[1] == 2:
            one, other = quarks.unbind(dim=1)
            orders = torch.logaddexp(up[:, one] + light[:, other], up[:, other] + light[:, one])
            found = found + orders - math.log(2)
        return found

    def _log_tag(self, sample: JetSample, rate: Tensor) -> Float[Tensor, "event jet"]:
        """Ln of the probability of every jet's tag; 0 where jets are never tagged."""
        assert sample.tagged is not None
        found = torch.where(sample.tagged, rate.log(), torch.log1p(-rate))
        return torch.where(eta(sample.momenta).abs() < self.detector.b_tag_eta_max, found, 0.0)

    def _radiated(self, momenta: Float[Tensor, "*event 4"], pt_min: float) -> Float[Tensor, "*event"]:
        return log_radiation(self.detector, momenta, pt_min=pt_min)

    def _log_tags(self, number: int, least: int) -> Float[Tensor, "kind kind"]:
        """Ln of the probability of at least so many tags, for every pair of kinds among a number of jets."""
        b, charm, light = (double(getattr(self.detector, f"{x}_efficiency")) for x in ("b", "c", "light"))
        rate = {"b": b, "q": (charm + 3 * light) / 4}
        none = torch.stack([sum((torch.log1p(-rate[x]) for x in kind), 0 * b) for kind in KINDS])
        odds = torch.stack([sum((rate[x] / (1 - rate[x]) for x in kind), 0 * b) for kind in KINDS])
        count = torch.tensor(JETS, dtype=torch.float64)
        rest = (number - count[:, None] - count).clamp(min=0)
        no_tag = (none[:, None] + none + rest * torch.log1p(-light)).exp()
        one_tag = no_tag * (odds[:, None] + odds + rest * light / (1 - light))
        fewer = torch.zeros_like(no_tag) + (no_tag if least > 0 else 0) + (one_tag if least > 1 else 0)
        return (1 - fewer).clamp(min=1e-12).log()

    def _log_selected(self, selection: Selection) -> Float[Tensor, ""]:
        """Ln of the probability that an event has the numbers of jets and tags of the selection."""
        one, other = self._log_kinds
        count = torch.tensor(JETS, dtype=torch.float64)
        used = count[:, None] + count
        log_mean = torch.log(self._mean) + log_within(double(self.detector.radiation_eta), self.detector.jet_eta_max)
        terms = []
        for number in range(selection.least, selection.most + 1):
            radiated = (number - used) * log_mean - torch.lgamma((number - used).clamp(min=0) + 1)
            term = one[:, None] + other + torch.where(used <= number, radiated, -torch.inf)
            terms.append(term + self._log_tags(number, selection.tags))
        return torch.stack(terms).flatten().logsumexp(dim=0)


def in_groups(sample: JetSample) -> Iterator[tuple[Int[Tensor, " event"], JetSample]]:
    """Some events of one number of jets at a time, to bound memory, with their positions in the sample."""
    for number in sample.number.unique().tolist():
        for events in (sample.number == number).nonzero()[:, 0].split(_AT_A_TIME):
            yield events, sample[events].leading(number)


def is_pair_of_tops(hypothesis: Hypothesis) -> bool:
    """Whether two top quarks are all that a process makes, of which at least one decays to quarks only."""
    branches = hypothesis.branches
    are_tops = [len(branch.cascades) for branch in branches] == [1, 1]
    return are_tops and any("lepton" not in branch.kinds for branch in branches)


def pair_of_tops(hypothesis: Hypothesis) -> tuple[Branch, Branch]:
    """The decays of both top quarks, one with quarks only first.

    Raises
    ------
    ConfigError
        The process is another one.
    """
    if not is_pair_of_tops(hypothesis):
        raise ConfigError(
            f"no detector can be fitted with {hypothesis.process!r}",
            "fit it with process ttbar or ttbar-lepton-jets; any process can then use it",
        )
    one, other = sorted(hypothesis.branches, key=lambda branch: "lepton" in branch.kinds)
    return one, other


def _log_sum(one: Tensor, allowed: Tensor, other: Tensor) -> Float[Tensor, " event"]:
    """Ln Σ exp(one + other) over the allowed pairs of hypotheses."""
    first, second = one.amax(dim=1, keepdim=True).detach(), other.amax(dim=1, keepdim=True).detach()
    total = (((one - first).exp() @ allowed) * (other - second).exp()).sum(dim=1)
    return total.clamp(min=1e-300).log() + first[:, 0] + second[:, 0]


def _log_spectrum(momenta: Float[Tensor, "*event 4"], slope: float, spread: float) -> Float[Tensor, "*event"]:
    """Ln of the density in d³p/(2E) of a system of jets: exponential in pt (two-dimensional), normal in rapidity."""
    y = torch.atanh(momenta[..., 3] / momenta[..., 0])
    transverse = -pt(momenta) / slope - math.log(2 * math.pi * slope**2)
    return transverse - y**2 / (2 * spread**2) - math.log(spread) - HALF_LOG_2PI + math.log(2)


def _log_decay(momenta: Float[Tensor, "*event 3 4"], top: float, boson: float) -> Float[Tensor, "*event"]:
    """Ln of the unpolarised V−A decay of a top quark, 1 on average, summed over both orders of the quarks of the W."""
    b, one, other = momenta.unbind(dim=-2)
    with_one, with_other = 2 * minkowski_dot(b, one), 2 * minkowski_dot(b, other)
    orders = with_one * (boson + with_other) + with_other * (boson + with_one)
    edge = top - boson
    return (orders / (edge**2 / 6 + boson * edge / 2)).clamp(min=1e-9).log()


def _without_b(branch: Branch) -> Branch:
    """The decay of the W alone."""
    _, *pair = branch.cascades[0]
    boson = branch.resonances[1]
    return Branch(
        tuple(branch.legs[leg] for leg in pair),
        ("jet", "jet"),
        ("jet", "jet"),
        tuple(branch.particles[leg] for leg in pair),
        (replace(boson, legs=(0, 1)),),
        (),
    )
