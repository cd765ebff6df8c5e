"""DecayChannels of several particles, against lists of MadGraph and against counting by hand."""

from collections import Counter
from itertools import product

import pytest

from hepreco.amplitudes import MULTIPARTICLES, MatrixElement, expand_process, parse_process
from hepreco.errors import ForbiddenProcessError, ProcessError


def test_labels_are_those_of_madgraph():
    """``import model sm`` of MadGraph5_aMC@NLO prints them."""
    assert {name: " ".join(members) for name, members in MULTIPARTICLES.items()} == {
        "p": "g u c d s u~ c~ d~ s~",
        "j": "g u c d s u~ c~ d~ s~",
        "l+": "e+ mu+",
        "l-": "e- mu-",
        "vl": "ve vm vt",
        "vl~": "ve~ vm~ vt~",
    }


def test_top_pairs():
    assert expand_process("p p > t t~") == ("g g > t t~", *(f"{q} {q}~ > t t~" for q in "ucds"))


def test_a_string_without_labels_is_its_own():
    assert expand_process("g g > t t~, t > w+ b") == ("g g > t t~, t > w+ b",)


def test_two_jets_are_all_channels_of_qcd():
    """65: gg → gg, qq̄; qq̄ → gg; gq → gq; qq̄ → qq̄, q′q̄′; qq; qq′ for four flavours."""
    quarks = 4
    by_hand = 1 + quarks + quarks + 2 * quarks + quarks + quarks * (quarks - 1) + 2 * quarks
    by_hand += 2 * quarks * (2 * quarks - 2) // 2  # two different quarks that are not each other's antiparticles
    found = expand_process("p p > j j")
    assert len(found) == len(set(found)) == by_hand == 65
    assert "u d~ > c s~" not in found  # by a W alone, which costs more


def test_no_subprocess_is_there_twice_or_missing():
    """Against every ordered choice of particles, one by one."""
    partons = MULTIPARTICLES["p"]
    existing = set()
    for first, second, jet in product(partons, partons, partons):
        try:
            MatrixElement(f"{first} {second} > z {jet}")
        except ForbiddenProcessError:
            continue
        existing.add((frozenset(Counter((first, second)).items()), jet))
    found = [parse_process(text) for text in expand_process("p p > z j")]
    unordered = [(frozenset(Counter(map(str, each.incoming)).items()), str(each.final[1])) for each in found]
    assert len(unordered) == len(existing) == 12
    assert set(unordered) == existing


def test_one_decay_of_two_bosons_decays_each_on_its_own():
    found = expand_process("u u~ > z z, z > l+ l-")
    finals = Counter(tuple(sorted(map(str, parse_process(text).final))) for text in found)
    assert finals == {("e+", "e+", "e-", "e-"): 1, ("e+", "e-", "mu+", "mu-"): 1, ("mu+", "mu+", "mu-", "mu-"): 1}


def test_decays_within_decays():
    found = expand_process("g g > t t~, (t > w+ b, w+ > l+ vl), (t~ > w- b~, w- > j j)")
    assert len(found) == 4
    assert "g g > t t~, (t > w+ b, w+ > mu+ vm), (t~ > w- b~, w- > s c~)" in found


def test_limits_keep_what_is_within_them():
    assert "u d~ > c s~ QCD=0" in expand_process("u d~ > j j QCD=0")
    assert all("g" not in text.split() for text in expand_process("u d~ > j j QCD=0"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p p > e+", "no subprocess of"),
        ("p p > t x", "unknown particle 'x'"),
        ("p p > t t~ / p", "excludes 'p'"),
        ("p p > j j j j j j", "too many processes"),
        ("u d~ > w+, w+ > j{0} j", "stands for any of g u c d s"),
    ],
)
def test_what_stands_for_nothing_is_refused(text, message):
    with pytest.raises(ProcessError, match=message):
        expand_process(text)


def test_a_matrix_element_is_of_one_process():
    with pytest.raises(ProcessError, match=r"stands for 5 subprocesses.*: g g > t t~; u u~ > t t~") as refused:
        MatrixElement("p p > t t~")
    assert "expand_process" in refused.value.remedy
    assert MatrixElement("g g > t t~, t > w+ b, (t~ > b~ w-, w- > e- vl~)").pdg_ids[-2:] == (11, -12)
