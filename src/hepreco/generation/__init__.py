"""Simulated events in NanoAOD format."""

from hepreco.generation.nanoaod import write_toy
from hepreco.generation.toy import PROCESSES, Process, ToySample, toy_events

__all__ = ["PROCESSES", "Process", "ToySample", "toy_events", "write_toy"]
