"""The features of an event that the networks read."""

from itertools import combinations, permutations, product

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hepreco.generation import Topology
from hepreco.kinematics import eta, mass_squared, pt

#: Added to arguments of logarithms and to denominators (GeV or GeV²), so that zeros cause no infinities.
SOFTEST = 1e-2


def momentum_components(
    visible: Float[Tensor, "event visible 4"], missing_momentum: Float[Tensor, "event 2"], *, topology: Topology
) -> Float[Tensor, "event 1 feature"]:
    """X as in arXiv:2105.10126: all momentum components in units of 100 GeV, missing momentum last if there is any."""
    components = visible.flatten(start_dim=1)
    if topology.invisible:
        components = torch.cat((components, missing_momentum), dim=1)
    return components[:, None] / 100


def symmetric_features(
    visible: Float[Tensor, "event visible 4"], missing_momentum: Float[Tensor, "event 2"], *, topology: Topology
) -> Float[Tensor, "event arrangement feature"]:
    """Logarithms of masses and momenta, and angles, for every arrangement of identical visible particles.

    All are invariant under rotations about the beam and reflections:

    - for each particle ln E, ln pt and |η|;
    - for each pair ln m², ln m_T², cos Δφ, |Δη| and the product of both η;
    - for all particles together ln m², ln E and the rapidity along the beam;
    - with missing momentum its logarithm, ln m_T² and cos Δφ with each particle, and ln of the sum of all transverse
      momenta, the missing one included.
    """
    orders = arrangements(topology).to(visible.device)
    particles = visible[:, orders]  # event, arrangement, visible, component
    missing = missing_momentum[:, None, None, :] if topology.invisible else None
    transverse, pseudorapidity = pt(particles), eta(particles)
    found = [torch.log(particles[..., 0]), torch.log(transverse), pseudorapidity.abs()]
    pairs = list(combinations(range(len(topology.visible)), 2))
    if pairs:
        first, second = ([pair[side] for pair in pairs] for side in (0, 1))
        one, other = particles[..., first, :], particles[..., second, :]
        found += [
            _log(mass_squared(one + other)),
            *_transverse(one[..., 1:3], other[..., 1:3]),
            (pseudorapidity[..., first] - pseudorapidity[..., second]).abs(),
            pseudorapidity[..., first] * pseudorapidity[..., second],
        ]
    total = particles.sum(dim=2, keepdim=True)
    found += [_log(mass_squared(total)[..., 0])[..., None], torch.log(total[..., 0]), eta_of_sum(total)]
    if missing is not None:
        found += [torch.log(missing.norm(dim=-1) + SOFTEST).expand(*total.shape[:3])]
        found += _transverse(particles[..., 1:3], missing.expand_as(particles[..., 1:3]))
        scalar_sum = transverse.sum(dim=-1, keepdim=True) + missing.norm(dim=-1)
        found += [torch.log(scalar_sum)]
    return torch.cat(found, dim=-1)


def eta_of_sum(total: Float[Tensor, "*batch 4"]) -> Float[Tensor, " *batch"]:
    """|artanh(pz/E)|: the absolute rapidity of the visible system."""
    return torch.atanh((total[..., 3] / total[..., 0]).abs().clamp(max=1 - 1e-9))


def arrangements(topology: Topology) -> Int[Tensor, "arrangement visible"]:
    """All orders of the visible particles that exchange only identical ones.

    Example
    -------
    >>> from hepreco.generation import find_topology
    >>> arrangements(find_topology("pair-semi-visible")).tolist()
    [[0, 1], [1, 0]]
    """
    rows = []
    for choice in product(*(permutations(group) for group in topology.identical)):
        order = list(range(len(topology.visible)))
        for group, permuted in zip(topology.identical, choice, strict=True):
            for position, particle in zip(group, permuted, strict=True):
                order[position] = particle
        rows.append(order)
    return torch.tensor(rows)


def _transverse(one: Float[Tensor, "*batch 2"], other: Float[Tensor, "*batch 2"]) -> list[Float[Tensor, " *batch"]]:
    """Ln of 2(|p||q| − p·q), the squared transverse mass of massless particles, and cos Δφ."""
    magnitudes, inner = one.norm(dim=-1) * other.norm(dim=-1), (one * other).sum(dim=-1)
    return [_log(2 * (magnitudes - inner)), inner / (magnitudes + SOFTEST)]


def _log(squared: Tensor) -> Tensor:
    return torch.log(squared.clamp(min=0) + SOFTEST)
