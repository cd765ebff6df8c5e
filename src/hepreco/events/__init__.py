"""From files to batches: datasets, the NanoAOD schema, object selection, and the awkward-torch bridge.

The public names are imported when they are first used, so that plugins can be written and tested without coffea.
"""

from typing import TYPE_CHECKING

from hepreco.lazy import public_names

if TYPE_CHECKING:
    from hepreco.events.arrays import column as column
    from hepreco.events.arrays import passing as passing
    from hepreco.events.batch import EventBatch as EventBatch
    from hepreco.events.bridge import to_batch as to_batch
    from hepreco.events.columns import Columns as Columns
    from hepreco.events.datasets import Dataset as Dataset
    from hepreco.events.filesets import read_fileset as read_fileset
    from hepreco.events.filesets import to_fileset as to_fileset
    from hepreco.events.hashes import uniform_hash as uniform_hash
    from hepreco.events.objects import InputSpec as InputSpec
    from hepreco.events.objects import ObjectSpec as ObjectSpec
    from hepreco.events.reading import NanoAODSchema as NanoAODSchema
    from hepreco.events.reading import read_batch as read_batch
    from hepreco.events.selections import ObjectSelection as ObjectSelection
    from hepreco.events.selections import Tag as Tag
    from hepreco.events.selections import select_objects as select_objects
    from hepreco.events.variations import NOMINAL as NOMINAL
    from hepreco.events.variations import Variation as Variation
else:
    __all__, __getattr__, __dir__ = public_names(__name__, __file__)
