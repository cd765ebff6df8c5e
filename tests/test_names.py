import pytest

from hepreco.conventions import check_positive
from hepreco.errors import ConfigError
from hepreco.names import LONGEST, check_field, check_label, check_name, safe_name


@pytest.mark.parametrize("name", ["ttbar", "tt̄ + 2 jets", "chi2_assigner.top.mass", "München", "m[GeV]", "x" * LONGEST])
def test_names_that_files_can_have(name):
    check_name(name, what="a dataset")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../../x", "not contain '/'"),
        ("/tmp/x", "not contain '/'"),
        ("a\\b", "not contain '"),
        ("..", "dot or a space"),
        (".", "dot or a space"),
        (".hidden", "dot or a space"),
        ("x ", "dot or a space"),
        ("x.", "dot or a space"),
        ("", "not be empty"),
        ("  ", "not be empty"),
        ("a\0b", "not printable"),
        ("a\nb", "not printable"),
        ("a\u202eb", "not printable"),
        ("a\udc80b", "not printable"),
        ("a:b", "not contain ':'"),
        ("a*", "not contain '\\*'"),
        ("who?", "not contain '\\?'"),
        ("x" * (LONGEST + 1), "at most"),
        ("Index", "uses 'Index' itself"),
    ],
)
def test_names_that_files_cannot_have(name, why):
    with pytest.raises(ConfigError, match=why) as raised:
        check_name(name, what="a dataset", reserved={"index"})
    assert str(raised.value).startswith("a dataset is named")


def test_a_label_may_hold_what_a_path_may_not():
    check_label("|eta| < 2.4 / W→ℓν?", what="a cut")
    for name in ("", "\t"):
        with pytest.raises(ConfigError, match="a cut is named"):
            check_label(name, what="a cut")


@pytest.mark.parametrize("name", ["chi2-assigner", "chi2_assigner", "_x1"])
def test_fields(name):
    check_field(name, what="a plugin")


@pytest.mark.parametrize("name", ["2chi", "a.b", "a b", "a+b", "../a", ""])
def test_what_cannot_be_a_field(name):
    with pytest.raises(ConfigError, match="a plugin is named"):
        check_field(name, what="a plugin")


@pytest.mark.parametrize("text", ["../a/b", "tt_*[ab]?", "x" * 500, "..", "ü" * 200, "a\nb", "\udc80a", "x. "])
def test_a_safe_name_is_a_name_or_nothing(text):
    name = safe_name(text)
    if name:
        check_name(name, what="a file")
    assert set(name) <= set(text)
    assert safe_name(name) == name


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), -0.0])
def test_a_quantity_that_is_not_positive_is_refused(value):
    with pytest.raises(ConfigError, match=r"luminosity is .* fb"):
        check_positive(value, what="luminosity", unit="fb⁻¹")
