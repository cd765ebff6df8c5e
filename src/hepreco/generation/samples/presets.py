"""Named samples: processes with their decays and cuts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hepreco.amplitudes import (
    DECAYS,
    LEADING_ORDER,
    PROCESSES,
    TO_B_QUARKS,
    Particle,
    StandardModel,
    expand_process,
    parse_process,
    with_decays,
)
from hepreco.errors import ConfigError
from hepreco.generation.hard.beams import Beams
from hepreco.generation.hard.cuts import Cuts
from hepreco.generation.hard.decay_channels import DecayChannels, Signature
from hepreco.generation.hard.hard_process import HardProcess
from hepreco.generation.hard.sampler import IntegrationBudget


@dataclass(frozen=True)
class Preset:
    """A named sample: one or several processes, and the decays of their W bosons.

    Parameters
    ----------
    title
        Description for people.
    processes
        Processes in MadGraph's syntax; their events are mixed in proportion to their cross-sections.
    exchange
        Whether the first parton may come from either beam.
    generations
        Whether c and s of the beams may replace u and d.
    signature
        Decays of the W bosons, which are computed as decays to u and d; None leaves them as computed.
    cuts
        Cuts at parton level.
    overweight
        The allowed excess of weights over the largest expected weight, as a fraction of the cross-section.
    budget
        Number of points to adapt with before events are made.
    """

    title: str
    processes: tuple[str, ...]
    exchange: bool = True
    generations: bool = False
    signature: Signature | None = None
    cuts: Cuts = Cuts()
    overweight: float = 3e-3
    budget: IntegrationBudget = IntegrationBudget()

    def hard_processes(
        self, beams: Beams, *, model: StandardModel = LEADING_ORDER, cuts: Cuts | None = None, cutoff: float = 15.0
    ) -> list[HardProcess]:
        """The processes with these beams; ``cuts`` replace those of the preset."""
        return [
            HardProcess(
                process,
                beams=beams,
                cuts=self.cuts if cuts is None else cuts,
                model=model,
                exchange=self.exchange,
                generations=self.generations,
                cutoff=cutoff,
            )
            for process in self.processes
        ]

    def decay_channels(self, process: HardProcess) -> DecayChannels | None:
        """The decay channels that are assigned to events of one of the processes, if any."""
        return DecayChannels(process.trees, self.signature) if self.signature else None


_TTW: Final = (PROCESSES["ttw-hadronic"], with_decays("d u~ > t t~ w-"))
_MULTILEPTON: Final[Signature] = "same sign or three leptons"


def _initial_states(rest: str, decays: Mapping[str, str] = DECAYS) -> tuple[str, ...]:
    return tuple(with_decays(f"{partons} > {rest}", decays) for partons in ("g g", "u u~", "d d~"))


def _scattering(title: str, plus: str = "", minus: str = "") -> Preset:
    process = with_decays(f"u u > w+{plus} w-{minus} u u QCD=0")
    return Preset(
        f"uu → W⁺W⁻uu, {title}, all hadronic",
        (process,),
        cuts=Cuts(pt_min=20.0, eta_max=5.0, delta_r_min=0.4),
        overweight=1e-2,  # its weights have long tails: a third of this would cost three times as many trials
        budget=IntegrationBudget(iterations=10, points=240_000, last=480_000),
    )


#: Every named sample.
PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "ttbar-hadronic": Preset("gg → tt̄, all hadronic", (PROCESSES["ttbar-hadronic"],)),
        "ttbar-lepton-jets": Preset(
            "pp → tt̄, one W to e or µ", _initial_states("t t~"), generations=True, signature="one lepton"
        ),
        "ttbar-dilepton": Preset(
            "pp → tt̄, both W to e or µ", _initial_states("t t~"), generations=True, signature="two leptons"
        ),
        "tth-lepton-jets": Preset(
            "pp → tt̄H, H → bb̄, one W to e or µ",
            _initial_states("t t~ h", {**DECAYS, "h": TO_B_QUARKS}),
            generations=True,
            signature="one lepton",
        ),
        "tttt-lepton-jets": Preset(
            "pp → tt̄tt̄, one W to e or µ", _initial_states("t t~ t t~ QED=0"), generations=True, signature="one lepton"
        ),
        "ttw-two-leptons": Preset(
            "pp → tt̄W, two W of the same sign to e or µ", _TTW, generations=True, signature="two of the same sign"
        ),
        "bbbar": Preset("gg → bb̄, pt above 40 GeV", (PROCESSES["bbbar"],), cuts=Cuts(pt_min=40.0, eta_max=4.0)),
        "ttw-hadronic": Preset("ud̄ → tt̄W⁺, all hadronic", (PROCESSES["ttw-hadronic"],)),
        "tttt-hadronic": Preset("gg → tt̄tt̄, all hadronic", (PROCESSES["tttt-hadronic"],)),
        "wwuu": _scattering("unpolarised"),
        "wwuu-ll": _scattering("both W longitudinal", "{0}", "{0}"),
        "wwuu-lt": _scattering("W⁺ longitudinal, W⁻ transverse", "{0}", "{T}"),
        "wwuu-tl": _scattering("W⁺ transverse, W⁻ longitudinal", "{T}", "{0}"),
        "wwuu-tt": _scattering("both W transverse", "{T}", "{T}"),
        "tttt-multilepton": Preset(
            "pp → tt̄tt̄, two leptons of the same sign or three",
            _initial_states("t t~ t t~ QED=0"),
            generations=True,
            signature=_MULTILEPTON,
        ),
        "tth-multilepton": Preset(
            "pp → tt̄H, H → WW*, two leptons of the same sign or three",
            _initial_states("t t~ h"),
            generations=True,
            signature=_MULTILEPTON,
        ),
        "ttw-multilepton": Preset(
            "pp → tt̄W, two leptons of the same sign or three",
            _TTW,
            generations=True,
            signature=_MULTILEPTON,
        ),
        "ttww-multilepton": Preset(
            "pp → tt̄WW, two leptons of the same sign or three",
            _initial_states("t t~ w+ w-"),
            generations=True,
            signature=_MULTILEPTON,
        ),
        "ttz-multilepton": Preset(
            "pp → tt̄Z, Z to e or µ, three leptons or more",
            _initial_states("t t~ z"),
            generations=True,
            signature=_MULTILEPTON,
        ),
    }
)


def find_preset(name: str) -> Preset:
    """The sample with this name, or of this process in MadGraph's syntax.

    Raises
    ------
    ConfigError
        It is neither a known name nor a process.
    """
    if ">" in name:
        return _of_process(name)
    if name not in PRESETS:
        raise ConfigError(f"no sample {name!r}", f"choose one of {', '.join(PRESETS)}, or write a process 'g g > t t~'")
    return PRESETS[name]


def _of_process(text: str) -> Preset:
    """All subprocesses of a process string.

    If no light quark is produced, c and s in protons are treated by replacing u and d in the same subprocesses.
    """
    subprocesses = expand_process(text)
    if len(subprocesses) == 1:
        return Preset(text, subprocesses)
    parsed = {each: parse_process(each) for each in subprocesses}
    if any(_light(process.final) for process in parsed.values()):
        return Preset(text, subprocesses)
    first = tuple(each for each, process in parsed.items() if not _second_generation(process.incoming))
    return Preset(text, first, generations=True)


def _light(particles: Iterable[Particle]) -> bool:
    return any(abs(particle.pdg_id) <= 4 for particle in particles)


def _second_generation(particles: Iterable[Particle]) -> bool:
    return any(abs(particle.pdg_id) in (3, 4) for particle in particles)
