import awkward as ak
import numpy as np
import pytest
import torch

from hepreco.errors import ConfigError, DatasetError
from hepreco.events import EventBatch, InputSpec, ObjectSpec, read_batch, to_batch
from hepreco.events.bridge import four_vector_records, missing_where_nan, parallel_to_collection
from hepreco.kinematics import pt


def jets(*events):
    return ak.Array(
        [
            {
                "Jet": [
                    {"pt": p, "eta": 0.1 * i, "phi": 0.2, "mass": 3.0, "tag": float(i)} for i, p in enumerate(event)
                ],
                "Muon": [{"pt": 30.0, "eta": 0.0, "phi": 0.0, "mass": 0.1}],
                "PuppiMET": {"pt": 10.0, "phi": np.pi / 2},
                "run": 1,
                "luminosityBlock": 2,
                "event": 10 + number,
            }
            for number, event in enumerate(events)
        ],
    )


SPEC = InputSpec((ObjectSpec("Jet", ("pt > 25",), at_least=1, features=("tag",)), ObjectSpec("Muon")), "PuppiMET")


def test_order_padding_and_original_index():
    events = jets([40.0, 20.0, 90.0], [30.0], [10.0])
    batch, enough = to_batch(events, SPEC, weight=np.array([1.0, 2.0, 3.0]))
    assert enough.tolist() == [True, True, False]
    assert batch.index.tolist() == [[2, 0, 0], [0, -1, 0]]
    assert batch.mask.tolist() == [[True, True, True], [True, False, True]]
    assert batch.species.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert batch.features["tag"].tolist() == [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    assert batch.weight.tolist() == [1.0, 2.0]
    assert batch.event_id.tolist() == [[1, 2, 10], [1, 2, 11]]
    torch.testing.assert_close(pt(batch.momenta)[0], torch.tensor([90.0, 40.0, 30.0], dtype=torch.float64))
    assert batch.momenta[1, 1].tolist() == [0, 0, 0, 0]
    torch.testing.assert_close(batch.missing_momentum, torch.tensor([[0.0, 10.0]] * 2, dtype=torch.float64))
    assert batch.collection("Muon").mask.shape == (2, 1)


def test_at_most_keeps_the_leading():
    batch, _ = to_batch(jets([40.0, 20.0, 90.0]), InputSpec((ObjectSpec("Jet", at_most=2),)), weight=np.ones(1))
    assert batch.index.tolist() == [[2, 0]]
    assert torch.isnan(batch.missing_momentum).all()


def test_the_first_object_of_a_chunk_counts():
    """Its position in the chunk is 0, and 0 is no padding."""
    spec = InputSpec((ObjectSpec("Jet", at_least=1),))
    batch, enough = to_batch(jets([40.0], [50.0, 60.0]), spec, weight=np.ones(2))
    assert enough.tolist() == [True, True]
    assert batch.index.tolist() == [[0, -1], [1, 0]]


@pytest.mark.parametrize(("at_least", "at_most", "width"), [(0, None, 2), (4, None, 4), (0, 1, 1), (1, 7, 2)])
def test_there_are_as_many_slots_as_are_needed(at_least, at_most, width):
    spec = InputSpec((ObjectSpec("Jet", at_least=at_least, at_most=at_most),))
    batch, enough = to_batch(jets([40.0, 50.0], []), spec, weight=np.ones(2))
    assert batch.mask.shape[1] == width
    assert enough.tolist() == [at_least <= 2, at_least == 0]


def test_features_of_one_collection_are_zero_in_others():
    spec = InputSpec((ObjectSpec("Muon"), ObjectSpec("Jet", features=("tag", "eta"))))
    batch, _ = to_batch(jets([40.0, 50.0]), spec, weight=np.ones(1))
    assert batch.features["tag"].tolist() == [[0.0, 1.0, 0.0]]
    assert batch.features["eta"].tolist() == [[0.0, 0.1, 0.0]]
    assert batch.collections == ("Muon", "Jet")


def test_jets_of_equal_pt_stay_in_order():
    batch, _ = to_batch(jets([40.0, 50.0, 40.0, 50.0]), InputSpec((ObjectSpec("Jet"),)), weight=np.ones(1))
    assert batch.index.tolist() == [[1, 3, 0, 2]]


def test_forty_jets_and_none():
    batch, enough = to_batch(jets(list(range(30, 70)), []), InputSpec((ObjectSpec("Jet"),)), weight=np.ones(2))
    assert enough.all()
    assert batch.mask.sum(dim=1).tolist() == [40, 0]


def test_an_empty_chunk():
    batch, enough = to_batch(jets([40.0])[:0], SPEC, weight=np.ones(0))
    assert len(batch) == len(enough) == 0
    assert batch.momenta.shape[2] == 4


def test_four_vectors_come_back_with_nan_as_missing():
    batch, _ = to_batch(jets([40.0, 30.0]), SPEC, weight=np.ones(1))
    momenta = torch.stack((batch.momenta[:, 0], torch.full((1, 4), torch.nan, dtype=torch.float64)), dim=1)
    records = four_vector_records(momenta)
    assert records.pt.tolist()[0][1] is None
    np.testing.assert_allclose(records.mass[0, 0], 3.0, rtol=1e-6)
    np.testing.assert_allclose(records.energy[0, 0], batch.momenta[0, 0, 0], rtol=1e-6)


def test_scalars_become_float32_and_indices_stay():
    values = missing_where_nan(torch.tensor([1.5, torch.nan], dtype=torch.float64))
    assert values.tolist() == [1.5, None]
    assert "float32" in str(values.type)
    assert missing_where_nan(torch.tensor([[-1, 3]])).tolist() == [[-1, 3]]


def test_per_object_values_run_parallel_to_the_original_collection():
    values = parallel_to_collection(
        torch.tensor([[9.0, 4.0], [3.0, 0.0]]), torch.tensor([[2, 0], [0, -1]]), np.array([3, 1])
    )
    assert values.tolist() == [[4.0, None, 9.0], [3.0]]


def test_concatenated_chunks_equal_one_chunk(hadronic):
    spec = InputSpec((ObjectSpec("Jet", ("pt > 30",), at_least=2), ObjectSpec("Muon")))
    whole, pieces = read_batch(hadronic, spec), read_batch(hadronic, spec, chunksize=37)
    assert len(whole) == len(pieces) > 300
    for name in ("mask", "species", "index", "event_id"):
        assert torch.equal(getattr(whole, name), getattr(pieces, name)), name
    # Vectorised cosines differ in the last bit between the body and the tail of an array.
    torch.testing.assert_close(whole.momenta, pieces.momenta, rtol=1e-14, atol=1e-12)


def test_concatenation_pads_each_collection():
    spec = InputSpec((ObjectSpec("Jet"), ObjectSpec("Muon")))
    narrow, _ = to_batch(jets([40.0]), spec, weight=np.ones(1))
    wide, _ = to_batch(jets([40.0, 50.0]), spec, weight=np.ones(1))
    joined = EventBatch.concatenate([narrow, wide])
    assert joined.species.tolist() == [[0, 0, 1], [0, 0, 1]]
    assert joined.index.tolist() == [[0, -1, 0], [1, 0, 0]]
    assert joined.collection("Muon").mask.tolist() == [[True], [True]]
    assert len(EventBatch.concatenate([narrow[:0], wide])) == 1


def test_an_input_specification_names_each_collection_once():
    for objects in ((), (ObjectSpec("Jet"), ObjectSpec("Jet"))):
        with pytest.raises(ConfigError, match="collections"):
            InputSpec(objects)


def test_integer_momenta_are_ordered_as_numbers():
    objects = ak.zip({name: ak.unflatten(np.array([0, 7, 200], "u1"), [3]) for name in ("pt", "eta", "phi", "mass")})
    events = ak.Array({"Jet": objects, "run": [1], "luminosityBlock": [1], "event": [1]})
    batch, _ = to_batch(events, InputSpec((ObjectSpec("Jet"),)), weight=np.ones(1))
    assert batch.index.tolist() == [[2, 1, 0]]


def test_an_integer_that_a_tensor_would_round_is_refused():
    events = jets([40.0])
    events["Jet"] = ak.with_field(events.Jet, ak.Array([[2**53]]), "bits")
    spec = InputSpec((ObjectSpec("Jet", features=("bits",)),))
    assert to_batch(events, spec, weight=np.ones(1))[0].features["bits"].tolist() == [[2.0**53]]
    events["Jet"] = ak.with_field(events.Jet, ak.Array([[2**53 + 2]]), "bits")
    with pytest.raises(DatasetError, match="Jet_bits"):
        to_batch(events, spec, weight=np.ones(1))
