"""Process strings: what they mean, and what is wrong with those that mean nothing."""

import pytest
import torch

from hepreco import conventions
from hepreco.amplitudes import (
    LEPTONIC,
    PARTICLES,
    TO_B_QUARKS,
    Leg,
    MatrixElement,
    Process,
    StandardModel,
    parse_process,
    with_decays,
)
from hepreco.errors import ModelError, ProcessError


def test_masses_are_those_of_the_conventions():
    """Of which the W mass is no parameter, but follows from others."""
    model = StandardModel()
    assert (model.m_t, model.m_z) == (conventions.TOP_MASS, conventions.Z_MASS)
    assert model.m_w == pytest.approx(conventions.W_MASS, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "pdg_ids", "averaging"),
    [
        ("g g > t t~", (21, 21, 6, -6), 256),
        ("u d~ > w+, w+ > e+ ve", (2, -1, -11, 12), 36),
        ("u d~ > w+, w+ > ve e+", (2, -1, 12, -11), 36),
        ("g g > t t~, t > b w+, t~ > b~ w-", (21, 21, 5, 24, -5, -24), 256),
        ("g g > t t~, (t > b w+, w+ > u d~)", (21, 21, 5, 2, -1, -6), 256),
        ("g g > t t~, t > b u d~", (21, 21, 5, 2, -1, -6), 256),
        ("  G G>H h  ", (21, 21, 25, 25), 512),
        ("u u~ > z z", (2, -2, 23, 23), 72),
        ("u u~ > z z, z > e- e+", (2, -2, 11, -11, 11, -11), 72),
        ("u u~ > z z, z > e- e+, z > mu- mu+", (2, -2, 11, -11, 13, -13), 36),
        ("e- e+ > z h, (h > z z, z > mu- mu+)", (11, -11, 23, 13, -13, 13, -13), 8),
        ("w+ w- > h", (24, -24, 25), 9),
        ("ve ve~ > e- e+", (12, -12, 11, -11), 4),
        ("t > w+ b", (6, 24, 5), 6),
        ("ta- ta+ > a a", (15, -15, 22, 22), 8),
    ],
)
def test_meaning(text, pdg_ids, averaging):
    process = parse_process(text)
    assert process.pdg_ids == pdg_ids
    assert process.averaging_factor == averaging


@pytest.mark.parametrize(
    "text",
    [
        "g g > t t~ QED=0, (t > w+ b, w+ > u d~), (t~ > w- b~, w- > u~ d)",
        "u u > w+{0} w-{T} u u QCD=0, w+ > u d~, w- > u~ d",
        "e- e+ > mu- mu+ / a h QED==2",
        "u d~ > w+ z, w+ > e+ ve, z > mu- mu+",
        "t > w+ b",
    ],
)
def test_written_as_it_is_read(text):
    assert str(parse_process(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("g g > t t~ x", "unknown particle 'x'"),
        ("p p > t t~", "unknown particle 'p'"),
        ("g g > t b~", "electric charge is not conserved"),
        ("u u > t t~ QCD=2", "electric charge is not conserved"),
        ("u d~ > c d~", "flavour is not conserved"),
        ("e- mu+ > ve ve~", "flavour is not conserved"),
        ("u g > e+ ve", "electric charge is not conserved"),
        ("e- u > u u", "electric charge is not conserved"),
        ("g g t t~", "expected '>'"),
        ("g g > ", "too few particles"),
        ("g > g", "too few particles"),
        ("> t t~", "0 incoming particles"),
        ("g g g > t t~", "3 incoming particles"),
        ("", "expected '>'"),
        ("g g > t t~ QCD>2", "an order without its limit"),
        ("g g > t t~ QFD=0", "unknown order 'QFD'"),
        ("g g > t t~ [QCD]", r"cannot read '\[QCD\]'"),
        ("g g > t t~ @1", "cannot read '@1'"),
        ("g g > z > t t~", "required propagators"),
        ("e- e+ > t t~ $ z", r"cannot read '\$'"),
        ("e- e+ > t t~ /", "'/' excludes nothing"),
        ("g g > t t~, w+ > u d~", r"a decay of w\+, which is not produced,"),
        ("g g > t t~, t > w+ b, w+ > u d~", r"a decay of w\+, which is not produced,"),
        ("g g > t t~, (t > w+ b, w+ > u d~", r"'\)' is missing"),
        ("g g > t t~, t > w+ b)", "out of place"),
        ("g g > t t~, t t~ > w+ b w- b~", "a decay has one parent, not 2"),
        ("g g > t t~ t t~, t > w+ b, t > w+ b, t > w+ b", "3 decays for 2 of t"),
        ("u d~ > w+{X}", "unknown polarisation {X}"),
        ("u u~ > g{0} z", "g cannot be polarised"),
        ("w+{0} w- > h h", "a polarised incoming particle"),
        ("e- e+ > mu- mu+ / z{0}", "a polarised propagator is excluded"),
    ],
)
def test_what_is_wrong_and_where(text, message):
    with pytest.raises(ProcessError, match=message) as caught:
        parse_process(text)
    lines = str(caught.value).splitlines()
    if "not conserved" not in message:
        assert lines[1].strip() == text.strip()
    assert lines[2].strip() == "^"
    assert lines[-1].strip().startswith("what to do: ")


