"""Assignments of momenta to legs: a current is computed once for each distinct filling of its legs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from hepreco.errors import MomentaError

#: Final legs that a quantity depends on, in groups; the order of the momenta within a group does not matter.
Slots = tuple[tuple[int, ...], ...]

_CODE_LIMIT = 2**62


@dataclass(frozen=True)
class Table:
    """The distinct fillings of some slots: the filling of each assignment, and one assignment for each filling."""

    of_assignment: Tensor
    representative: Tensor

    def __len__(self) -> int:
        return len(self.representative)


class Fillings:
    """The fillings of all slots under a list of assignments.

    Parameters
    ----------
    assignments
        (assignment, final leg): the position of the final momentum on the leg; int64.
    """

    def __init__(self, assignments: Tensor) -> None:
        self.assignments = assignments
        self._tables: dict[Slots, Table] = {}
        self._transfers: dict[tuple[Slots, Slots], Tensor | None] = {}

    def __len__(self) -> int:
        return len(self.assignments)

    # Cached tensors must be usable with gradients later, even if made in inference mode.
    @torch.inference_mode(mode=False)
    def table(self, slots: Slots) -> Table:
        """The distinct fillings of these slots."""
        if slots not in self._tables:
            self._tables[slots] = self._table(slots)
        return self._tables[slots]

    def _table(self, slots: Slots) -> Table:
        rows, momenta = self.assignments.shape
        code = self.assignments.new_zeros(rows)
        bound = 1
        for group in slots:
            for column in self.assignments[:, list(group)].sort(dim=1).values.unbind(dim=1):
                if bound * momenta >= _CODE_LIMIT:
                    distinct, code = code.unique(return_inverse=True)
                    bound = len(distinct)
                code = code * momenta + column
                bound *= momenta
        distinct, of_assignment = code.unique(return_inverse=True)
        everywhere = torch.arange(rows, device=code.device)
        representative = everywhere.new_empty(len(distinct)).scatter_(0, of_assignment, everywhere)
        return Table(of_assignment, representative)

    @torch.inference_mode(mode=False)
    def transfer(self, source: Slots, target: Slots) -> Tensor | None:
        """The filling of ``source`` in each filling of ``target``; None if these are all fillings in order."""
        key = (source, target)
        if key not in self._transfers:
            index = self.table(source).of_assignment[self.table(target).representative]
            count = len(self.table(source))
            same = count == 1 or (
                len(index) == count and bool((index == torch.arange(count, device=index.device)).all())
            )
            self._transfers[key] = None if same else index
        return self._transfers[key]

    def momenta(self, slots: Slots) -> Tensor:
        """Positions (filling, leg) of the final momenta on all legs of ``slots``."""
        legs = [leg for group in slots for leg in group]
        return self.assignments[self.table(slots).representative][:, legs]


def join_slots(slots: Iterable[Slots]) -> Slots:
    """The slots of a quantity that depends on all of these."""
    return tuple(group for one in slots for group in one)


def take(values: Tensor, index: Tensor | None) -> Tensor:
    """Values (..., filling, event) at the fillings ``index``; all values if it is None.

    Values that are equal for all fillings stay an axis of length 1, which broadcasts.
    """
    return values if index is None or values.shape[-2] == 1 else values.index_select(-2, index)


def canonical(assignments: Tensor, identical: Sequence[Sequence[Sequence[int]]]) -> Tensor:
    """The same assignments with the momenta of identical legs in a fixed order, so that equivalent ones are equal.

    ``identical`` lists groups of legs; each leg is given by the final legs that it decays to, or itself.
    """
    for group in identical:
        columns = torch.tensor(group, device=assignments.device)
        blocks = assignments[:, columns]
        order = blocks[:, :, 0].argsort(dim=1)
        sorted_blocks = blocks.gather(1, order[:, :, None].expand_as(blocks))
        assignments = assignments.index_copy(1, columns.flatten(), sorted_blocks.flatten(1))
    return assignments


def check_assignments(assignments: Tensor, *, legs: int) -> None:
    """``MomentaError`` unless assignments are integers (assignment, leg) whose rows are permutations."""
    if assignments.dtype.is_floating_point or assignments.dtype.is_complex or assignments.dtype == torch.bool:
        raise MomentaError(f"assignments of type {assignments.dtype}", "give integers")
    if assignments.ndim != 2 or assignments.shape[1] != legs:
        raise MomentaError(
            f"assignments of shape {tuple(assignments.shape)}, expected (assignment, {legs})",
            "give, for each final leg, the number of the final momentum on it",
        )
    rows = assignments.long()
    bad = (rows.sort(dim=1).values != torch.arange(legs, device=rows.device)).any(dim=1)
    if bool(bad.any()):
        row = int(bad.nonzero()[0, 0])
        raise MomentaError(
            f"assignment {row} is {rows[row].tolist()}, not a permutation of 0 to {legs - 1}",
            "use each final momentum once",
        )
