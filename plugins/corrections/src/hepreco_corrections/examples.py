"""Small files of invented corrections, on which the plugins are checked."""

from pathlib import Path
from typing import Final

#: A correctionlib file with one correction of each kind, with invented numbers.
EXAMPLE: Final = str(Path(__file__).parent / "example.json")
#: Matching efficiencies of b tagging.
EXAMPLE_EFFICIENCIES: Final = str(Path(__file__).parent / "example_efficiencies.json")