def test_the_caret_points_at_the_place():
    with pytest.raises(ProcessError) as caught:
        parse_process("g g > t t~, (t > w+ b, w+ > u q)")
    _, text, caret, _ = str(caught.value).splitlines()
    assert text[caret.index("^") :].startswith("q)")


@pytest.mark.parametrize(
    ("process", "message"),
    [
        ("g g > h", "no tree diagram for g g > h\n"),
        ("ve ve~ > a a", "no tree diagram"),
        ("g g > z z", "no tree diagram"),
        ("z > a a", "no tree diagram"),
        ("g g > t t~ QCD=1", "no tree diagram for g g > t t~ within its limits; without them there are QCD=2 QED=0"),
        ("e- e+ > mu- mu+ / a z", "no tree diagram"),
        ("u u~ > z h, h > g g", "no tree diagram for h > g g"),
    ],
)
def test_processes_without_diagrams(process, message):
    with pytest.raises(ProcessError, match=message):
        MatrixElement(process)


def test_decays_of_a_production_can_be_chosen():
    process = with_decays("g g > t t~ h", {**LEPTONIC, "h": TO_B_QUARKS})
    assert [particle.name for particle in parse_process(process).final] == [
        "b",
        "e+",
        "ve",
        "b~",
        "e-",
        "ve~",
        "b",
        "b~",
    ]
    assert MatrixElement(process).diagrams == 8


def test_a_massless_b_has_no_yukawa_coupling_unless_given():
    assert MatrixElement("b b~ > h").diagrams == 1
    with pytest.raises(ProcessError, match="no tree diagram for b b~ > h"):
        MatrixElement("b b~ > h", model=StandardModel(m_b=0.0))
    assert MatrixElement("b b~ > h", model=StandardModel(m_b=0.0, m_b_yukawa=4.7)).diagrams == 1
    with pytest.raises(ProcessError, match="no tree diagram for b b~ > h"):
        MatrixElement("b b~ > h", model=StandardModel(m_b_yukawa=0.0))


@pytest.mark.parametrize(
    ("process", "diagrams"),
    [
        ("g g > g g", 4), ("g g > g g g", 25), pytest.param("g g > g g g g", 220, marks=pytest.mark.slow),
        ("u u~ > u u~", 2),
        ("u u~ > d d~ QED=99 QCD=99", 4), ("e- e+ > w+ w-", 3), ("ta- ta+ > w+ w-", 4), ("w+ w- > w+ w-", 7),
        ("g g > t t~ g", 16), ("g g > t t~ g g", 123),
    ],
)  # fmt: skip
def test_number_of_diagrams(process, diagrams, record_property):
    """As MadGraph counts them; for gluons Kleiss, Kuijf, Nucl. Phys. B 312 (1989) 616, table 1."""
    found = MatrixElement(process).diagrams
    record_property("diagrams", f"{found}; reference {diagrams}")
    assert found == diagrams


def test_the_least_orders_are_kept_as_in_madgraph():
    """Without limits the strongest diagrams; with one, all within it."""
    assert MatrixElement("u u~ > d d~").diagrams == 1
    assert MatrixElement("u u~ > d d~ QCD=0").diagrams == 3
    assert MatrixElement("u u~ > d d~ QED=2").diagrams == 4
    assert MatrixElement("u u~ > d d~ QED==2").diagrams == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"m_t": -173.0}, "m_t is -173.0"),
        ({"width_w": float("nan")}, "width_w is nan"),
        ({"alpha_inverse": 0.0}, "alpha_inverse is 0.0"),
        ({"m_z": 70.0}, "do not give a real W mass"),
        ({"m_t": torch.tensor([173.0, 172.0])}, r"m_t is a tensor of shape \(2,\)"),
    ],
)
def test_models_that_cannot_be(parameters, message):
    with pytest.raises(ModelError, match=message):
        StandardModel(**parameters)


def test_processes_made_by_hand_are_checked_too():
    t, w, b, g = (PARTICLES[name] for name in ("t", "w+", "b", "g"))
    decay = Process((t,), (Leg(w), Leg(b)))
    assert MatrixElement(Process((g, g), (Leg(t, decay=decay), Leg(t.anti)))).pdg_ids == (21, 21, 24, 5, -6)
    with pytest.raises(ProcessError, match=r"'t > w\+ b' is not a decay of t~"):
        Leg(t.anti, decay=decay)
    with pytest.raises(ProcessError, match="electric charge is not conserved"):
        Process((t,), (Leg(w), Leg(t)))
    with pytest.raises(ProcessError, match="g cannot be polarised"):
        Leg(g, "0")


def test_tensors_of_a_model_are_used_in_double_precision():
    single = StandardModel(m_t=torch.tensor(173.0), alpha_s=torch.tensor(0.118))
    double = single.in_units_of(1.0)
    assert double.m_t.dtype == double.g_s.dtype == torch.float64


def test_derived_parameters():
    """The values of MadGraph's param_card for the default inputs."""
    model = StandardModel()
    assert model.m_w == pytest.approx(80.4190024, abs=1e-7)
    assert model.vev == pytest.approx(246.2184581, rel=1e-8)
    # G_F = 1/(√2 v²), which is not how the vev is computed.
    assert 1 / (2**0.5 * model.vev**2) == pytest.approx(model.fermi_constant, rel=1e-12)
