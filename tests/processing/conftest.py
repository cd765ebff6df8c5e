import importlib.util
import sys
from pathlib import Path

import cloudpickle
import pytest


@pytest.fixture(scope="session")
def faulty():
    """The module of misbehaving plugins, pickled by value so that workers need not import it."""
    spec = importlib.util.spec_from_file_location("faulty_plugins", Path(__file__).parent / "plugins.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["faulty_plugins"] = module
    spec.loader.exec_module(module)
    cloudpickle.register_pickle_by_value(module)
    return module
