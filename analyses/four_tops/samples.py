"""Events of the five processes in the four-top signal region, as NanoAOD.

    python analyses/four_tops/samples.py samples/train --seeds 1 2 3
    python analyses/four_tops/samples.py samples/test --seeds 14

Each seed gives about two thousand selected events of a process in ``PROCESS-SEED.root``. All events are generated,
those of the region kept, with the number and the cross-section of all. One core takes about five minutes for a seed.
"""

import argparse
import json
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from hepreco.events import Dataset
from hepreco.generation import Detector, Sample, write_sample
from hepreco_part_sm.region import enough_b_jets, enough_jets, enough_scalar_sum, same_sign_or_three_leptons

#: How many are generated of each process for one seed.
GENERATED = {"tttt": 7_000, "tth": 60_000, "ttw": 109_000, "ttww": 25_000, "ttz": 76_000}
#: Mean number of jets of initial-state radiation.
RADIATION = 2.0
_CHUNK = 20_000


def in_region(events: ak.Array) -> ak.Array:
    """Which events are in the region, from flat branches."""
    collections = {
        collection: ak.zip({column: events[f"{collection}_{column}"] for column in ("pt", "eta", "phi", "mass", own)})
        for collection, own in (("Jet", "btagDeepFlavB"), ("Electron", "charge"), ("Muon", "charge"))
    }
    records = ak.zip(collections, depth_limit=1)
    cuts = (same_sign_or_three_leptons, enough_jets, enough_b_jets, enough_scalar_sum)
    return np.logical_and.reduce([cut(records) for cut in cuts])


def skim(source: Path, path: Path) -> int:
    """Copy the events of the region, and what is known about the sample; returns how many there are."""
    partial = path.with_name(path.name + ".partial")
    with uproot.open(source) as whole, uproot.recreate(partial) as file:
        tree = None
        for chunk in whole["Events"].iterate(step_size=_CHUNK):
            events = chunk[in_region(chunk)]
            columns: dict[str, dict[str, ak.Array] | ak.Array] = {}
            for name in events.fields:
                collection, _, column = name.partition("_")
                values = ak.to_packed(events[name])
                if values.ndim > 1:
                    columns.setdefault(collection, {})[column] = values
                elif not name.startswith("n"):
                    columns[name] = values
            records = {name: ak.zip(v) if isinstance(v, dict) else v for name, v in columns.items()}
            if tree is None:
                tree = file.mktree("Events", {name: values.type.content for name, values in records.items()})
            tree.extend(records)
        file["Runs"] = {name: whole["Runs"][name].array(library="np") for name in whole["Runs"].keys()}  # noqa: SIM118
        file["hepreco"] = str(whole["hepreco"])
        kept = 0 if tree is None else int(tree.num_entries)
    partial.replace(path)
    return kept


def visible_cross_section(paths: list[Path]) -> float:
    """The cross-section of the region in pb, from skims of one process."""
    selected = generated = total = 0.0
    for path in paths:
        with uproot.open(path) as file:
            number = int(file["Runs"]["genEventCount"].array()[0])
            total += json.loads(str(file["hepreco"]))["cross_section"] * number
            generated, selected = generated + number, selected + file["Events"].num_entries
    return total / generated * selected / generated


def datasets(directory: Path) -> list[Dataset]:
    """One for each process, with the cross-section of the region."""
    paths = {process: sorted(directory.glob(f"{process}-*.root")) for process in GENERATED}
    return [
        Dataset(process, tuple(map(str, found)), cross_section=visible_cross_section(found))
        for process, found in paths.items()
    ]


def main() -> None:
    """Make the samples that are not there yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", required=True)
    parser.add_argument("--processes", nargs="+", choices=list(GENERATED), default=list(GENERATED))
    parser.add_argument("--scale", type=float, default=1.0, help="times as many events")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for seed in arguments.seeds:
        for process in arguments.processes:
            path, whole = (arguments.output / f"{process}-{seed}{ending}" for ending in (".root", ".all.root"))
            if path.exists():
                continue
            number = round(arguments.scale * GENERATED[process])
            detector = Detector(radiation=RADIATION)
            write_sample(Sample(f"{process}-multilepton", number, seed=seed, detector=detector), whole, overwrite=True)
            print(f"{process}, seed {seed}: {skim(whole, path)} events in the region of {number}", flush=True)
            whole.unlink()


if __name__ == "__main__":
    main()
