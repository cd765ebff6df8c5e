"""Sets the clock of a process ahead, to test that answers do not depend on the time."""

import datetime
import time
from collections.abc import Callable
from typing import Any, Final

_NOW: Final = time.time


class _Later(type):
    """Makes dates from before the clock was set pass ``isinstance``."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.__mro__[1])


class _DateTime(datetime.datetime, metaclass=_Later):
    ahead = 0.0

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return super().fromtimestamp(_NOW() + cls.ahead, tz)

    @classmethod
    def utcnow(cls) -> Any:
        return super().fromtimestamp(_NOW() + cls.ahead, datetime.UTC).replace(tzinfo=None)

    @classmethod
    def today(cls) -> Any:
        return super().fromtimestamp(_NOW() + cls.ahead)


class _Date(datetime.date, metaclass=_Later):
    ahead = 0.0

    @classmethod
    def today(cls) -> Any:
        return super().fromtimestamp(_NOW() + cls.ahead)


def set_ahead(seconds: float) -> None:
    """Make ``time`` and ``datetime`` return a later time to all code that uses or imports these modules from now on."""
    _DateTime.ahead = _Date.ahead = seconds
    changed: dict[str, Callable[..., object]] = {
        "time": lambda: _NOW() + seconds,
        "time_ns": lambda: int((_NOW() + seconds) * 1e9),
        "localtime": _ahead(time.localtime, seconds),
        "gmtime": _ahead(time.gmtime, seconds),
    }
    for name, function in changed.items():
        setattr(time, name, function)
    for name, later in {"datetime": _DateTime, "date": _Date}.items():
        setattr(datetime, name, later)


def _ahead(convert: Callable[[float], time.struct_time], seconds: float) -> Callable[..., time.struct_time]:
    return lambda when=None: convert(_NOW() + seconds if when is None else when)
