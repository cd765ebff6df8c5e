"""The decays of a process as trees: each produced particle, with all its decay products."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hepreco.amplitudes.particles import Particle
from hepreco.amplitudes.process import Leg, Process


@dataclass(frozen=True)
class DecayTree:
    """A particle of a process, with its decay.

    Parameters
    ----------
    leg
        The particle, its polarisation, and the process of its decay.
    row
        Its position among all particles after the incoming ones, where each particle precedes its daughters. Event
        records have the same order.
    legs
        Positions in :attr:`Process.final` of the final particles that it decays to.
    daughters
        Its decay products; empty for a stable particle.

    Example
    -------
    >>> from hepreco.amplitudes import parse_process
    >>> top, antitop = decay_trees(parse_process("g g > t t~, (t > b w+, w+ > u d~)"))
    >>> [(node.particle.name, node.row, node.legs) for node in top]
    [('t', 0, (0, 1, 2)), ('b', 1, (0,)), ('w+', 2, (1, 2)), ('u', 3, (1,)), ('d~', 4, (2,))]
    >>> antitop.row, antitop.legs, antitop.daughters
    (5, (3,), ())
    """

    leg: Leg
    row: int
    legs: tuple[int, ...]
    daughters: tuple["DecayTree", ...] = ()

    def __iter__(self) -> Iterator["DecayTree"]:
        """The particle, then each daughter with its own daughters."""
        yield self
        for daughter in self.daughters:
            yield from daughter

    @property
    def particle(self) -> Particle:
        """The particle itself."""
        return self.leg.particle


def decay_trees(process: Process) -> tuple[DecayTree, ...]:
    """The decay trees of the particles that a process produces, in order."""
    return _trees(process.outgoing, row=0, position=0)


def mothers(trees: Iterable[DecayTree]) -> tuple[int, ...]:
    """The row of each particle's mother, in the order of rows; −1 for particles that the process itself produces."""
    nodes = [node for tree in trees for node in tree]
    mother = {daughter.row: node.row for node in nodes for daughter in node.daughters}
    return tuple(mother.get(node.row, -1) for node in nodes)


def _trees(legs: Iterable[Leg], *, row: int, position: int) -> tuple[DecayTree, ...]:
    trees = []
    for leg in legs:
        daughters = _trees(leg.decay.outgoing, row=row + 1, position=position) if leg.decay else ()
        size = len(leg.decay.final) if leg.decay else 1
        trees.append(DecayTree(leg, row, tuple(range(position, position + size)), daughters))
        row, position = row + sum(1 for _ in trees[-1]), position + size
    return tuple(trees)
