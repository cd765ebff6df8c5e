"""Kinds of damage: pure functions of a whole file and of random numbers, whose result is the bytes of a damaged one."""

import struct
from collections.abc import Callable, Sequence

import numpy as np
import xxhash
from bases import EVENTS, Base, Range

HEADER = 100
ABSURD = (2**24, 2**31 - 1, 2**31, 2**40, 2**62, 2**63 - 1)
NEGATIVE = (-1, -EVENTS, -(2**31), -(2**63))
UNLIKE = (0, 1, EVENTS - 1, EVENTS + 1, 2 * EVENTS, 10 * EVENTS)

Damage = Callable[[Base, Base, np.random.Generator], bytes]


def _spots(data: bytes, ranges: Sequence[Range], rng: np.random.Generator, count: int) -> list[int]:
    """Positions in one of the ranges, each range as likely as its length; mostly where there is something.

    Files have long stretches of zeros that nobody reads.
    """
    sizes = np.array([stop - start for start, stop in ranges], float)
    start, stop = ranges[rng.choice(len(ranges), p=sizes / sizes.sum())]
    filled = start + np.flatnonzero(np.frombuffer(data[start:stop], np.uint8))
    if len(filled) and rng.random() < 0.7:
        return [int(position) for position in rng.choice(filled, count)]
    return [int(position) for position in rng.integers(start, stop, count)]


def _flipped(data: bytes, ranges: Sequence[Range], rng: np.random.Generator) -> bytes:
    """One to eight bytes changed: one bit of each, or all."""
    damaged = bytearray(data)
    for position in _spots(data, ranges, rng, int(rng.choice([1, 1, 1, 2, 4, 8]))):
        damaged[position] ^= int(1 << rng.integers(8) if rng.random() < 0.6 else rng.integers(1, 256))
    return bytes(damaged)


