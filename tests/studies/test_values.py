import pytest

from hepreco.studies import Value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(172.5731, 0.2549), "172.57 ± 0.25"),
        (Value(0.81234, 0.00512), "0.8123 ± 0.0051"),
        (Value(48213.2, 318.0), "48210 ± 320"),
        (Value(-0.004, 1.0), "-0.0 ± 1.0"),
        (Value(1.0, 0.0), "1 ± 0"),
        (Value(float("inf"), float("nan")), "inf ± nan"),
    ],
)
def test_rounds_to_two_digits_of_the_uncertainty(value: Value, text: str) -> None:
    assert str(value) == text
