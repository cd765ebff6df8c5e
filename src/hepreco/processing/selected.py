"""Reads events for training exactly as a run gives them to a plugin."""

import numpy as np

from hepreco.errors import DatasetError
from hepreco.events import Dataset, EventBatch
from hepreco.events.reading import read_chunks
from hepreco.processing.processor import ReconstructionProcessor


def read_selected(
    reconstruction: ReconstructionProcessor, dataset: Dataset, plugin: str, *, chunksize: int = 50_000
) -> EventBatch:
    """The input that a run gives to one of its plugins, for all events of a dataset, in the nominal variation.

    Selection, objects and weights are those of the run. Simulated datasets are not normalised to each other.

    Parameters
    ----------
    reconstruction
        The processor of the run.
    dataset
        The dataset to read.
    plugin
        Field name of the plugin.
    chunksize
        Number of events that are read at a time.

    Raises
    ------
    ConfigError
        A tag has no working point for the dataset's period.
    DatasetError
        A file cannot be read, or no event passes.
    """
    reconstruction.check_dataset(dataset)
    columns = reconstruction.reads(dataset.name, is_data=dataset.data)
    chunks = read_chunks(dataset, columns, chunksize=chunksize)
    batches = [reconstruction.selected(events, plugin) for events in chunks]
    if not np.any([len(batch) for batch in batches]):
        raise DatasetError(
            f"dataset {dataset.name!r}: no event passes the selection and has the objects that {plugin} needs",
            "loosen the selection, or use a sample that passes it",
        )
    return EventBatch.concatenate(batches)
