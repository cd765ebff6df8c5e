"""Opens a tree with only the branches that are needed.

uproot needs two seconds to open a recent NanoAOD file, nearly all of it for the metadata of 2600 branches. A run needs
about twenty of them, so the metadata of the others are skipped here.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import uproot
from uproot.behaviors.TBranch import HasBranches
from uproot.behaviors.TTree import TTree
from uproot.const import kMapOffset
from uproot.deserialization import read_object_any
from uproot.models.TObjArray import Model_TObjArray
from uproot.models.TObject import Model_TObject

_SIZE_AND_LOWER_BOUND: Final = struct.Struct(">ii")
_UNSIGNED: Final = struct.Struct(">I")
#: Precedes the name of a class at its first occurrence in a buffer.
_NEW_CLASS: Final = b"\xff\xff\xff\xff"
_BYTE_COUNT: Final = 0x40000000
#: Bytes between the class of a branch and its name: sizes and versions of TBranch and TNamed, then TObject.
_BEFORE_NAME: Final = 6 + 6 + 10
_LONGEST_NAME: Final = 1000


class OpenTree(NamedTuple):
    """A tree or RNTuple with the wanted branches, and the names of all its branches."""

    tree: Any
    names: tuple[str, ...]


def open_tree(path: str, tree: str, *, wanted: Callable[[str], bool], **options: Any) -> OpenTree:
    """Open a tree of a file, with the metadata of the wanted branches only.

    Exceptions of uproot are passed on: ``KeyError`` if the file has no such tree.
    """
    names: list[str] = []
    classes = {**uproot.classes, "TObjArray": _selecting(wanted, names)}
    opened = uproot.open({path: None}, custom_classes=classes, **options)[tree]
    if not isinstance(opened, HasBranches):
        names = [name.partition(".")[0] for name in opened.keys(recursive=False)]
    return OpenTree(opened, tuple(dict.fromkeys(names)))


class _References(dict[int, Any]):
    """Objects that a buffer refers back to; those that were skipped are read on first access."""

    def __init__(self, known: dict[int, Any], read: Callable[[int], Any]) -> None:
        super().__init__(known)
        self._read = read

    def __contains__(self, reference: object) -> bool:
        return super().__contains__(reference) or (isinstance(reference, int) and self[reference] is not None)

    def __missing__(self, reference: int) -> Any:
        self[reference] = self._read(reference)
        return self[reference]


def _selecting(wanted: Callable[[str], bool], names: list[str]) -> type[Model_TObjArray]:
    """A reader of object arrays that skips the unwanted branches of a tree and collects the names of all branches."""

    class Model_TObjArray_(Model_TObjArray):  # type: ignore[misc]  # noqa: N801  uproot reads the C++ name from it
        def read_members(self, chunk: Any, cursor: Any, context: Any, file: Any) -> None:
            if not isinstance(self._parent, TTree):
                super().read_members(chunk, cursor, context, file)
                return
            if names:  # the list of leaves, which the branches contain as well
                self._data: list[Any] = []
                cursor.skip_after(self)
                return
            base = Model_TObject.read(chunk, cursor, context, file, self._file, self._parent, concrete=self.concrete)
            self._bases.append(base)
            self._members["fName"] = cursor.string(chunk, context)
            size, self._members["fLowerBound"] = cursor.fields(chunk, _SIZE_AND_LOWER_BOUND, context)

            def refer(reference: int) -> Any:
                return _referred(cursor.copy(), chunk, context, file, self, reference)

            cursor._refs = _References(cursor.refs, refer)
            self._data = []
            for _ in range(size):
                name, stop = _name_and_end(chunk, cursor, context)
                names.append(name)
                if wanted(name):
                    self._data.append(read_object_any(chunk, cursor, context, file, self._file, self._parent))
                else:
                    cursor.move_to(stop)
            self._members["fSize"] = len(self._data)

    Model_TObjArray_.__name__ = "Model_TObjArray"
    return Model_TObjArray_


def _name_and_end(chunk: Any, cursor: Any, context: Any) -> tuple[str, int]:
    """The name of the branch at the cursor, and where the next one starts."""
    start = cursor.index
    head = chunk.get(start, min(start + _LONGEST_NAME, chunk.stop), cursor, context).tobytes()
    size = _UNSIGNED.unpack_from(head)[0] & ~_BYTE_COUNT
    at = (head.index(0, 8) + 1 if head[4:8] == _NEW_CLASS else 8) + _BEFORE_NAME
    if start + size > chunk.stop or at + 1 + head[at] > len(head):
        raise ValueError(f"the branch at byte {start} of the tree's metadata does not end within it")
    return head[at + 1 : at + 1 + head[at]].decode(), start + 4 + size


def _referred(cursor: Any, chunk: Any, context: Any, file: Any, branches: Any, reference: int) -> Any:
    """The class or object at a reference; ``None`` if there is none."""
    start = cursor.origin + reference - kMapOffset
    if not chunk.start <= start < cursor.index - 8:
        return None
    head = chunk.get(start, min(start + _LONGEST_NAME, chunk.stop), cursor, context).tobytes()
    if head[:4] == _NEW_CLASS:
        return file.class_named(head[4 : head.index(0, 4)].decode())
    cursor.move_to(start)
    return read_object_any(chunk, cursor, context, file, branches._file, branches._parent)
