from dataclasses import dataclass

import pytest

from hepreco.errors import ConfigError
from hepreco.events import ObjectSpec
from hepreco.plugin.options import structure


@dataclass(frozen=True)
class Options:
    number: float = 1.0
    count: int | None = None
    name: str | None = None
    flag: bool = False
    names: tuple[str, ...] = ()
    objects: tuple[ObjectSpec, ...] = ()


def build(**table):
    return structure(table, Options, where="table", remedy="look it up")


def test_plain_values():
    assert build(number=2, count=3, name="a", flag=True, names=["x"]) == Options(2.0, 3, "a", True, ("x",))
    assert build(objects=[{"collection": "Jet", "where": ["pt > 3"]}]).objects[0].where == ("pt > 3",)


@pytest.mark.parametrize(
    "table",
    [{"number": "2"}, {"number": True}, {"flag": 1}, {"flag": "False"}, {"name": 3}, {"nmae": "a"}, {"names": [1]}],
)
def test_anything_else_is_refused_and_named(table):
    with pytest.raises(ConfigError, match=r"table: .*(float|bool|str|nmae|type|union|invalid).*\n.*look it up"):
        build(**table)


def test_the_value_and_the_key_are_named():
    with pytest.raises(ConfigError, match="'2' is not a float at number"):
        build(number="2")


def test_a_fractional_count_is_not_cut_off():
    with pytest.raises(ConfigError, match="count"):
        build(count=2.5)


def test_an_error_of_the_class_itself_is_passed_on():
    with pytest.raises(ConfigError, match="cannot read the cut 'pt'"):
        build(objects=[{"collection": "Jet", "where": ["pt"]}])
