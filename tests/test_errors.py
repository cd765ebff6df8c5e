import pytest

from hepreco import errors
from hepreco.errors import ConfigError, HepRecoError, IncompleteRunError, SelectionError


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_says_what_to_do(name):
    error = getattr(errors, name)("what came", "do this")
    assert isinstance(error, HepRecoError)
    assert str(error) == "what came\n  what to do: do this"
    assert errors.describe(error) == "what came; what to do: do this"


def test_kinds_of_errors():
    assert issubclass(SelectionError, ConfigError)
    assert not issubclass(IncompleteRunError, ConfigError)


def test_a_text_that_raises_is_told():
    class BrokenError(Exception):
        def __str__(self):
            raise OSError

    assert errors.describe(BrokenError()) == "BrokenError: (its text raises OSError)"
