"""From files to batches: datasets, the NanoAOD schema, object selection, and the awkward-torch bridge."""

from hepreco.events.batch import EventBatch
from hepreco.events.bridge import four_vector_records, missing_where_nan, parallel_to_collection, to_batch
from hepreco.events.columns import Columns
from hepreco.events.datasets import Dataset, to_fileset
from hepreco.events.filesets import read_fileset
from hepreco.events.objects import InputSpec, ObjectSpec, column, finite, momentum_columns, passing
from hepreco.events.reading import NanoAODSchema, read_batch
from hepreco.events.selections import ObjectSelection, Tag, select_objects
from hepreco.events.variations import NOMINAL, Variation, missing_momenta
from hepreco.events.weights import generator_weights

__all__ = [
    "NOMINAL",
    "Columns",
    "Dataset",
    "EventBatch",
    "InputSpec",
    "NanoAODSchema",
    "ObjectSelection",
    "ObjectSpec",
    "Tag",
    "Variation",
    "column",
    "finite",
    "four_vector_records",
    "generator_weights",
    "missing_momenta",
    "missing_where_nan",
    "momentum_columns",
    "parallel_to_collection",
    "passing",
    "read_batch",
    "read_fileset",
    "select_objects",
    "to_batch",
    "to_fileset",
]
