"""Live comparison with ufoamp, an independent program that evaluates UFO models: ``tox -e ufoamp``."""

import pytest

from hepreco.amplitudes import MatrixElement, StandardModel

pytestmark = [
    pytest.mark.ufoamp,
    # ufoamp leaves the files of the model open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TOLERANCE = 1e-10
MODEL = StandardModel()

#: Processes with the orders (QCD, QED) that they have, which ufoamp is told and we find ourselves; None: all of them.
CASES = [
    ("t > w+ b", (0, 1)), ("h > b b~", (0, 1)), ("z > b b~", (0, 1)), ("t > b u d~", (0, 2)),
    ("h > w+ mu- vm~", (0, 2)), ("t > w+ b g", (1, 1)), ("u d~ > w+", (0, 1)), ("e- e+ > z", (0, 1)),
    ("b b~ > h", (0, 1)), ("g g > t t~", (2, 0)), ("u u~ > t t~", (2, 0)), ("g g > g g", (2, 0)),
    ("u u~ > g g", (2, 0)), ("g u > g u", (2, 0)), ("u u > u u", (2, 0)), ("t t~ > t t~", (2, 0)),
    ("g g > t t~ g", (3, 0)), ("u u~ > g g g", (3, 0)), ("u u~ > t t~ b b~", (4, 0)), ("g a > t t~", (1, 1)),
    ("a a > t t~", (0, 2)), ("u d~ > w+ g", (1, 1)), ("e- e+ > mu- mu+", (0, 2)), ("e- e+ > e- e+", (0, 2)),
    ("ta- ta+ > t t~", (0, 2)), ("ve e- > ve e-", (0, 2)), ("ve~ e- > mu- vm~", (0, 2)), ("u d~ > t b~", (0, 2)),
    ("u b > d t", (0, 2)), ("u u~ > t t~ QCD=0", (0, 2)), ("u u~ > d d~ QCD=99 QED=99", None),
    ("t t~ > t t~ QCD=99 QED=99", None), ("b t > b t QCD=99 QED=99", None), ("e- e+ > w+ w-", (0, 2)),
    ("ve ve~ > w+ w-", (0, 2)), ("t t~ > w+ w-", (0, 2)), ("u u~ > z z", (0, 2)), ("u d~ > w+ z", (0, 2)),
    ("t b~ > w+ z", (0, 2)), ("a a > w+ w-", (0, 2)), ("w+ w- > w+ w-", (0, 2)), ("w+ w+ > w+ w+", (0, 2)),
    ("w+ w- > z z", (0, 2)), ("w+ a > w+ z", (0, 2)), ("z z > z z", (0, 2)), ("w+ z > t b~", (0, 2)),
    ("u d~ > w+ h", (0, 2)), ("b b~ > h z", (0, 2)), ("t t~ > h h", (0, 2)), ("ta- ta+ > h h", (0, 2)),
    ("z z > h h", (0, 2)), ("w+ w- > h h", (0, 2)), ("h h > h h", (0, 2)), ("g g > t t~ h", (2, 1)),
    ("g g > t t~ z", (2, 1)), ("u d~ > t t~ w+", (2, 1)), ("u b > d t h", (0, 3)), ("e- e+ > z h h", (0, 3)),
    ("u u > u u h QCD=0", (0, 3)), ("u d~ > w+ w+ w-", (0, 3)), ("u u~ > a a a", (0, 3)), ("w+ w- > h h h", (0, 3)),
    ("w+ w- > w+ w- z", (0, 3)), ("w+ w- > z z h", (0, 3)), ("a a > w+ w- z", (0, 3)),
    ("e- e+ > e- e+ e- e+", (0, 4)), ("e- e+ > w+ w- z h", (0, 4)), ("u u > d d w+ w+ QCD=0", (0, 4)),
]  # fmt: skip


@pytest.mark.parametrize(("process", "orders"), CASES, ids=[process for process, _ in CASES])
def test_agrees_with_ufoamp(process, orders, ufoamp, on_shell, record_property):
    me = MatrixElement(process, model=MODEL)
    threshold = max(
        sum(float(getattr(MODEL, p.mass)) if p.mass else 0.0 for p in side)
        for side in (me.process.incoming, me.process.final)
    )
    energy = threshold if len(me.process.incoming) == 1 or len(me.process.final) == 1 else 1.1 * threshold + 400
    momenta = on_shell(me, energy=energy, events=4)
    found, expected = me(momenta), ufoamp(process, orders, momenta)
    deviation = float((found / expected - 1).abs().max())
    record_property("validation", (f"{process} (ufoamp)", len(momenta), deviation))
    assert deviation < TOLERANCE
