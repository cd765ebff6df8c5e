"""Two small plugins pass the kit; of 61 kinds of bugs that are planted in them, the kit finds all but those named here.

The table is strict: a bug that is no longer found fails, and so does one that is found though it is listed as not.
"""

from collections.abc import Callable
from dataclasses import dataclass

import planted_dilepton as dilepton
import planted_jet_score as jets
import pytest
import torch

from hepreco.plugin import Reconstructor
from hepreco.testing import CHECKS, ConformanceError, check_all
from hepreco.training import initialised
from hepreco.weights import Card, save_weights

#: Of 61, that many are to be found at least.
WANTED = 52


@dataclass(frozen=True)
class Bug:
    """What is wrong, and the check that finds it, or why none does."""

    plugin: type[Reconstructor]
    what: str
    check: str | None = None
    unseen: str = ""


DILEPTON = (
    Bug(dilepton.MutableOption, "an option is a list", "options"),
    Bug(dilepton.Undecorated, "no dataclass of its own", "options"),
    Bug(dilepton.ListOfOutputs, "outputs is a list", "options"),
    Bug(dilepton.LambdaOption, "an option is a function, another one in every process", "picklable"),
    Bug(dilepton.StateOfSetup, "what setup made does not travel", "picklable"),
    Bug(dilepton.InventedCollection, "reads a collection that NanoAOD does not have", "branches"),
    Bug(dilepton.InventedMissingMomentum, "reads a missing momentum that NanoAOD does not have", "branches"),
    Bug(dilepton.MissingColumn, "a promised column is not returned", "outputs"),
    Bug(dilepton.ImpossibleCharge, "answers nothing: no lepton has such a charge", "answered"),
    Bug(dilepton.SlotsForPositions, "returns slots instead of original positions", "index_range"),
    Bug(dilepton.OtherCollection, "electron_index holds positions of muons", "index_range"),
    Bug(dilepton.PairWithItself, "a pair is one lepton twice", "index_range"),
    Bug(dilepton.MeV, "a mass in MeV", "units"),
    Bug(dilepton.TeV, "a mass in TeV", "units"),
    Bug(dilepton.Degrees, "an angle in degrees", "units"),
    Bug(dilepton.UnwrappedAngle, "a difference of angles beyond half a turn", "units"),
    Bug(dilepton.UnitForgotten, "a mass without unit", "units"),
    Bug(dilepton.SquareInGeV, "a squared mass in GeV", "units"),
    Bug(dilepton.RatioInGeV, "a ratio in GeV", "units"),
    Bug(dilepton.EnergyLast, "a four-vector is (px, py, pz, E)", "units"),
    Bug(dilepton.PtEtaPhiMass, "a four-vector is (pt, η, φ, m)", "units"),
    Bug(dilepton.TruthInCuts, "cuts on the generator's flavour", "no_label_leakage"),
    Bug(dilepton.UsesWeights, "the sign of the event weight enters", "no_label_leakage"),
    Bug(dilepton.ChangesTheBatch, "changes momenta in place", "purity"),
    Bug(dilepton.CountsCalls, "the number of calls enters", "purity"),
    Bug(dilepton.RemembersByNumber, "remembers answers by event number alone", "another_process"),
    Bug(dilepton.RandomPerProcess, "random numbers drawn when imported", "another_process"),
    Bug(dilepton.HashOfName, "the hash of a string enters, another one in every process", "another_process"),
    Bug(dilepton.EnvironmentVariable, "an environment variable enters", "another_process"),
    Bug(dilepton.Clock, "the date enters", "another_process"),
    Bug(dilepton.PaddingCounts, "padded slots are paired", "masks_and_padding"),
    Bug(dilepton.FirstSlots, "takes the first two slots", "permutation"),
    Bug(dilepton.DividesByMissing, "divides by the missing momentum", "edge_events"),
    Bug(dilepton.DividesByDistance, "divides by an angle between leptons", "edge_events"),
    Bug(dilepton.LargestOfAll, "takes a maximum over a batch that may be empty", "empty_chunk"),
    Bug(dilepton.SeedsGenerators, "seeds the random generators of the process", "side_effects"),
    Bug(dilepton.SilencesWarnings, "silences numpy's warnings for everybody", "side_effects"),
    Bug(dilepton.OneByOne, "works through events, pairs and hypotheses in Python", "speed"),
    Bug(dilepton.SameSign, "pairs leptons of equal charge", None, "only physics says which pairs are meant"),
    Bug(dilepton.MissingAsPolar, "takes (px, py) for (pt, φ)", None, "a wrong formula of the right form"),
    Bug(dilepton.ZeroForNoAnswer, "gives 0 where there is no answer", None, "zero may be an answer"),
)
JETS = (
    Bug(jets.NetworkAsOption, "an option is a network", "options"),
    Bug(jets.Saturated, "the score is 1 in every event", "answered"),
    Bug(jets.NeverAScore, "the score is never a number", "answered"),
    Bug(jets.FlavourAsFeature, "the simulated flavour is a feature", "no_label_leakage"),
    Bug(jets.DropoutLeftOn, "dropout is left on", "purity"),
    Bug(jets.RunningMean, "a running mean of batches enters", "purity"),
    Bug(jets.ChangesFeatures, "changes features in place", "purity"),
    Bug(jets.FrozenByFirstBatch, "a normalisation is that of the first batch seen", "another_process"),
    Bug(jets.BatchNormalised, "features are normalised over the batch", "chunk_determinism"),
    Bug(jets.MeanOverSlots, "a mean counts padded slots", "masks_and_padding"),
    Bug(jets.NeedsAThirdSlot, "needs more slots than at_least", "masks_and_padding"),
    Bug(jets.UndefinedTags, "divides by 1 + b tag, which is 0 where the tag is undefined", "edge_events"),
    Bug(jets.DefaultDtype, "sets torch's default dtype", "side_effects"),
    Bug(jets.Threads, "sets torch's number of threads", "side_effects"),
    Bug(jets.GradMode, "leaves gradients on", "side_effects"),
    Bug(jets.WritesAFile, "writes a file in every call", "side_effects"),
    Bug(jets.OnTheCpu, "a tensor on the CPU, whatever the batch", None, "needs a GPU"),
    Bug(jets.SinglePrecision, "computes in single precision", None, "within one part in 10⁶ of the same"),
    Bug(jets.IgnoresAnOption, "an option that changes nothing", None, "no example has it otherwise"),
    Bug(jets.Inverted, "the score of signal is low", None, "only physics says what is signal"),
)

