"""The observables of the analysis, from selected events."""

import awkward as ak


def scalar_sum(events: ak.Array) -> ak.Array:
    """H_T: the sum of the pt of all jets."""
    return ak.sum(events.jets.pt, axis=1)


def mass_of_three_jets(events: ak.Array) -> ak.Array:
    """m_bjj: the mass of the three jets, one of them b-tagged at least, whose sum has the highest pt."""
    one, two, three = ak.unzip(ak.combinations(events.jets, 3))
    total = one + two + three
    tagged = (one.b == 1) | (two.b == 1) | (three.b == 1)
    best = ak.argmax(ak.where(tagged, total.pt, -1.0), axis=1, keepdims=True)
    return ak.firsts(total[best]).mass
