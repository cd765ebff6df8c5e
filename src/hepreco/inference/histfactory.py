"""Templates as a workspace in the JSON format of HistFactory, for pyhf and cabinetry."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hepreco.errors import StudyError
from hepreco.inference.shifts import Bins, Shift
from hepreco.inference.tables import FitConfig
from hepreco.inference.templates import Channel, Template

#: Version of the JSON format.
VERSION = "1.0.0"


def observations(channels: Sequence[Channel], *, asimov: bool) -> dict[str, Bins]:
    """Observed events of each channel; with ``asimov`` the sum of all processes instead.

    Raises
    ------
    StudyError
        There are no data.
    """
    for each in () if asimov else channels:
        if each.data is None:
            raise StudyError(
                f"channel {each.name!r} has no data histogram",
                "mark a dataset with data = true and run again, or use --asimov to fit the prediction itself",
            )
    return {each.name: each.values if asimov or each.data is None else each.data for each in channels}


def workspace(channels: Sequence[Channel], config: FitConfig, *, asimov: bool = False) -> dict[str, Any]:
    """The workspace, ready for ``json.dump``.

    As in cabinetry, a shift is split into a change of the yield (``normsys``) and of the shape at the nominal yield
    (``histosys``), with one parameter.

    Raises
    ------
    StudyError
        There are no channels, no signal, or no data.
    """
    if not channels or not config.signal:
        raise StudyError(
            "a fit needs channels and a signal", 'write [fit] with signal = ["…"], and [[fit.channels]] with histograms'
        )
    observed = observations(channels, asimov=asimov)
    return {
        "channels": [
            {"name": each.name, "samples": [_sample(each, name, config) for name in each.templates]}
            for each in channels
        ],
        "measurements": [{"name": "hepreco", "config": {"poi": config.parameter, "parameters": _parameters(config)}}],
        "observations": [{"name": name, "data": data.tolist()} for name, data in observed.items()],
        "version": VERSION,
    }


def _parameters(config: FitConfig) -> list[dict[str, Any]]:
    names = [config.parameter, *(free_parameter(process) for process in config.free)]
    return [{"name": name, "bounds": [list(config.bounds)], "inits": [1.0]} for name in names]


def free_parameter(process: str) -> str:
    """The name of the parameter that multiplies a process whose normalisation is free."""
    return f"{process}_norm"


def _sample(channel: Channel, process: str, config: FitConfig) -> dict[str, Any]:
    template = channel.templates[process]
    modifiers = [*_scales(process, config), *_systematics(template)]
    if config.template_statistics:
        spread = np.sqrt(template.variances).tolist()
        modifiers.append({"name": f"staterror_{channel.name}", "type": "staterror", "data": spread})
    return {"name": process, "data": template.values.tolist(), "modifiers": modifiers}


def _scales(process: str, config: FitConfig) -> Iterator[dict[str, Any]]:
    names = [config.parameter] if process in config.signal else []
    for name in [*names, *([free_parameter(process)] if process in config.free else [])]:
        yield {"name": name, "type": "normfactor", "data": None}


def _systematics(template: Template) -> Iterator[dict[str, Any]]:
    for name, (down, up) in template.factors.items():
        yield _normsys(name, down, up)
    for name, shift in template.shifts.items():
        if shift.is_used:
            yield from split(name, shift, template.values)


def split(name: str, shift: Shift, nominal: Bins) -> Iterator[dict[str, Any]]:
    """Modifiers of one parameter, for the yield and, if it changes, for the shape.

    If a yield is not positive, the whole shift is a change of the shape.

    Example
    -------
    >>> shift = Shift(np.array([12.0, 24.0]), np.array([9.0, 18.0]))
    >>> [(each["type"], each["data"]) for each in split("jes", shift, np.array([10.0, 20.0]))]
    [('normsys', {'hi': 1.2, 'lo': 0.9})]
    """
    yields = [float(bins.sum()) for bins in (nominal, shift.up, shift.down)]
    up, down = shift.up, shift.down
    if min(yields) > 0:
        factors = yields[1] / yields[0], yields[2] / yields[0]
        if factors != (1.0, 1.0):
            yield _normsys(name, factors[1], factors[0])
        up, down = up / factors[0], down / factors[1]
        if np.allclose((up, down), nominal, rtol=1e-9, atol=1e-9 * yields[0]):
            return
    yield {"name": name, "type": "histosys", "data": {"hi_data": up.tolist(), "lo_data": down.tolist()}}


def _normsys(name: str, down: float, up: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": up, "lo": down}}
