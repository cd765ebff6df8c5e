"""Random numbers that belong to an event, not to the batch in which it is made."""

import operator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError

#: Numbers that Philox gives per step of its counter, of 64 bits each.
_PER_STEP = 4
#: Words of Philox's key and of what it gives are below this.
_WORD = 2**64


def uniforms(*, seed: int, stream: int, first: int, count: int, width: int) -> Float[Tensor, "event width"]:
    """Uniform numbers in the open interval (0, 1), float64: a row per event, numbered from ``first``.

    Philox enciphers a counter with the key (seed, stream), so row i is a function of (seed, stream, i, width) alone:
    events made in chunks, in any order, are bit for bit those made at once. Each row has its own ⌈width/4⌉ steps of
    the counter. The first 52 bits k of each word become (k + ½)/2⁵², which float64 holds exactly; NumPy promises to
    keep the words of its bit generators between versions, but not what ``Generator`` makes of them.

    Parameters
    ----------
    seed
        Chosen by the user, from 0 to 2⁶⁴ − 1.
    stream
        What the numbers are for, from 0 to 2⁶⁴ − 1; streams of one seed are independent.
    first, count
        The number of the first event, and how many follow from there.
    width
        Numbers per event.

    Raises
    ------
    ConfigError
        If the seed or stream is not from 0 to 2⁶⁴ − 1, or ``first``, ``count`` or ``width`` is negative.

    References
    ----------
    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC11 (2011).

    Example
    -------
    >>> late = uniforms(seed=1, stream=0, first=1000, count=2, width=3)
    >>> torch.equal(late, uniforms(seed=1, stream=0, first=0, count=1002, width=3)[1000:])
    True
    """
    for name, value in (("seed", seed), ("stream", stream)):
        if not 0 <= operator.index(value) < _WORD:
            raise ConfigError(f"{name} is {value}; it must be from 0 to 2⁶⁴ − 1", f"choose a {name} in that range")
    for name, value in (("first", first), ("count", count), ("width", width)):
        if operator.index(value) < 0:
            raise ConfigError(f"{name} is {value}; it must not be negative", f"give a {name} of 0 or more")
    steps = -(-width // _PER_STEP)
    philox = np.random.Philox(key=np.array((seed, stream), dtype=np.uint64), counter=first * steps)
    words = philox.random_raw(count * steps * _PER_STEP).reshape(count, steps * _PER_STEP)[:, :width]
    return torch.from_numpy(((words >> 12) + 0.5) * 2.0**-52)


def normals(uniforms: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Standard normal numbers Φ⁻¹(u) of uniform numbers u in (0, 1), one for one.

    Example
    -------
    >>> normals(torch.tensor([0.5])).tolist()
    [0.0]
    """
    return torch.special.ndtri(uniforms)
