"""Notes on the templates of a fit: what was done to them, and what is unusual about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from hepreco.inference.templates import Channel

#: Meaning of each kind of note.
MEANING: Final = {
    "no effect": "changes no bin of any channel, and is not a parameter of the fit",
    "no simulated events": "no process has events here",
    "empty": "has no events in this channel",
    "negative bins": "has negative bins",
    "negative bins set to zero": "had negative bins, which were set to zero",
    "one-sided": "has one variation: the other shift is the nominal template, unless it is symmetrised",
    "same side": "shifts up and down change the yield in the same direction",
    "no variation": "a dataset lacks the variation, and enters with its nominal bins",
    "symmetrised": "was symmetrised",
    "smoothed": "was smoothed",
    "pruned": "was left out, since it changes every bin by less than prune",
}


@dataclass(frozen=True)
class Note:
    """A note on templates.

    Parameters
    ----------
    kind
        A key of :data:`MEANING`.
    channel, process, parameter
        The templates; empty if the note concerns all.
    bins
        Numbers of the bins, from 0, if it concerns single bins.
    """

    kind: str
    channel: str = ""
    process: str = ""
    parameter: str = ""
    bins: tuple[int, ...] = ()

    @property
    def place(self) -> str:
        """Channel, process, parameter and bins in one line."""
        where = " / ".join(part for part in (self.channel, self.process, self.parameter) if part)
        return f"{where} (bins {', '.join(map(str, self.bins))})" if self.bins else where

    def __str__(self) -> str:
        return f"{self.place}: {MEANING[self.kind]}"


def notes(channels: Sequence[Channel]) -> tuple[Note, ...]:
    r"""All notes on the templates of a fit, those on whole systematics first.

    Example
    -------
    >>> from hepreco.inference.templates import Template
    >>> empty = Template(np.zeros(2), np.zeros(2), {}, {}, ("empty",))
    >>> channel = Channel("4j1b", "", np.arange(3.0), "H", {"wjets": empty}, None)
    >>> print(*notes([channel]), sep="\n")
    4j1b (bins 0, 1): no process has events here
    4j1b / wjets: has no events in this channel
    """
    templates = [template for each in channels for template in each.templates.values()]
    moving = {name for each in templates for name, shift in each.shifts.items() if "no effect" not in shift.remarks}
    idle = dict.fromkeys(name for each in templates for name in each.shifts if name not in moving)
    return (
        *(Note("no effect", parameter=name) for name in idle),
        *(note for each in channels for note in _of_channel(each)),
    )


def _of_channel(channel: Channel) -> Iterator[Note]:
    if (none := np.flatnonzero(channel.values <= 0)).size:
        yield Note("no simulated events", channel.name, bins=tuple(none.tolist()))
    for process, template in channel.templates.items():
        bins = tuple(np.flatnonzero(template.values < 0).tolist())
        yield from (Note(kind, channel.name, process, bins=bins) for kind in template.remarks)
        for parameter, shift in template.shifts.items():
            idle = "no effect" in shift.remarks  # said of all templates together
            said = [kind for kind in shift.remarks if not idle or kind == "no variation"]
            yield from (Note(kind, channel.name, process, parameter) for kind in said)
