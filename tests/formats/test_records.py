import pytest
import torch

from hepreco.formats.records import CrossSection, PartonEvents, join, pad


def events(number: int, particles: int, *, seed: int) -> PartonEvents:
    """Records without any meaning, in which nothing is 0 or −1."""
    generator = torch.Generator().manual_seed(seed)

    def integers(*shape: int) -> torch.Tensor:
        return torch.randint(1, 100, shape, generator=generator)

    return PartonEvents(
        momenta=1 + torch.rand(number, particles, 4, generator=generator, dtype=torch.float64),
        pdg_id=integers(number, particles),
        status=integers(number, particles),
        mother=integers(number, particles),
        colour=integers(number, particles, 2),
        weight=1 + torch.rand(number, generator=generator, dtype=torch.float64),
    )


def test_joined_events_are_those_of_the_parts_padded_with_nothing():
    short, long = events(2, 3, seed=1), events(4, 5, seed=2)
    for parts in ((short, long), (long, short)):
        joined = join(parts)
        assert len(joined) == 6
        start = 0
        for part in parts:
            inside = joined[start : start + len(part)]
            size = part.pdg_id.shape[1]
            start += len(part)
            assert torch.equal(inside.weight, part.weight)
            for name in ("momenta", "pdg_id", "status", "mother", "colour"):
                values = getattr(inside, name)
                assert values.shape[1] == 5
                assert torch.equal(values[:, :size], getattr(part, name))
                assert (values[:, size:] == (-1 if name == "mother" else 0)).all()


def test_some_of_the_events():
    chosen = events(5, 3, seed=3)[torch.tensor([4, 0])]
    assert torch.equal(chosen.pdg_id, events(5, 3, seed=3).pdg_id[[4, 0]])
    assert len(chosen) == 2


@pytest.mark.parametrize(("filling", "expected"), [(0, [[1, 2, 0, 0]]), (-1, [[1, 2, -1, -1]])])
def test_padding_is_put_at_the_end(filling, expected):
    assert pad(torch.tensor([[1, 2]]), 4, filling).tolist() == expected


def test_padding_is_zero_unless_it_is_said():
    assert pad(torch.tensor([[1, 2]]), 3).tolist() == [[1, 2, 0]]


def test_cross_sections_say_their_error_and_unit():
    assert str(CrossSection(64.3812, 0.1123)) == "64.381 ± 0.11 pb"
