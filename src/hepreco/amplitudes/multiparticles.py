"""Process strings with multiparticle labels: the subprocesses that they stand for."""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations_with_replacement, product
from math import prod

from hepreco.amplitudes.diagrams import least_power
from hepreco.amplitudes.model import StandardModel
from hepreco.amplitudes.particles import MULTIPARTICLES
from hepreco.amplitudes.process import Leg, Process, parse_process
from hepreco.errors import ForbiddenProcessError, ProcessError

_WORD = re.compile(r"(?<=[\s(,>])[A-Za-z]+[+\-~]*(?=[\s),>])")
#: Largest number of combinations of particles that are tried; two protons with four jets have 22 275.
_MOST = 100_000
#: Process strings that are kept: more than a run has; one with many labels takes seconds.
_KEPT = 64


def has_multiparticles(text: str) -> bool:
    """Whether a process string contains a label of :data:`~hepreco.amplitudes.MULTIPARTICLES`.

    Example
    -------
    >>> has_multiparticles("p p > t t~"), has_multiparticles("g g > t t~")
    (True, False)
    """
    return any(_is_label(word) for word in _WORD.findall(f" {text} "))


@lru_cache(maxsize=_KEPT)
def expand_process(text: str) -> tuple[str, ...]:
    """The subprocesses of a process string with the labels ``p``, ``j``, ``l+``, ``l-``, ``vl`` or ``vl~``.

    Each label is replaced by each of its particles, independently, even in the decays of two bosons that are written as
    one. Subprocesses are kept if they conserve charge, flavour and colour, and have a tree diagram; without limits on
    orders, as in MadGraph, only those with the smallest power QCD + 2 QED of all. Subprocesses that differ only in the
    order of incoming or final particles are counted once. A string without labels is returned unchanged.

    Raises
    ------
    ProcessError
        The string cannot be read, or no subprocess exists.

    Example
    -------
    >>> expand_process("p p > t t~")
    ('g g > t t~', 'u u~ > t t~', 'c c~ > t t~', 'd d~ > t t~', 's s~ > t t~')
    """
    if not has_multiparticles(text):
        return (text,)
    if excluded := [word for part in re.findall(r"/([^,()]*)", text) for word in part.split() if _is_label(word)]:
        raise ProcessError(f"'{text}' excludes {excluded[0]!r}", "name each particle that no propagator may be")
    found: dict[object, tuple[str, Process, int]] = {}
    for candidate in _candidates(_repeat_decays(text)):
        try:
            process = parse_process(candidate)
            found.setdefault(_canonical(process), (candidate, process, _power(process)))
        except ForbiddenProcessError:
            continue
    if not found:
        raise ForbiddenProcessError(
            f"no subprocess of '{text}' exists", "check its charges and flavours, or loosen its limits"
        )
    least = min(power for _, _, power in found.values())
    return tuple(candidate for candidate, process, power in found.values() if process.limits or power == least)


def _power(process: Process) -> int:
    """The power QCD + 2 QED of the production; raises if a decay does not exist."""
    for leg in process.outgoing:
        if leg.decay:
            _power(leg.decay)
    undecayed = tuple(Leg(leg.particle, leg.polarisation) for leg in process.outgoing)
    return _least_power(str(replace(process, outgoing=undecayed)))


@lru_cache(maxsize=4096)  # subprocesses that differ by their decays alone follow each other
def _least_power(process: str) -> int:
    return least_power(parse_process(process), StandardModel().zeros)


def _is_label(word: str) -> bool:
    return word.lower() in MULTIPARTICLES


def _candidates(text: str) -> Iterator[str]:
    """The string with every choice of particles for its labels; adjacent equal labels are tried in one order only."""
    groups = _groups(text)
    choices = [list(combinations_with_replacement(MULTIPARTICLES[label], len(spans))) for label, spans in groups]
    if prod(map(len, choices)) > _MOST:
        raise ProcessError(f"'{text}' stands for too many processes", "write fewer labels")
    for chosen in product(*choices):
        words = list(text)
        for (_, spans), particles in zip(groups, chosen, strict=True):
            for (start, stop), particle in zip(spans, particles, strict=True):
                words[start:stop] = [particle, *[""] * (stop - start - 1)]
        yield "".join(words)


def _groups(text: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """The labels of a string with their positions; adjacent equal labels form one group."""
    groups: list[tuple[str, list[tuple[int, int]]]] = []
    padded = f" {text} "
    for match in _WORD.finditer(padded):
        label = match[0].lower()
        place = (match.start() - 1, match.end() - 1)
        if not _is_label(label):
            continue
        if groups and groups[-1][0] == label and not text[groups[-1][1][-1][1] : place[0]].strip():
            groups[-1][1].append(place)
        else:
            groups.append((label, [place]))
    return groups


def _repeat_decays(text: str) -> str:
    """Repeat a decay with labels for each particle that it applies to, so that they decay independently."""
    production, *decays = _split(text)
    decays = [_repeat_inner(decay) for decay in decays]
    produced = re.split(r">", production)[-1].split()
    parents = [decay.strip("( ").split()[0] for decay in decays]
    repeated = [
        decay
        for decay, parent in zip(decays, parents, strict=True)
        for _ in range(
            max(1, _times(parent, produced)) if parents.count(parent) == 1 and has_multiparticles(decay) else 1
        )
    ]
    return ", ".join((production.strip(), *repeated))


def _repeat_inner(decay: str) -> str:
    inner = decay.strip()
    return f"({_repeat_decays(inner[1:-1])})" if inner.startswith("(") and inner.endswith(")") else inner


def _times(parent: str, produced: list[str]) -> int:
    return sum(word.partition("{")[0].lower() == parent.lower() for word in produced)


def _split(text: str) -> list[str]:
    """The production and its decays, split at commas outside parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _canonical(process: Process) -> object:
    """A value that is equal for processes that differ only in the order of particles."""
    return (tuple(sorted(map(str, process.incoming))), tuple(sorted(repr(_of_leg(leg)) for leg in process.outgoing)))


def _of_leg(leg: Leg) -> object:
    return (str(leg), _canonical(leg.decay) if leg.decay else None)
