"""The definition of a sample of events."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from hepreco.amplitudes import LEADING_ORDER, StandardModel
from hepreco.detector import Detector
from hepreco.errors import ConfigError
from hepreco.generation.hard.beams import Beams
from hepreco.generation.hard.cuts import Cuts
from hepreco.generation.hard.decay_channels import DecayChannels
from hepreco.generation.hard.densities import find_densities
from hepreco.generation.hard.hard_process import HardProcess
from hepreco.generation.hard.sampler import IntegrationBudget
from hepreco.generation.samples.presets import Preset, find_preset


@dataclass(frozen=True)
class Sample:
    """Simulated events of a process.

    Parameters
    ----------
    process
        A name that ``hepreco generate --list`` prints (:data:`~hepreco.generation.PRESETS`), or a process in MadGraph's
        syntax.
    events
        Number of events.
    seed
        Seed of the random numbers; a larger sample with the same seed begins with the same events.
    energy
        Centre-of-mass energy of both beams, in GeV.
    densities
        Parton densities of the proton: ``simple``, the name of a set in LHAPDF's format or the path of its member, or
        ``none`` for beams of partons.
    cuts
        A table of cuts at parton level, which replace those of the named sample.
    budget
        A table of the integration budget, which replaces that of the named sample. With a smaller one the largest
        weights are less well known, so that more events keep a weight above 1.
    cutoff
        The largest distance of resonances from their poles, in widths.
    model
        A table of masses, widths and couplings. Missing keys have the defaults of
        :class:`~hepreco.amplitudes.StandardModel`, so α_s is 0.118; without any table it is 0.13.
    detector
        A table of the parameters of the detector simulation.
    """

    process: str
    events: int
    seed: int = 1
    energy: float = 13_000.0
    densities: str = "simple"
    cuts: Cuts | None = None
    cutoff: float = 15.0
    budget: IntegrationBudget | None = None
    model: StandardModel = LEADING_ORDER
    detector: Detector = Detector()

    def __post_init__(self) -> None:
        incoming = self.process.lower().partition(">")[0].split()
        if self.densities == "none" and {"p", "j"} & set(incoming):
            raise ConfigError(
                f"'{self.process}' sums over partons of protons, but there are no parton densities",
                "write the partons that collide, or give densities",
            )
        find_preset(self.process)
        if self.events < 0:
            raise ConfigError(f"a sample of {self.events} events", "give at least 0")
        if self.seed < 0:
            raise ConfigError(f"the seed {self.seed}", "give a seed of at least 0")

    @property
    def preset(self) -> Preset:
        """The named sample, or that of the process, with the integration budget asked for."""
        preset = find_preset(self.process)
        return preset if self.budget is None else replace(preset, budget=self.budget)

    def hard_processes(self) -> list[HardProcess]:
        """The processes with their beams, ready to be integrated."""
        densities = None if self.densities == "none" else find_densities(self.densities)
        beams = Beams(self.energy, densities)
        return self.preset.hard_processes(beams, model=self.model, cuts=self.cuts, cutoff=self.cutoff)

    def decay_channels(self, process: HardProcess) -> DecayChannels | None:
        """The decay channels that are assigned to events of a process, if any."""
        return self.preset.decay_channels(process)

    @property
    def partons_digest(self) -> str:
        """Hash of all that determines the events at parton level, except their number."""
        return _digest(asdict(self) | {"events": None, "detector": None})

    @property
    def digest(self) -> str:
        """Hash of all that determines a file of the sample."""
        return _digest(asdict(self))


def _digest(description: dict[str, Any]) -> str:
    described = json.dumps(description | {"version": version("hepreco")}, sort_keys=True, default=float)
    return hashlib.sha256(described.encode()).hexdigest()
