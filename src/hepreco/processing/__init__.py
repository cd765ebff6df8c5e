"""The coffea processor, the executors that it runs on, and the report on every chunk."""

from hepreco.processing.attachment import attach
from hepreco.processing.columns_out import ColumnWriter
from hepreco.processing.corrections import AppliedCorrection
from hepreco.processing.executors import DaskExecutor, FuturesExecutor, IterativeExecutor
from hepreco.processing.functions import FunctionCut, Observable
from hepreco.processing.processor import ReconstructionProcessor
from hepreco.processing.report import Chunk, Failure, ProcessedChunks, RunReport
from hepreco.processing.runner import Plan, make_executor, prepare, process, run
from hepreco.processing.selected import read_selected
from hepreco.processing.selection import Cut, Region
from hepreco.processing.skims import SkimWriter

__all__ = [
    "AppliedCorrection",
    "Chunk",
    "ColumnWriter",
    "Cut",
    "DaskExecutor",
    "Failure",
    "FunctionCut",
    "FuturesExecutor",
    "IterativeExecutor",
    "Observable",
    "Plan",
    "ProcessedChunks",
    "ReconstructionProcessor",
    "Region",
    "RunReport",
    "SkimWriter",
    "attach",
    "make_executor",
    "prepare",
    "process",
    "read_selected",
    "run",
]
