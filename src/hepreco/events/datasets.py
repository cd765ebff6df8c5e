"""Datasets: their files, which of their events count, and their normalisation."""

from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Final, Literal

import fsspec

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError, DatasetError
from hepreco.events.columns import WEIGHT, Columns, is_bit
from hepreco.names import check_name

#: Paths or addresses of one file.
Replicas = tuple[str, ...]
Kind = Literal["data", "skim", "simulation"]
_OF_DATA: Final = ("certified", "luminosity_table", "veto_datasets")


@dataclass(frozen=True)
class Dataset:
    """Files of one process or data-taking period.

    Parameters
    ----------
    name
        Name on the ``dataset`` axis of every histogram, and of the directory for its columns.
    files
        Paths, globs, or addresses that uproot opens (``root://``, ``https://``). A tuple in place of an entry holds
        several addresses of one file; the next is tried if one cannot be read.
    cross_section
        Cross-section in pb. Histograms are scaled by σ·L / Σw with the luminosity L of the run and the sum of weights
        Σw of the processed events. ``None``, as for data, means no scaling.
    label
        Label in legends; by default the name.
    tree
        Name of the tree in the files.
    period
        Data-taking period, for its luminosity and the working points of tags.
    data
        Whether the events are data: they have the weight 1, and ``genWeight`` is not read.
    certified
        Path of a golden JSON; events of data outside of it are removed first.
    luminosity_table
        Path of a table of brilcalc by luminosity section, to sum the luminosity of the processed sections.
    triggers
        Trigger bits such as ``HLT.IsoMu24``; an event needs at least one. A bit that a file lacks is false there.
    veto_triggers
        Trigger bits that an event must not have, because it is in the dataset of these triggers already.
    veto_datasets
        Names of datasets of data whose events are removed from this one, by run, luminosity section and event number.
        Events that pass the golden JSON and the triggers of those datasets count.
    skim
        Whether the files hold only a part of the generated events; Σw is then read from their ``Runs`` trees.

    Raises
    ------
    ConfigError
        The name cannot be that of a directory, the cross-section is not a positive number, a trigger is not a trigger
        bit, or an option of data is given for simulation or the other way round.
    """

    name: str
    files: tuple[str | Replicas, ...]
    cross_section: float | None = None
    label: str = ""
    tree: str = "Events"
    period: str = ""
    data: bool = False
    certified: str = ""
    luminosity_table: str = ""
    triggers: tuple[str, ...] = ()
    veto_triggers: tuple[str, ...] = ()
    veto_datasets: tuple[str, ...] = ()
    skim: bool = False

    def __post_init__(self) -> None:
        check_name(self.name, what="a dataset")
        if self.cross_section is not None:
            check_positive(self.cross_section, what=f"cross_section of dataset {self.name!r}", unit="pb")
        self._check_kind()
        for path in (*self.triggers, *self.veto_triggers):
            if not is_bit(path) or path.count(".") != 1:
                raise ConfigError(
                    f"dataset {self.name!r} has the trigger {path!r}, which is no trigger bit",
                    f"write {path.replace('_', '.', 1)!r}" if is_bit(path.replace("_", ".", 1)) else "as HLT.IsoMu24",
                )

    def _check_kind(self) -> None:
        """Refuse a cross-section of data, and options of data for simulation."""
        of_simulation = {"cross_section": self.cross_section is not None, "skim": self.skim}
        for key, said in of_simulation.items():
            if self.data and said:
                raise ConfigError(
                    f"dataset {self.name!r} is data and has {key}", f"take {key} out: nothing of data is normalised"
                )
        for key in _OF_DATA:
            if getattr(self, key) and not self.data:
                raise ConfigError(
                    f"dataset {self.name!r} has {key} and is not data", f"write data = true, or take {key} out"
                )

    @property
    def kind(self) -> Kind:
        """Data, a skim of simulation, or simulation whose files hold all generated events."""
        return "data" if self.data else "skim" if self.skim else "simulation"

    @property
    def columns(self) -> Columns:
        """The columns that every run reads from the files."""
        numbers = ("run", "luminosityBlock") if self.certified or self.luminosity_table else ()
        weight = () if self.cross_section is None else (WEIGHT,)
        return Columns((*weight, *numbers, *self.triggers, *self.veto_triggers), weighted=not self.data)

    def paths(self) -> tuple[str, ...]:
        """All files by their first address; see :meth:`replicas`."""
        return tuple(addresses[0] for addresses in self.replicas())

    def replicas(self) -> tuple[Replicas, ...]:
        """The addresses of all files, each file once, with globs expanded in sorted order.

        Raises
        ------
        DatasetError
            There are no files, a pattern matches none, or a local file does not exist.
        """
        found: dict[str, Replicas] = {}
        for entry in self.files:
            each = [(path,) for path in self._expand(entry)] if isinstance(entry, str) else [self._addresses(entry)]
            for addresses in each:
                found.setdefault(addresses[0], addresses)
        if not found:
            raise DatasetError(f"dataset {self.name!r} names no files", 'give it files = ["..."] or use --files')
        return tuple(found.values())

    def _addresses(self, replicas: Replicas) -> Replicas:
        """The addresses of one file; a local file may be missing, since the next address is tried then."""
        if not replicas:
            raise DatasetError(f"dataset {self.name!r} has a list of no replicas", "give each file an address")
        for address in replicas:
            _require_protocol(address)
        return tuple(
            address if "://" in address else str(Path(address).resolve()) for address in map(_without_scheme, replicas)
        )

    def _expand(self, pattern: str) -> list[str]:
        pattern = _without_scheme(pattern)
        if "://" in pattern:
            _require_protocol(pattern)
            return [pattern]
        matches = [pattern] if Path(pattern).is_file() else glob(pattern, recursive=True)  # noqa: PTH207  patterns may be absolute
        if not matches:
            raise DatasetError(
                f"dataset {self.name!r}: no such file: {pattern}",
                "check the path (relative paths start at the working directory of the command, or at the TOML file)",
            )
        return sorted(str(Path(match).resolve()) for match in matches)


def _without_scheme(address: str) -> str:
    """A path in place of an address that begins with ``file://``."""
    if address.startswith("file://"):
        return address.removeprefix("file://").removeprefix("localhost")
    return address


def _require_protocol(address: str) -> None:
    """Refuse an address that needs a package which is not installed."""
    protocol = address.partition("://")[0] if "://" in address else "file"
    try:
        fsspec.get_filesystem_class(protocol)
    except (ImportError, ValueError) as error:
        package = (
            '"hepreco[xrootd]", for fsspec-xrootd' if protocol == "root" else f"what {protocol}:// needs ({error})"
        )
        raise DatasetError(f"cannot read {address}: no package for {protocol}://", f"pip install {package}") from None
