import awkward as ak
import numpy as np
import pytest

from hepreco.errors import DatasetError
from hepreco.histograms.entries import flattened

RNG = np.random.default_rng(4)
SIZE = 200
COUNTS = RNG.poisson(2, SIZE)


def sometimes(values):
    return ak.mask(values, RNG.random(len(values)) > 0.3)


def jagged(values):
    return ak.unflatten(values, COUNTS)


def objects():
    return RNG.normal(size=COUNTS.sum())


EVENTS = ak.Array(
    {
        "scalar": RNG.normal(size=SIZE),
        "truth": RNG.random(SIZE) > 0.5,
        "optional": sometimes(RNG.normal(size=SIZE)),
        "list": jagged(objects()),
        "list_of_optional": jagged(sometimes(objects())),
        "optional_list": sometimes(jagged(objects())),
        "regular": RNG.normal(size=(SIZE, 3)),
        "nested": ak.unflatten(ak.unflatten(RNG.normal(size=2 * COUNTS.sum()), 2), COUNTS),
        "looked_up": ak.Array(RNG.normal(size=SIZE))[sometimes(RNG.integers(0, SIZE, SIZE))],
        "nothing": ak.Array([None] * SIZE),
        "empty": ak.Array([[]] * SIZE),
        "jets": jagged(
            ak.zip({"pt": objects(), "eta": sometimes(objects()), "charge": RNG.integers(-1, 2, COUNTS.sum())})
        ),
    }
)
PATHS = [*(name for name in EVENTS.fields if name != "jets"), "jets.pt", "jets.eta", "jets.charge"]


def slowly(column):
    """Every number with its event, one by one."""
    found = []

    def descend(value, event):
        if isinstance(value, list):
            for entry in value:
                descend(entry, event)
        elif value is not None:
            found.append((value, event))

    for event, value in enumerate(column.tolist()):
        descend(value, event)
    return found


@pytest.mark.parametrize(
    "chosen",
    [
        slice(None),
        slice(0, 0),
        slice(3, 90),
        RNG.random(SIZE) > 0.5,
        RNG.permutation(SIZE),
    ],
    ids=["all", "none", "some", "selected", "shuffled"],
)
def test_every_entry_with_its_event(chosen):
    events = EVENTS[chosen]
    found = {
        path: list(zip(values.tolist(), places.event.tolist(), strict=True))
        for path, values, places in flattened(events, PATHS)
    }
    assert sorted(found) == sorted(PATHS)
    for path in PATHS:
        column = events["jets"][path.partition(".")[2]] if "." in path else events[path]
        assert found[path] == slowly(column), path


def test_branches_of_a_collection_share_their_places():
    events = EVENTS[RNG.random(SIZE) > 0.5]
    (_, _, charge), (_, _, pt), (_, _, other) = flattened(events, ["jets.pt", "jets.charge", "optional_list"])
    assert charge is pt
    assert other is not pt


def test_what_vector_computes_is_found():
    import vector  # noqa: PLC0415

    vector.register_awkward()
    jets = ak.zip({name: [[30.0]] for name in ("pt", "eta", "phi", "mass")}, with_name="Momentum4D")
    ((_, values, _),) = flattened(ak.Array({"Jet": jets}), ["Jet.px"])
    np.testing.assert_allclose(values, 30 * np.cos(30.0))


@pytest.mark.parametrize("column", [[["a"]], ["a"], [[{"pt": 1.0}]], [{"pt": 1.0}], [1, "a"]])
def test_what_is_no_number_is_refused(column):
    with pytest.raises(DatasetError, match="x holds no numbers"):
        list(flattened(ak.Array({"x": column}), ["x"]))
