"""Keep ten points of each of MadGraph's processes for a clone that stands alone.

    python tests/data/freeze_madgraph.py REFERENCE

``REFERENCE`` is the folder of all points: ``points_PROCESS.npz`` with squared matrix elements, their permutations and
polarised parts, and ``points_PROCESS.json`` with the process and the parameters. The events kept are those whose legs
were permuted, one in three, on and off the peaks, with all of their permutations.
"""

import argparse
import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent / "madgraph"
POINTS = 10


def main() -> None:
    """Write ``madgraph/points_PROCESS.npz`` and ``.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    for path in sorted(parser.parse_args().reference.glob("points_*.npz")):
        with np.load(path) as file:
            every = {name: file[name] for name in file}
        rows = np.linspace(0, len(every["perm_event"]) - 1, POINTS).astype(int)
        events = every["perm_event"][rows]
        kept = {"pdg": every.pop("pdg")}
        if "perm_is_fullrandom" in every:  # of columns of ``perm``
            kept["perm_is_fullrandom"] = every.pop("perm_is_fullrandom")
        for name, values in every.items():
            kept[name] = values[rows if name.startswith(("perm", "mb0_perm")) else events]
        kept["perm_event"] = np.arange(POINTS)
        np.savez_compressed(HERE / path.name, **kept)
        card = json.loads(path.with_suffix(".json").read_text())
        (HERE / path.with_suffix(".json").name).write_text(json.dumps(card, indent=1) + "\n")


if __name__ == "__main__":
    main()
