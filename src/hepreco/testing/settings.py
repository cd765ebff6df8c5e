"""Settings of the whole process that a plugin must not change."""

import gc
import hashlib
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import torch

#: The settings by name, with functions that read them.
SETTINGS: Final[Mapping[str, Callable[[], object]]] = {
    "torch's default dtype": torch.get_default_dtype,
    "torch's default device": torch.get_default_device,
    "torch's grad mode": torch.is_grad_enabled,
    "torch's number of threads": torch.get_num_threads,
    "torch's deterministic algorithms": torch.are_deterministic_algorithms_enabled,
    "torch's precision of matrix products": torch.get_float32_matmul_precision,
    "torch's anomaly detection": torch.is_anomaly_enabled,
    "numpy's handling of floating-point errors": lambda: dict(np.geterr()),
    "the working directory": Path.cwd,
    "the recursion limit": sys.getrecursionlimit,
    "the garbage collector": gc.isenabled,
}
#: Settings that the import of a library may change.
LOOSE: Final[Mapping[str, Callable[[], object]]] = {
    "environment variables": lambda: dict(os.environ),
    "the filters of warnings": lambda: tuple(warnings.filters),
    "the level of logging": lambda: (logging.getLogger().level, logging.root.manager.disable),
    "sys.path": lambda: tuple(sys.path),
}
#: States of the global random generators.
RANDOM: Final[Mapping[str, Callable[[], object]]] = {
    "torch's random state": lambda: _digest(torch.get_rng_state().numpy().tobytes()),
    "numpy's random state": lambda: _digest(repr(np.random.get_state()).encode()),  # noqa: NPY002  others' state
    "Python's random state": lambda: _digest(repr(random.getstate()).encode()),
}


def snapshot(settings: Mapping[str, Callable[[], object]]) -> dict[str, object]:
    """The current value of every setting."""
    return {name: read() for name, read in settings.items()}


def changes(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """The changed settings in words, with both values if these are short."""
    return [_change(name, before[name], after[name]) for name in before if before[name] != after[name]]


@contextmanager
def restored() -> Iterator[None]:
    """Restore settings of the process afterwards, but not random generators, so that random answers are found."""
    dtype, device, grad = torch.get_default_dtype(), torch.get_default_device(), torch.is_grad_enabled()
    threads, errors, folder = torch.get_num_threads(), np.geterr(), Path.cwd()
    environment, level = dict(os.environ), logging.getLogger().level
    try:
        with warnings.catch_warnings():
            yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(grad)
        if torch.get_default_device() != device:
            torch.set_default_device(device)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        np.seterr(**errors)
        os.chdir(folder)
        if dict(os.environ) != environment:
            os.environ.clear()
            os.environ.update(environment)
        logging.getLogger().setLevel(level)


def _digest(state: bytes) -> str:
    return hashlib.sha256(state).hexdigest()


def _change(name: str, before: object, after: object) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
        return f"{name} ({', '.join(changed)})"
    if isinstance(before, tuple) or isinstance(after, tuple) or "random state" in name:
        return name
    return f"{name} from {before} to {after}"
