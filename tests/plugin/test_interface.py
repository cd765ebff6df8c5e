from typing import get_args

import pytest

from hepreco import Reconstructor
from hepreco.errors import ConfigError, PluginError
from hepreco.plugin import Trainable, TrainedNetwork, TrainingOptions, TrainsOn
from hepreco.plugin.description import describe_plugin


def test_the_smallest_that_can_be_trained_with():
    options = TrainingOptions(epochs=1, batch_size=1, patience=1, learning_rate=1e-12, validation_fraction=1e-6)
    assert (options.epochs, options.schedule, options.seed, options.device) == (1, "constant", 1, "cpu")


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 0}, {"patience": 0}, {"learning_rate": 0.0}, {"learning_rate": -1e-3}]
)
def test_options_that_train_nothing(wrong):
    with pytest.raises(ConfigError, match="cannot train with"):
        TrainingOptions(**wrong)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_fractions_that_leave_nothing(fraction):
    with pytest.raises(ConfigError, match="a validation fraction of"):
        TrainingOptions(validation_fraction=fraction)


def test_defaults_are_those_of_the_documentation():
    assert TrainingOptions() == TrainingOptions(
        epochs=200, batch_size=512, learning_rate=1e-3, patience=20, validation_fraction=0.1, resume_from=None
    )


@pytest.mark.parametrize("kind", get_args(TrainsOn))
def test_plugins_of_three_kinds_can_be_trained(kind):
    class Learns(Reconstructor, Trainable):
        """Learns."""

        trains_on = kind

    class Knows(Reconstructor):
        """Knows."""

    assert describe_plugin("learns", Learns).trains_on == kind
    assert describe_plugin("knows", Knows).trains_on is None
    with pytest.raises(TypeError, match=r"abstract method.*train"):
        Learns()


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(PluginError, match="trains on 'files'") as error:
        type("Learns", (Trainable,), {"trains_on": "files"})
    assert error.value.remedy == "choose one of events, classes, generated"


@pytest.mark.parametrize(("name", "kind"), [("SupervisedTrainable", "classes"), ("SelfTrainable", "generated")])
def test_the_interfaces_of_version_1_say_what_to_change(name, kind):
    with pytest.raises(ImportError, match=f"no {name} since hepreco 0.2: derive from Trainable.* trains_on = '{kind}'"):
        exec(f"from hepreco.plugin import {name}")


def test_a_trained_network_needs_no_history():
    assert TrainedNetwork({}, {"hidden": 3}, {"loss": 0.5}).history == {}
