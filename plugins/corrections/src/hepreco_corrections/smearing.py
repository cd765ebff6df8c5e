"""Smearing of jets to the resolution of data, with random numbers that depend on the event and the jet alone."""

from collections.abc import Mapping
from typing import Any, Final

import awkward as ak
import numpy as np
from coffea.jetmet_tools.CorrectedJetsFactory import jer_smear
from numpy.typing import NDArray

from hepreco.events import uniform_hash

#: Positions of the resolution's scale factors in coffea's arrays.
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
    """The factor on the pt of each jet in the hybrid method, computed by coffea.

    For a jet whose pt is within three times the resolution of that of its generated partner, the difference is scaled.
    Any other jet is smeared at random, if the resolution of data is worse.

    Parameters
    ----------
    pt, eta
        Transverse momentum of the jets (GeV), after energy corrections, and pseudorapidity.
    generated_pt
        Transverse momentum of the partner (GeV); 0 if there is none.
    resolution
        Relative resolution of pt in simulation.
    scale_factors
        Resolution of data over that of simulation, of shape (jet, 3): nominal, up and down.
    normal
        Normally distributed random numbers.
    direction
        The scale factor to use: ``nominal``, ``up`` or ``down``.
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
    """One normally distributed number per object, from the identifiers of the event and its position in the event.

    Parameters
    ----------
    event_id
        (run, luminosity block, event), of shape (event, 3).
    counts
        Number of objects in each event.

    Example
    -------
    >>> number = normal_of_objects(np.array([[1, 1, 7], [1, 1, 8]]), np.array([2, 1]))
    >>> bool(number[2] == normal_of_objects(np.array([[1, 1, 8]]), np.array([1]))[0])
    True
    """
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    numbers = (*np.repeat(event_id, counts, axis=0).T, place)
    first, second = (uniform_hash(numbers, seed=stream) for stream in _STREAMS)
    return np.sqrt(-2 * np.log1p(-first)) * np.cos(2 * np.pi * second)  # Box and Muller


def matched_pt(
    index: ak.Array,
    *,
    generated: Mapping[str, ak.Array],
    eta: ak.Array,
    phi: ak.Array,
    distance: float,
) -> NDArray[np.float64]:
    """The pt of each jet's generated partner as a flat array; 0 if there is none within the distance.

    Parameters
    ----------
    index
        Position of the partner among the generated jets of the event; −1 for none.
    generated
        ``pt`` (GeV), ``eta`` and ``phi`` of the generated jets.
    eta, phi
        Directions of the jets.
    distance
        Largest ΔR between jet and partner.
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
