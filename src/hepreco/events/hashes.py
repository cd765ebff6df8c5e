"""Hashes of integers: random numbers that depend on the event alone, whatever its chunk."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray


def uniform_hash(numbers: Iterable[ArrayLike], *, seed: int) -> NDArray[np.float64]:
    """A hash of integers, uniform in [0, 1).

    Parameters
    ----------
    numbers
        Arrays of integers of equal length, such as the run, luminosity block and event number of each event.
    seed
        Seed of an independent stream of random numbers.

    Returns
    -------
    numpy.ndarray
        One number for each position in the arrays, float64.

    Example
    -------
    >>> first, again, other = (uniform_hash([[1, 1], [7, 8]], seed=seed).tolist() for seed in (1, 1, 2))
    >>> first == again, first == other, all(0 <= number < 1 for number in first)
    (True, False, True)
    """
    arrays = [np.ascontiguousarray(each, dtype=np.int64).view(np.uint64) for each in numbers]
    key = np.full(len(arrays[0]), seed, dtype=np.int64).view(np.uint64)
    for each in arrays:
        key = mixed(key) ^ each
    return (mixed(key) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64, a bijection of 64 bits: every bit of the result depends on every bit of the key.

    References
    ----------
    G. L. Steele, D. Lea, C. H. Flood, Fast splittable pseudorandom number generators, OOPSLA 2014,
    doi:10.1145/2660193.2660195.
    """
    with np.errstate(over="ignore"):
        key = key + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))
