"""Random numbers that depend on the event, not on the batch in which it is made."""

import operator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hepreco.errors import ConfigError

#: Numbers of 64 bits that Philox returns per step of its counter.
_PER_STEP = 4
#: Words of Philox's key and output are below this.
_WORD = 2**64


def uniforms(*, seed: int, stream: int, first: int, count: int, width: int) -> Float[Tensor, "event width"]:
    """Uniform numbers in the open interval (0, 1), float64, with one row per event, starting at event ``first``.

    Philox encrypts a counter with the key (seed, stream), so row i depends only on (seed, stream, i, width): events
    made in chunks, in any order, are bit for bit equal to those made at once. Each row uses ⌈width/4⌉ steps of the
    counter. The first 52 bits k of each word become (k + ½)/2⁵², which is exact in float64. NumPy guarantees that the
    words of its bit generators stay the same between versions, but not the output of ``Generator``.

    Parameters
    ----------
    seed
        The user's seed, from 0 to 2⁶⁴ − 1.
    stream
        Distinguishes the uses of random numbers, from 0 to 2⁶⁴ − 1; streams of one seed are independent.
    first, count
        The number of the first event, and the number of events.
    width
        Numbers per event.

    Raises
    ------
    ConfigError
        The seed or stream is not from 0 to 2⁶⁴ − 1, or ``first``, ``count`` or ``width`` is negative.

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
    """Standard normal numbers Φ⁻¹(u), one for each uniform number u in (0, 1).

    Example
    -------
    >>> normals(torch.tensor([0.5])).tolist()
    [0.0]
    """
    return torch.special.ndtri(uniforms)
