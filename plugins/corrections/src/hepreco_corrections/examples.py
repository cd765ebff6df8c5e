"""Small corrections of no detector, with which the plugins are tried."""

from pathlib import Path
from typing import Final

#: A file of correctionlib with one correction of each kind, of invented numbers.
EXAMPLE: Final = str(Path(__file__).parent / "example.json")
#: The efficiencies of b tagging that go with it.
EXAMPLE_EFFICIENCIES: Final = str(Path(__file__).parent / "example_efficiencies.json")