def flip_header(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Bytes of the first hundred, which say where everything is."""
    return _flipped(base.data, [(4, 64)], rng)


def flip_metadata(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Bytes of directories, of streamers or of anything else that is neither header nor basket."""
    return _flipped(base.data, base.layout.metadata, rng)


def flip_tree(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Bytes of the description of the tree; half of the time with checksums that agree, where it has any."""
    damaged = _flipped(base.data, base.layout.tree, rng)
    return _checked(damaged, base) if rng.random() < 0.5 else damaged


def flip_key(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Bytes of the headers of baskets."""
    return _flipped(base.data, base.layout.keys or base.layout.metadata, rng)


def flip_payload(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Bytes of what baskets or pages hold."""
    return _flipped(base.data, base.layout.payloads or base.layout.metadata, rng)


def cut_short(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """The file ends at any length."""
    return base.data[: int(rng.integers(0, len(base.data)))]


def _block(data: bytes, rng: np.random.Generator) -> slice:
    size = int(min(2 ** rng.uniform(1, 12), len(data) // 2))
    start = int(rng.integers(4, len(data) - size))
    return slice(start, start + size)


def zeros(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """A block of zeros, as a disk leaves where it could not write."""
    damaged, where = bytearray(base.data), _block(base.data, rng)
    damaged[where] = bytes(where.stop - where.start)
    return bytes(damaged)


def noise(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """A block of anything."""
    damaged, where = bytearray(base.data), _block(base.data, rng)
    damaged[where] = rng.bytes(where.stop - where.start)
    return bytes(damaged)


def block_twice(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """A block that is written twice: over what follows it, or before it."""
    where = _block(base.data, rng)
    block = base.data[where]
    rest = base.data[where.stop :] if rng.random() < 0.5 else base.data[where.stop + len(block) :]
    return base.data[: where.stop] + block + rest


def block_lost(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """A block that is missing."""
    where = _block(base.data, rng)
    return base.data[: where.start] + base.data[where.stop :]


def blocks_exchanged(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Two blocks in each other's place."""
    damaged, one = bytearray(base.data), _block(base.data, rng)
    size = one.stop - one.start
    other = int(rng.integers(4, len(base.data) - size))
    damaged[one], damaged[other : other + size] = base.data[other : other + size], base.data[one]
    return bytes(damaged)


def spliced(base: Base, other: Base, rng: np.random.Generator) -> bytes:
    """The beginning of one file, with half of its baskets at least, and the end of another.

    With fewer the result may be a whole file, the other one but for its header, whose numbers are right.
    """
    starts = sorted(start for start, _ in base.layout.payloads or base.layout.metadata)
    at = int(rng.integers(starts[len(starts) // 2], len(base.data)))
    if base.data[at:] == other.data[at:]:  # as of two files without events, written in the same second
        return flip_metadata(base, base, rng)
    return base.data[:at] + other.data[at:]


def entries(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """Numbers of entries in the description: absurd, negative, or unlike each other; with checksums that agree."""
    places = list(_places(base, base.events))
    if not places:
        return flip_metadata(base, base, rng)
    one_of = (ABSURD, NEGATIVE, UNLIKE)[rng.integers(3)]
    value = int(rng.choice(np.array(one_of, dtype=np.int64)))
    chosen = [places, places[:1], places[1:], [places[rng.integers(len(places))]]][rng.integers(4)] or places
    damaged = bytearray(base.data)
    for place in chosen:
        damaged[place : place + 8] = struct.pack(f"{base.layout.byteorder}q", value)
    return _checked(bytes(damaged), base)


def _places(base: Base, number: int) -> list[int]:
    pattern = struct.pack(f"{base.layout.byteorder}q", number)
    found = []
    for start, stop in base.layout.metadata:
        position = base.data.find(pattern, start, stop)
        while position >= 0:
            found.append(position)
            position = base.data.find(pattern, position + 1, stop)
    return found


def _checked(data: bytes, base: Base) -> bytes:
    """The same with the checksums of an RNTuple's envelopes made right, as a program that lies would write them."""
    fixed = bytearray(data)
    for start, stop in base.layout.tree if base.layout.byteorder == "<" else ():
        fixed[stop - 8 : stop] = struct.pack("<Q", xxhash.xxh3_64_intdigest(bytes(fixed[start : stop - 8])))
    return bytes(fixed)


def counter(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """``nJet`` unlike the lengths of the jets' branches."""
    if not base.layout.counters:
        return flip_payload(base, base, rng)
    start, stop = base.layout.counters[rng.integers(len(base.layout.counters))]
    order = f"{base.layout.byteorder}i4"
    counts = np.frombuffer(base.data[start:stop], order).astype(np.int64)
    changed = _recounted(counts, rng).astype(order).tobytes()
    return base.data[:start] + changed + base.data[stop:]


def _recounted(counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    counts = counts.copy()
    one, other = rng.choice(len(counts), 2, replace=False)
    match int(rng.integers(6)):
        case 0:  # one jet goes to another event: the sum stays
            counts[one] += 1
            counts[other] -= 1
        case 1:
            counts[one] += int(rng.choice([-1, 1, 2, 100]))
        case 2:
            counts[one] = int(rng.choice([-1, -(2**31), 2**31 - 1]))
        case 3:
            counts = rng.permutation(counts)
        case 4:
            counts[:] = 0
        case _:
            counts += 1
    return counts


def pointers(base: Base, _: Base, rng: np.random.Generator) -> bytes:
    """The places of two baskets in each other's place, or a place that is none.

    Pages of an RNTuple have no name: two of one size are not exchanged, which nobody could tell.
    """
    order = f"{base.layout.byteorder}q"
    starts = [start for start, _ in base.layout.keys or base.layout.payloads]
    known = [(start, place) for start in starts for place in _places(base, start)]
    if len(known) < 2:
        return flip_metadata(base, base, rng)
    one, other = (known[i] for i in rng.choice(len(known), 2, replace=False))
    damaged = bytearray(base.data)
    elsewhere = int(rng.choice([0, -1, 2**40, len(base.data), other[0] + 1]))
    target = other[0] if rng.random() < 0.6 else elsewhere
    damaged[one[1] : one[1] + 8] = struct.pack(order, target)
    sizes = {start: stop - start for start, stop in base.layout.payloads}
    unlike = bool(base.layout.keys) or sizes[one[0]] != sizes[other[0]]
    if target == other[0] and rng.random() < 0.5 and unlike:
        damaged[other[1] : other[1] + 8] = struct.pack(order, one[0])
    return _checked(bytes(damaged), base)


#: How often another block is drawn where one changed nothing, as zeros in a stretch of zeros.
_TRIES = 100


def damaged(kind: str, base: Base, other: Base, rng: np.random.Generator) -> bytes:
    """The bytes of a damaged file, which are not those of the whole one."""
    for _ in range(_TRIES):
        data = DAMAGES[kind](base, other, rng)
        if data != base.data:
            return data
    raise ValueError(f"{kind!r} does not change {base.name!r}")


DAMAGES: dict[str, Damage] = {
    "flip in the header": flip_header,
    "flip in metadata": flip_metadata,
    "flip in the tree": flip_tree,
    "flip in a basket's header": flip_key,
    "flip in a payload": flip_payload,
    "cut short": cut_short,
    "zeros": zeros,
    "noise": noise,
    "block twice": block_twice,
    "block lost": block_lost,
    "blocks exchanged": blocks_exchanged,
    "spliced": spliced,
    "entries": entries,
    "counter": counter,
    "pointers": pointers,
}
