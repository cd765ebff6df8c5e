"""Jet energies: levels of correction, sources of uncertainty, resolution, and their effect on the missing momentum."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import awkward as ak

from hepreco.errors import ConfigError
from hepreco.plugin import CorrectionInput, ObjectCorrection
from hepreco_corrections.examples import EXAMPLE
from hepreco_corrections.files import ByPeriod, NamedCorrection, all_of, find, of_period
from hepreco_corrections.tables import freeze

#: Name of the pair of variations of the smearing.
RESOLUTION: Final = "resolution"
#: Columns of jets by the names of the inputs.
OF_JETS: Final = {"JetPt": "pt", "JetMass": "mass", "JetEta": "eta", "JetPhi": "phi", "JetA": "area"}
#: Further columns for type I: of jets, and of the jets below the pt threshold of NanoAOD.
JET_COLUMNS: Final = ("muonSubtrFactor", "muonSubtrDeltaPhi", "chEmEF", "neEmEF")
SOFT_JETS: Final = "CorrT1METJet"
SOFT_COLUMNS: Final = ("rawPt", "phi", "eta", "area", "muonSubtrFactor", "muonSubtrDeltaPhi", "EmEF")


@final
@dataclass(frozen=True)
class JetEnergy(ObjectCorrection):
    """Jet energy corrections, their uncertainties, and smearing to the resolution of data, from correctionlib.

    The corrections replace those of NanoAOD. Smearing and sources of uncertainty follow, as in coffea's
    ``CorrectedJetsFactory``, but random numbers derive from the event and the position of the jet in it, so that they
    do not depend on chunks. The change of the jets is propagated to the missing momentum.

    Parameters
    ----------
    file
        A JSON file of correctionlib, which may be gzipped; or a table of files by data-taking period.
    tag
        Beginning of the names of the corrections, such as ``Summer22_22Sep2023_V2_MC``; or a table by period.
    level
        Level of the correction; empty to keep the pt of the files.
    sources
        Sources of uncertainty, each with a pair of variations.
    resolution
        Beginning of the names of resolution and scale factor, such as ``Summer22_22Sep2023_JRV1_MC``, or a table by
        period; empty for no smearing, as for data.
    algorithm
        End of all names.
    jets, generated
        The collections of jets and of generated jets; without the latter, all jets are smeared at random.
    density
        Column of the pile-up density, for corrections that need it.
    missing_momentum
        The missing momentum to which the changes of jets are propagated; empty for none.
    type_1
        Whether the missing momentum is recomputed from the uncorrected one and all jets above 15 GeV, with those of
        ``CorrT1METJet`` (NanoAOD from version 13 on).

    Example
    -------
    >>> JetEnergy("jec.json", "V1_MC", level="", sources=("Total",)).variations
    ('Total_up', 'Total_down')
    """

    file: ByPeriod
    tag: ByPeriod
    level: str = "L1L2L3Res"
    sources: tuple[str, ...] = ()
    resolution: ByPeriod = ""
    algorithm: str = "AK4PFPuppi"
    jets: str = "Jet"
    generated: str = "GenJet"
    density: str = "Rho.fixedGridRhoFastjetAll"
    missing_momentum: str = "PuppiMET"
    type_1: bool = False

    def __post_init__(self) -> None:
        freeze(self)
        if self.type_1 and not (self.level and self.missing_momentum):
            raise ConfigError(
                "jet-energy: type_1 without a level of correction, or a missing momentum", "give both, or leave it out"
            )
        if RESOLUTION in self.sources:
            raise ConfigError(f"jet-energy: no source can be called {RESOLUTION!r}", "give 'resolution' its tag")

    @property
    def reads(self) -> tuple[str, ...]:
        """The inputs of the corrections of all periods, and the columns that are changed."""
        wanted = {name for period in self.periods for part in self.named(period).values() for name in part.signature}
        mine = ["pt", "mass", *(["rawFactor"] if self.level else []), *(["phi"] if self.missing_momentum else [])]
        mine += [column for name, column in OF_JETS.items() if name in wanted]
        if self.resolution:
            mine += ["eta", *(["phi", index_column(self.generated)] if self.generated else [])]
        mine += JET_COLUMNS if self.type_1 else ()
        paths = [f"{self.jets}.{column}" for column in mine]
        paths += [self.density] if "Rho" in wanted else []
        paths += [f"{self.generated}.{name}" for name in ("pt", "eta", "phi") if self.resolution and self.generated]
        paths += [f"{SOFT_JETS}.{name}" for name in SOFT_COLUMNS if self.type_1]
        for name in (self.missing_momentum, f"Raw{self.missing_momentum}" if self.type_1 else ""):
            paths += [f"{name}.pt", f"{name}.phi"] if name else []
        return tuple(dict.fromkeys(paths))

    @property
    def changes(self) -> tuple[str, ...]:
        """Pt and mass of jets, and pt and phi of the missing momentum."""
        missing = (f"{self.missing_momentum}.pt", f"{self.missing_momentum}.phi") if self.missing_momentum else ()
        return (f"{self.jets}.pt", f"{self.jets}.mass", *missing)

    @property
    def variations(self) -> tuple[str, ...]:
        """A pair for each source, and ``resolution_up`` and ``resolution_down`` where jets are smeared."""
        varied = (*self.sources, *((RESOLUTION,) if self.resolution else ()))
        return tuple(f"{name}_{direction}" for name in varied for direction in ("up", "down"))

    @property
    def files(self) -> tuple[str, ...]:
        """The files of all periods."""
        return all_of(self.file)

    @classmethod
    def examples(cls) -> tuple["JetEnergy", ...]:
        """Examples for simulation, for data, without a level of correction, and for type I."""
        return (
            cls(EXAMPLE, "Example_MC", sources=("Total", "Flavour"), resolution="Example_JR_MC"),
            cls(EXAMPLE, "Example_DATA"),
            cls(EXAMPLE, "Example_MC", level="", sources=("Total",), resolution="Example_JR_MC", missing_momentum=""),
            cls(EXAMPLE, "Example_MC", sources=("Total",), resolution="Example_JR_MC", type_1=True),
        )

    def setup(self) -> None:
        """Read the files, and find the corrections."""
        for period in self.periods:
            self.named(period)
            if self.type_1:
                self.first_level(period)

    def corrected(self, events: CorrectionInput, variation: str) -> Mapping[str, ak.Array]:
        """Pt and mass of all jets, and the missing momentum, in the types of the columns that are read."""
        from hepreco_corrections.jet_computation import corrected_jets  # noqa: PLC0415  imports coffea's tools and scipy

        return corrected_jets(self, events, variation)

    @property
    def periods(self) -> tuple[str, ...]:
        """The periods in the tables of the options; one without a name if there are no tables."""
        tables = [each for each in (self.file, self.tag, self.resolution) if not isinstance(each, str)]
        return tuple(dict.fromkeys(period for table in tables for period in table)) or ("",)

    def named(self, period: str) -> dict[str, NamedCorrection]:
        """All corrections of a period, by coffea's name for their kind, or by their source."""
        path, tag, resolution = (of_period(each, period) for each in (self.file, self.tag, self.resolution))
        names = {"jec": f"{tag}_{self.level}_{self.algorithm}"} if self.level else {}
        names |= {source: f"{tag}_{source}_{self.algorithm}" for source in self.sources}
        if resolution:
            names |= {
                "jer": f"{resolution}_PtResolution_{self.algorithm}",
                "jersf": f"{resolution}_ScaleFactor_{self.algorithm}",
            }
        return {part: find(path, name) for part, name in names.items()}

    def first_level(self, period: str) -> NamedCorrection:
        """The first level of correction, which type I leaves out."""
        tag = of_period(self.tag, period)
        return find(of_period(self.file, period), f"{tag}_L1FastJet_{self.algorithm}")


def index_column(generated: str) -> str:
    """The column of jets that points to generated ones: ``genJetIdx`` for ``GenJet``."""
    return f"{generated[:1].lower()}{generated[1:]}Idx"
