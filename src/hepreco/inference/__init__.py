"""From histograms to a fit: templates with systematics, workspaces for pyhf, cabinetry and Combine, and the fit."""

from hepreco.inference.combine import datacard, root_histograms, write_root
from hepreco.inference.findings import Note, notes
from hepreco.inference.fitting import Fit, fit
from hepreco.inference.grouping import Grouping
from hepreco.inference.histfactory import workspace
from hepreco.inference.tables import ChannelConfig, FitConfig, SystematicConfig
from hepreco.inference.templates import Channel, channels

__all__ = [
    "Channel",
    "ChannelConfig",
    "Fit",
    "FitConfig",
    "Grouping",
    "Note",
    "SystematicConfig",
    "channels",
    "datacard",
    "fit",
    "notes",
    "root_histograms",
    "workspace",
    "write_root",
]
