"""Which answers count as the same."""

import awkward as ak
import pytest
import torch

from hepreco.testing import answers, correction_answers


@pytest.mark.parametrize(("factor", "same"), [(1 + 0.8e-6, True), (1 - 0.8e-6, True), (1 + 1.5e-6, False)])
def test_answers_may_differ_by_one_part_in_a_million(factor, same):
    value = torch.tensor([200.0], dtype=torch.float64)
    assert (answers.first_difference({"ht": value}, {"ht": value * factor}) == "") == same
    of_corrections = ({"Jet.pt": ak.Array(number)} for number in ([200.0], [200.0 * factor]))
    assert (correction_answers.first_difference(*of_corrections) == "") == same
