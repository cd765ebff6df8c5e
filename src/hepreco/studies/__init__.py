"""Studies: results with uncertainties, computed from histograms only, so that summed histograms give merged results."""

from hepreco.studies.mass_peak import MassPeak, mass_peak
from hepreco.studies.peak_model import Background, PeakModel
from hepreco.studies.reliability import Reliability, reliability
from hepreco.studies.roc import ROC, roc
from hepreco.studies.values import Value

__all__ = ["ROC", "Background", "MassPeak", "PeakModel", "Reliability", "Value", "mass_peak", "reliability", "roc"]