BUGS = (*DILEPTON, *JETS)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network that was initialised from a seed."""
    directory = tmp_path_factory.mktemp("weights")
    network = initialised(jets.Scorer, seed=3)
    save_weights(directory, network.state_dict(), Card("", {}, "none", 3, "", "", {}))
    return str(directory)


@pytest.fixture
def build(weights: str) -> Callable[[type[Reconstructor]], Reconstructor]:
    """A plugin of that class."""
    return lambda plugin: plugin(weights) if issubclass(plugin, jets.JetScore) else plugin()


def test_there_are_sixty_one_kinds_and_at_least_fifty_two_are_found():
    assert len(BUGS) == len({bug.plugin for bug in BUGS}) == 61
    assert sum(bug.check is not None for bug in BUGS) >= WANTED
    assert all(bool(bug.unseen) == (bug.check is None) for bug in BUGS)


@pytest.mark.parametrize("plugin", [dilepton.Dilepton, jets.JetScore], ids=lambda plugin: plugin.__name__)
def test_the_plugins_pass_without_a_bug(plugin, build):
    results = check_all(build(plugin))
    assert {result.name: result.detail for result in results if not result.passed} == {}
    assert [result.name for result in results] == [check.__name__ for check in CHECKS]


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug.check], ids=lambda bug: bug.plugin.__name__)
def test_a_bug_is_found_by_its_check(bug, build):
    (check,) = (check for check in CHECKS if check.__name__ == bug.check)
    with pytest.raises(ConformanceError, match=bug.plugin.__name__) as found:
        check(build(bug.plugin))
    assert type(found.value) is ConformanceError  # and not that something else was in the way


@pytest.mark.parametrize("bug", [bug for bug in BUGS if not bug.check], ids=lambda bug: bug.plugin.__name__)
def test_what_is_not_found_is_known(bug, build):
    failed = {result.name for result in check_all(build(bug.plugin)) if not result.passed}
    expected = {"device"} if bug.plugin is jets.OnTheCpu and torch.cuda.is_available() else set()
    assert failed == expected
