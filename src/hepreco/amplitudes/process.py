"""Process strings in MadGraph's syntax, and the processes that they describe."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from math import factorial, prod
from typing import Literal, NoReturn

from hepreco.amplitudes.particles import MULTIPARTICLES, PARTICLES, Particle
from hepreco.errors import ForbiddenProcessError, ProcessError

#: MadGraph's ``{0}`` (longitudinal) and ``{T}`` (the two transverse states, coherently).
Polarisation = Literal["0", "T"]
OrderName = Literal["QCD", "QED"]


_SYNTAX = (
    "write it as MadGraph does, one subprocess without multiparticle labels: "
    "'g g > t t~ QED=0, (t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)'"
)


@dataclass(frozen=True)
class OrderLimit:
    """A limit on the power of a coupling in the amplitude: at most (``QED=2``, ``QED<=2``) or exactly (``QED==2``)."""

    name: OrderName
    power: int
    exact: bool = False

    def __str__(self) -> str:
        return f"{self.name}{'==' if self.exact else '='}{self.power}"

    def allows(self, power: int) -> bool:
        """Whether a diagram with this power is kept."""
        return power == self.power if self.exact else power <= self.power


@dataclass(frozen=True)
class Leg:
    """A particle of the final state, with its polarisation and decay if the process specifies them."""

    particle: Particle
    polarisation: Polarisation | None = None
    decay: "Process | None" = None

    def __post_init__(self) -> None:
        if self.polarisation and not (self.particle.spin == "vector" and self.particle.mass):
            raise ProcessError(f"{self.particle} cannot be polarised", "polarise w+, w- or z")
        if self.decay and self.decay.incoming != (self.particle,):
            raise ProcessError(
                f"'{self.decay}' is not a decay of {self.particle}", "give a decay of the particle itself"
            )

    def __str__(self) -> str:
        return f"{self.particle}{{{self.polarisation}}}" if self.polarisation else str(self.particle)


@dataclass(frozen=True)
class Process:
    """A production or a decay, with the decays of the produced particles.

    Parameters
    ----------
    incoming, outgoing
        One or two particles, and the particles that they produce, in the order of the string.
    limits
        Limits on the orders; without any, diagrams of the smallest power QCD + 2 QED are kept, as in MadGraph.
    excluded
        Particles that no propagator may be (``/ a z``).
    """

    incoming: tuple[Particle, ...]
    outgoing: tuple[Leg, ...]
    limits: tuple[OrderLimit, ...] = ()
    excluded: frozenset[Particle] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= len(self.incoming) <= 2:
            raise ProcessError(f"{len(self.incoming)} incoming particles", "give one or two")
        if not self.outgoing or len(self.incoming) + len(self.outgoing) < 3:
            raise ProcessError("too few particles", _SYNTAX)
        final = tuple(leg.particle for leg in self.outgoing)
        for name, count in (("electric charge", _charge), ("flavour", _flavour), ("colour", _triality)):
            before, after = count(self.incoming), count(final)
            if before != after:
                states = f"{_words(self.incoming)} has {before}, {_words(final)} has {after}"
                raise ForbiddenProcessError(
                    f"{name} is not conserved ({states})", "correct the particles; the CKM matrix is 1"
                )

    def __str__(self) -> str:
        """The process as :func:`parse_process` reads it."""
        words = [*map(str, self.incoming), ">", *map(str, self.outgoing)]
        if self.excluded:
            words += ["/", *sorted(map(str, self.excluded))]
        words += map(str, self.limits)
        decays = [leg.decay for leg in self.outgoing if leg.decay]
        nested = (f"({decay})" if any(leg.decay for leg in decay.outgoing) else str(decay) for decay in decays)
        return ", ".join((" ".join(words), *nested))

    @property
    def final(self) -> tuple[Particle, ...]:
        """The final particles, with each resonance replaced by its decay products."""
        return tuple(
            particle for leg in self.outgoing for particle in (leg.decay.final if leg.decay else (leg.particle,))
        )

    @property
    def pdg_ids(self) -> tuple[int, ...]:
        """PDG identifiers of the incoming particles, then of :attr:`final`."""
        return tuple(particle.pdg_id for particle in (*self.incoming, *self.final))

    @property
    def symmetry_factor(self) -> int:
        """Number of permutations of identical particles of the production, as in MadGraph.

        Resonances are identical if they decay in the same way. Products of different resonances are never exchanged.
        """
        identical = prod(factorial(count) for count in Counter(self.outgoing).values())
        return identical * prod(leg.decay.symmetry_factor for leg in self.outgoing if leg.decay)

    @property
    def averaging_factor(self) -> int:
        """Spin and colour states of the incoming particles, times :attr:`symmetry_factor`."""
        return prod(_states(particle) * abs(particle.colour) for particle in self.incoming) * self.symmetry_factor


def _states(particle: Particle) -> int:
    # Two for a neutrino too, as in MadGraph.
    return {"scalar": 1, "fermion": 2, "vector": 3 if particle.mass else 2}[particle.spin]


_TOKEN = re.compile(
    r"\s*(?:(?P<order>(?P<name>[A-Za-z]+)\s*(?P<relation><=|==|=)\s*(?P<power>\d+))"
    r"|(?P<particle>[A-Za-z0-9]+[+\-~]*)(?:\{(?P<polarisation>[^}]*)\})?"
    r"|(?P<mark>[>,()/]))"
)


@dataclass(frozen=True)
class _Token:
    kind: Literal["particle", "mark", "order", "end"]
    text: str
    position: int
    match: re.Match[str] | None = None


def _tokens(text: str) -> Iterator[_Token]:
    position = 0
    while text[position:].strip():
        match = _TOKEN.match(text, position)
        if match is None:
            start = position + len(text[position:]) - len(text[position:].lstrip())
            _fail(text, start, f"cannot read {text[start:].split(maxsplit=1)[0]!r}", _SYNTAX)
        kind: Literal["particle", "mark", "order"] = (
            "order" if match["order"] else "particle" if match["particle"] else "mark"
        )
        yield _Token(kind, match[kind], match.start(kind), match)
        position = match.end()
    yield _Token("end", "the end", len(text))


def _fail(text: str, position: int, problem: str, remedy: str, *, kind: type[ProcessError] = ProcessError) -> NoReturn:
    raise kind(f"{problem} in the process\n    {text}\n    {' ' * position}^", remedy)


def parse_process(text: str) -> Process:
    """Read a process string.

    The syntax is ``production, decay, decay ...``; a decay with further decays is written in parentheses. One decay of
    a particle applies to all such particles in the production; several apply to them in order. Orders (``QED=0``,
    ``QCD<=2``, ``QED==1``) and exclusions (``/ a h``) follow the particles of the production or decay that they limit;
    polarisations (``w+{0}``, ``z{T}``) follow the name of a final vector boson.

    Raises
    ------
    ProcessError
        The syntax is not understood, a particle is unknown, charge or flavour is not conserved, or a decaying particle
        is not produced.

    Example
    -------
    >>> parse_process("u d~ > w+, w+ > e+ ve").pdg_ids
    (2, -1, -11, 12)
    """
    return _Parser(text).process()


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.next = 0

    def process(self) -> Process:
        process = self._with_decays()
        if self.peek().kind != "end":
            self.fail(f"{self.peek().text!r} is out of place", _SYNTAX)
        return process

    def peek(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        self.next += 1
        return self.tokens[self.next - 1]

    def at(self, mark: str) -> bool:
        return self.peek().kind == "mark" and self.peek().text == mark

    def fail(self, problem: str, remedy: str, token: _Token | None = None) -> NoReturn:
        _fail(self.text, (token or self.peek()).position, problem, remedy)

    def _with_decays(self, *, is_decay: bool = False) -> Process:
        process = self._core(is_decay=is_decay)
        decays: list[tuple[_Token, Process]] = []
        while self.at(","):
            self.take()
            token = self.peek()
            if self.at("("):
                self.take()
                token = self.peek()
                decays.append((token, self._with_decays(is_decay=True)))
                if not self.at(")"):
                    self.fail("')' is missing", "close the parenthesis of the decay")
                self.take()
            else:
                decays.append((token, self._core(is_decay=True)))
        return self._decayed(process, decays)

    def _core(self, *, is_decay: bool) -> Process:
        start = self.peek()
        incoming = []
        while self.peek().kind == "particle":
            incoming.append(self._leg())
        if not self.at(">"):
            self.fail(f"expected '>' before {self.peek().text!r}", _SYNTAX)
        if is_decay and len(incoming) != 1:
            self.fail(f"a decay has one parent, not {len(incoming)}", _SYNTAX, start)
        if any(leg.polarisation for leg in incoming):
            self.fail("a polarised incoming particle", "polarise final vector bosons only", start)
        self.take()
        outgoing = []
        while self.peek().kind == "particle":
            outgoing.append(self._leg())
        if self.at(">"):
            self.fail(
                "required propagators ('> ... >') are not supported", "write the resonance as a decay", self.peek()
            )
        limits, excluded = self._limits()
        with self.placed(start):
            return Process(tuple(leg.particle for leg in incoming), tuple(outgoing), limits, excluded)

    @contextmanager
    def placed(self, token: _Token) -> Iterator[None]:
        """Add the position in the string to errors about this part of the process."""
        try:
            yield
        except ProcessError as error:
            _fail(self.text, token.position, error.problem, error.remedy, kind=type(error))

    def _leg(self) -> Leg:
        token = self.take()
        if token.text.upper() in ("QCD", "QED"):
            self.fail(f"an order without its limit, {token.text!r},", "write QED=0, QED<=2 or QED==2", token)
        particle = PARTICLES.get(token.text.lower())
        if members := MULTIPARTICLES.get(token.text.lower()):
            problem = f"unknown particle {token.text!r} (it stands for any of {' '.join(members)})"
            self.fail(problem, "write one subprocess; hepreco.amplitudes.expand_process lists all", token)
        if particle is None:
            near = get_close_matches(token.text.lower(), PARTICLES, n=3) or sorted(PARTICLES)
            self.fail(f"unknown particle {token.text!r}", f"choose among {', '.join(near)}", token)
        assert token.match is not None
        polarisation = token.match["polarisation"]
        if polarisation is None:
            return Leg(particle)
        if polarisation not in ("0", "T"):
            self.fail(f"unknown polarisation {{{polarisation}}}", "use {0} (longitudinal) or {T} (transverse)", token)
        with self.placed(token):
            return Leg(particle, "0" if polarisation == "0" else "T")

    def _limits(self) -> tuple[tuple[OrderLimit, ...], frozenset[Particle]]:
        limits, excluded = [], set()
        while self.peek().kind == "order" or self.at("/"):
            token = self.take()
            if token.kind == "mark":
                if self.peek().kind != "particle":
                    self.fail("'/' excludes nothing", "name the particles that no propagator may be")
                while self.peek().kind == "particle":
                    token = self.peek()
                    leg = self._leg()
                    if leg.polarisation:
                        self.fail("a polarised propagator is excluded", "exclude the particle", token)
                    particle = leg.particle
                    excluded |= {particle, particle.anti}
                continue
            assert token.match is not None
            match token.match["name"].upper():
                case "QCD" | "QED" as name:
                    limits.append(OrderLimit(name, int(token.match["power"]), token.match["relation"] == "=="))
                case other:
                    self.fail(f"unknown order {other!r}", "limit QCD or QED", token)
        return tuple(limits), frozenset(excluded)

    def _decayed(self, process: Process, decays: list[tuple[_Token, Process]]) -> Process:
        outgoing = list(process.outgoing)
        for parent in dict.fromkeys(decay.incoming[0] for _, decay in decays):
            mine = [(token, decay) for token, decay in decays if decay.incoming[0] is parent]
            places = [i for i, leg in enumerate(outgoing) if leg.particle is parent]
            if not places:
                produced = ", ".join(str(leg.particle) for leg in outgoing)
                remedy = f"only particles before the comma can decay here: {produced}; put deeper decays in parentheses"
                self.fail(f"a decay of {parent}, which is not produced,", remedy, mine[0][0])
            if len(mine) not in (1, len(places)):
                self.fail(
                    f"{len(mine)} decays for {len(places)} of {parent}",
                    "give one decay for all, or one each",
                    mine[1][0],
                )
            for number, place in enumerate(places):
                decay = mine[number if len(mine) > 1 else 0][1]
                outgoing[place] = Leg(parent, outgoing[place].polarisation, decay)
        return Process(process.incoming, tuple(outgoing), process.limits, process.excluded)


def _words(particles: Iterable[Particle]) -> str:
    return " ".join(map(str, particles))


def _charge(particles: Iterable[Particle]) -> str:
    return str(sum((particle.charge for particle in particles), Fraction(0)))


def _flavour(particles: Iterable[Particle]) -> str:
    numbers: Counter[str] = Counter()
    for particle in particles:
        if particle.flavour:
            numbers[particle.flavour] += -1 if particle.is_antiparticle else 1
    return ", ".join(f"{number} {flavour}" for flavour, number in sorted(numbers.items()) if number) or "none"


def _triality(particles: Iterable[Particle]) -> int:
    return sum(particle.colour for particle in particles if abs(particle.colour) == 3) // 3 % 3
