"""Options, inputs and columns of the packaged plugins, which configurations and histograms of users rely on.

``python tests/test_contracts.py`` writes them anew: what changes there belongs in the changelog.
"""

import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from hepreco.plugin import discover

KEPT = Path(__file__).parent / "data" / "contracts.json"
DISTRIBUTIONS = ("autoencoder", "chi2-assigner", "corrections", "event-variables", "me-assigner", "models", "part-sm")


def contract(plugin):
    """What a plugin asks for and promises with its default options."""
    built = plugin.build_any({}) if not required(plugin) else plugin.plugin_class.examples()[0]
    if plugin.kind == "correction":
        options = [option for option in fields(built) if "example" not in repr(getattr(built, option.name))]
        return {
            "options": {option.name: repr(getattr(built, option.name)) for option in options},
            "reads": list(built.reads),
            "variations": list(built.variations),
        }
    return {
        "options": {option.name: repr(getattr(built, option.name)) for option in fields(built)},
        "inputs": [repr(spec) for spec in (*built.inputs.objects, built.inputs.missing_momentum)],
        "outputs": [repr(column) for column in built.outputs],
    }


def required(plugin):
    """Whether it cannot be built without options."""
    options = fields(plugin.plugin_class)
    return any(option.default is MISSING and option.default_factory is MISSING for option in options)


def contracts(distribution):
    """Those of all plugins of a distribution."""
    plugins = [plugin for plugin in discover().plugins if plugin.distribution == f"hepreco-{distribution}"]
    return {plugin.name: contract(plugin) for plugin in sorted(plugins, key=lambda plugin: plugin.name)}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_contracts_are_kept(distribution):
    found = contracts(distribution)
    assert found
    assert found == json.loads(KEPT.read_text())[distribution]


if __name__ == "__main__":
    KEPT.write_text(json.dumps({name: contracts(name) for name in DISTRIBUTIONS}, indent=1, ensure_ascii=False) + "\n")
