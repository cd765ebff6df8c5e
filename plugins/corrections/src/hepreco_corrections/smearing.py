"""Smearing of jets to the resolution of data, with random numbers that belong to the jet."""

from collections.abc import Mapping
from typing import Any, Final

import awkward as ak
import numpy as np
from coffea.jetmet_tools.CorrectedJetsFactory import jer_smear
from numpy.typing import NDArray

#: Places of the scale factors of the resolution, as coffea stacks them.
DIRECTIONS: Final = {"nominal": 0, "up": 1, "down": 2}
_STREAMS: Final = (0x6A65_7473, 0x736D_6561)


def smeared(
    pt: NDArray[np.float64],
    *,
    generated_pt: NDArray[np.float64],
    eta: NDArray[np.float64],
    resolution: NDArray[np.float64],
    scale_factors: NDArray[np.float64],
    normal: NDArray[np.float64],
    direction: str = "nominal",
) -> NDArray[np.float64]:
    """By how much the pt of each jet is multiplied: the hybrid method, computed by coffea.

    A jet with a generated partner within three times the resolution is moved away from it or towards it; every other
    one is smeared at random, where the resolution of data is worse.

    Parameters
    ----------
    pt, eta
        Of the jets; pt in GeV, after the corrections of energy.
    generated_pt
        Of the partner; 0 if there is none.
    resolution
        Relative, of pt in simulation.
    scale_factors
        That of data over that of simulation, of shape (jet, 3): nominal, up and down.
    normal
        Random numbers of a normal distribution.
    direction
        Which of the scale factors: ``nominal``, ``up`` or ``down``.
    """
    if not len(pt):
        return np.ones(0)
    factors = jer_smear(
        ak.Array(generated_pt),
        ak.Array(pt),
        ak.Array(eta),
        resolution,
        normal,
        scale_factors,
        DIRECTIONS[direction],
        False,  # the hybrid method, which smears at random where there is no partner
    )
    return ak.to_numpy(factors)


def normal_of_objects(event_id: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """One number of a normal distribution for each object, from its event's identifiers and its place in the event.

    Parameters
    ----------
    event_id
        (run, luminosity block, event), of shape (event, 3).
    counts
        Objects in each event.

    Example
    -------
    >>> number = normal_of_objects(np.array([[1, 1, 7], [1, 1, 8]]), np.array([2, 1]))
    >>> bool(number[2] == normal_of_objects(np.array([[1, 1, 8]]), np.array([1]))[0])
    True
    """
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers = (*np.repeat(event_id, counts, axis=0).T, place)
    first, second = (_uniform(numbers, stream) for stream in _STREAMS)
    return np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)  # Box and Muller


def matched_pt(
    index: ak.Array,
    *,
    generated: Mapping[str, ak.Array],
    eta: ak.Array,
    phi: ak.Array,
    distance: float,
) -> NDArray[np.float64]:
    """The pt of the generated jet that each jet points to, flat; 0 where it is none, or is farther away.

    Parameters
    ----------
    index
        Position among the generated jets of the event; −1 for none.
    generated
        Their ``pt`` (GeV), ``eta`` and ``phi``.
    eta, phi
        Of the jets.
    distance
        In η and φ, up to which they match.
    """
    counts, numbers = (ak.to_numpy(ak.num(array, axis=1)) for array in (index, generated["pt"]))
    partner = {name: _flat(values) for name, values in generated.items()}
    position = _flat(index).astype(np.int64)
    found = (position >= 0) & (position < np.repeat(numbers, counts))
    position = (position + np.repeat(np.cumsum(numbers) - numbers, counts))[found]
    across = partner["eta"][position] - _flat(eta)[found]
    turn = (partner["phi"][position] - _flat(phi)[found] + np.pi) % (2 * np.pi) - np.pi
    pt = np.zeros(len(found))
    pt[found] = np.where(np.hypot(across, turn) < distance, partner["pt"][position], 0.0)
    return pt


def _flat(array: ak.Array) -> NDArray[Any]:
    return ak.to_numpy(ak.flatten(array, axis=1))


def _uniform(numbers: tuple[NDArray[np.int64], ...], stream: int) -> NDArray[np.float64]:
    """A hash of whole numbers in [0, 1)."""
    key = np.full(len(numbers[0]), stream, dtype=np.uint64)
    for number in numbers:
        key = _mixed(key) ^ np.ascontiguousarray(number, dtype=np.int64).view(np.uint64)
    return (_mixed(key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64, modulo 2⁶⁴.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    key = key + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
