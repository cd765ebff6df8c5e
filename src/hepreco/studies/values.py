"""A number with its uncertainty."""

from dataclasses import dataclass
from math import floor, isfinite, log10


@dataclass(frozen=True)
class Value:
    """A number with its standard uncertainty, both in the same unit.

    Parameters
    ----------
    value
        The estimate.
    uncertainty
        One standard deviation, never negative.

    Example
    -------
    >>> print(Value(172.5731, 0.2549))
    172.57 ± 0.25
    >>> print(Value(48213.2, 318.0))
    48210 ± 320
    """

    value: float
    uncertainty: float

    def __str__(self) -> str:
        """The value and uncertainty, rounded to two digits of the uncertainty."""
        if not (isfinite(self.uncertainty) and isfinite(self.value)) or self.uncertainty <= 0:
            return f"{self.value:g} ± {self.uncertainty:g}"
        digits = 1 - floor(log10(self.uncertainty))
        value, uncertainty = round(self.value, digits), round(self.uncertainty, digits)
        return f"{value:.{max(digits, 0)}f} ± {uncertainty:.{max(digits, 0)}f}"
