import pytest

from hepreco.errors import ConfigError
from hepreco.plugin import TrainingOptions


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
