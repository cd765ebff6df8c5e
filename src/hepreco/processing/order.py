"""Orders plugins so that each runs after those whose columns it reads."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from hepreco.errors import ConfigError
from hepreco.events import InputSpec, ObjectSelection
from hepreco.events.selections import bind, check_selections
from hepreco.names import check_field
from hepreco.plugin import Reconstructor
from hepreco.plugin.options import closest

#: By a plugin's field name, and then by a collection of its inputs, the objects that replace the collection.
Bound = dict[str, dict[str, str]]


def in_order(
    plugins: Mapping[str, Reconstructor],
    objects: Mapping[str, ObjectSelection],
    bindings: Mapping[str, Mapping[str, str]],
) -> tuple[dict[str, Reconstructor], Bound]:
    """The plugins in an order in which each can read the columns that it needs, and the objects bound to each.

    Parameters
    ----------
    plugins
        Plugins by the field name of their columns.
    objects
        Selected objects by name.
    bindings
        By plugin and role, the objects that it reads: the name of selected objects, or a column of four-vectors of
        another plugin, such as ``chi2_assigner.top``.

    Raises
    ------
    ConfigError
        A name is invalid, objects are defined in a circle, a binding names unknown objects or roles, a plugin reads a
        column that another does not have, or plugins read each other's columns in a circle.
    """
    check_selections(objects)
    bound = {}
    for name, plugin in plugins.items():
        check_field(name, what="a plugin's table")
        if name in objects:
            raise ConfigError(f"{name!r} names selected objects and a plugin's table", "rename one of them")
        bound[name] = bind(plugin.inputs, bindings.get(name, {}), objects, plugin=name)
    needs = {name: _needs(name, plugin.inputs, bound[name], plugins) for name, plugin in plugins.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        circle = " reads ".join(reversed(error.args[1]))
        raise ConfigError(f"plugins read each other's columns in a circle: {circle}", "leave one of them out") from None
    return {name: plugins[name] for name in sorted(plugins, key=order.index)}, bound


def _needs(name: str, inputs: InputSpec, bound: Mapping[str, str], plugins: Mapping[str, Reconstructor]) -> list[str]:
    """The plugins whose columns a plugin reads."""
    objects = [bound.get(spec.collection, spec.collection) for spec in inputs.objects]
    needed = []
    for path in (*(source for source in objects if "." in source), *inputs.event_features):
        other, _, column = path.partition(".")
        if other in plugins:
            _require(name, other, column.partition(".")[0], plugins[other], objects=path in objects)
            needed.append(other)
        elif path in objects:
            raise ConfigError(
                f"plugin {name!r} reads {path}, and there is no plugin {other!r}", closest(other, plugins)
            )
    return needed


def _require(name: str, other: str, column: str, plugin: Reconstructor, *, objects: bool) -> None:
    columns = {each.name: each for each in plugin.outputs}
    if column not in columns:
        raise ConfigError(f"plugin {name!r} reads {other}.{column}, which is no column", closest(column, columns))
    if objects and columns[column].kind != "four-vector":
        vectors = [each.name for each in plugin.outputs if each.kind == "four-vector"]
        raise ConfigError(
            f"plugin {name!r} reads {other}.{column} as objects, and it is a {columns[column].kind}",
            f"its four-vectors are {', '.join(vectors) or 'none'}",
        )
