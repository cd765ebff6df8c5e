"""A sample of events: what it is."""

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
        How many.
    seed
        One seed, one sample; event i is the same in a larger one.
    energy
        Of both beams together, in GeV.
    densities
        Of partons in protons: ``simple``, the name of a set in LHAPDF's format or the path of its member, or ``none``
        for beams of partons.
    cuts
        At parton level, instead of those of the named sample: a table.
    budget
        How long to adapt before events are made, instead of what suits the named sample: a table. With less, largest
        weights are known less well: more events keep a weight above 1.
    cutoff
        The largest distance of resonances from their poles, in widths.
    model
        Masses, widths and couplings: a table. What it leaves out has the defaults of
        :class:`~hepreco.amplitudes.StandardModel`, of which α_s = 0.118 is not that of the default here, 0.13.
    detector
        What happens to particles on the way to NanoAOD: a table.
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
                f"'{self.process}' sums over partons of protons, and there are no parton densities",
                "write the partons that collide, or give densities",
            )
        find_preset(self.process)
        if self.events < 0:
            raise ConfigError(f"a sample of {self.events} events", "ask for at least none")
        if self.seed < 0:
            raise ConfigError(f"the seed {self.seed}", "give one of at least 0")

    @property
    def preset(self) -> Preset:
        """The processes that it is made of."""
        preset = find_preset(self.process)
        return preset if self.budget is None else replace(preset, budget=self.budget)

    def hard_processes(self) -> list[HardProcess]:
        """The processes between beams, ready to be integrated."""
        densities = None if self.densities == "none" else find_densities(self.densities)
        beams = Beams(self.energy, densities)
        return self.preset.hard_processes(beams, model=self.model, cuts=self.cuts, cutoff=self.cutoff)

    def decay_channels(self, process: HardProcess) -> DecayChannels | None:
        """The decay channels that events of a process are given, if any."""
        return self.preset.decay_channels(process)

    @property
    def partons_digest(self) -> str:
        """What events at parton level depend on, but for their number, as a hash."""
        return _digest(asdict(self) | {"events": None, "detector": None})

    @property
    def digest(self) -> str:
        """What a file of the sample depends on, as a hash."""
        return _digest(asdict(self))


def _digest(description: dict[str, Any]) -> str:
    described = json.dumps(description | {"version": version("hepreco")}, sort_keys=True, default=float)
    return hashlib.sha256(described.encode()).hexdigest()
