"""The processes of datasets, with their labels and colours in figures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Grouping:
    """The datasets of each process.

    Parameters
    ----------
    processes
        Datasets of each simulated process, in the order in which they are stacked.
    data
        Datasets of observed events.
    periods
        The data-taking period of each dataset that has one.
    labels, colours
        Labels and colours of processes in figures; by default their names, and hepreco's colours.
    """

    processes: Mapping[str, tuple[str, ...]]
    data: tuple[str, ...] = ()
    periods: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_configured(self) -> bool:
        """Whether there are data, labels, colours, or a process that differs from a dataset of the same name."""
        return bool(self.data or self.labels or self.colours) or any(
            datasets != (name,) for name, datasets in self.processes.items()
        )


def grouping(provenance: Mapping[str, Any]) -> Grouping:
    """The grouping of a run, from the provenance of its histograms.

    Parameters
    ----------
    provenance
        ``labels`` names all datasets. ``processes`` gives for each dataset the ``name``, ``label``, ``colour`` and
        ``order`` of its process. ``data`` lists datasets of observed events, and ``periods`` gives the data-taking
        period of datasets. Each key may be missing.

    Example
    -------
    >>> run = {"labels": {"a17": "A", "a18": "A", "d": "d"}, "data": ["d"], "processes": {"a17": {"name": "a"}}}
    >>> grouping({**run, "processes": {name: {"name": "a"} for name in ("a17", "a18")}}).processes
    {'a': ('a17', 'a18')}
    """
    data = tuple(provenance.get("data", ()))
    tables = {
        name: {"name": name, **provenance.get("processes", {}).get(name, {})} for name in provenance.get("labels", ())
    }
    simulated = sorted(
        (name for name in tables if name not in data),
        key=lambda name: (tables[name].get("order", 0), tables[name]["name"]),
    )
    processes: dict[str, tuple[str, ...]] = {}
    for name in simulated:
        process = tables[name]["name"]
        processes[process] = (*processes.get(process, ()), name)
    shown = {
        key: {tables[name]["name"]: tables[name][key] for name in simulated if tables[name].get(key)}
        for key in ("label", "colour")
    }
    return Grouping(processes, data, dict(provenance.get("periods", {})), shown["label"], shown["colour"])
