"""The trees of decays, against the process that they are of, and the table of processes."""

import pytest

from hepreco.amplitudes import DECAYS, PROCESSES, decay_trees, mothers, parse_process, with_decays


@pytest.mark.parametrize("name", PROCESSES)
def test_trees_number_the_final_particles_of_the_process(name):
    process = parse_process(PROCESSES[name])
    nodes = [node for tree in decay_trees(process) for node in tree]
    assert [node.row for node in nodes] == list(range(len(nodes)))
    stable = [node for node in nodes if not node.daughters]
    assert [node.legs for node in stable] == [(leg,) for leg in range(len(process.final))]
    assert tuple(node.particle for node in stable) == process.final
    for node in nodes:
        assert node.daughters == () or node.legs == tuple(leg for daughter in node.daughters for leg in daughter.legs)


def test_mothers_stand_before_their_daughters():
    trees = decay_trees(parse_process(PROCESSES["ttbar-hadronic"]))
    assert mothers(trees) == (-1, 0, 0, 2, 2, -1, 5, 5, 7, 7)


def test_decays_are_written_for_what_is_produced_alone():
    assert with_decays("u u > w+{0} w-{T} u u QCD=0") == "u u > w+{0} w-{T} u u QCD=0, w+ > u d~, w- > u~ d"
    assert with_decays("g g > b b~") == "g g > b b~"
    for parent, decay in DECAYS.items():
        assert parse_process(decay.removeprefix("(").removesuffix(")")).incoming[0].name == parent
