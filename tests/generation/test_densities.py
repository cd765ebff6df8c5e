import sys
from pathlib import Path

import pytest
import torch

from hepreco.errors import ConfigError
from hepreco.generation import SimpleDensities
from hepreco.generation.hard import GridDensities, find_densities
from hepreco.generation.hard.densities import GLUON


def grid(path: Path, *, x=(1e-4, 1e-3, 1e-2, 0.1, 1.0), q=(10.0, 50.0, 100.0, 500.0)) -> Path:
    """A set in LHAPDF's format: x g = ln Q² + ln x, x u = x."""
    rows = []
    for one in x:
        for scale in q:
            gluon = torch.log(torch.tensor(scale**2)) + torch.log(torch.tensor(one)) + 12
            rows.append(f"{one:.8e} {float(gluon):.8e}")
    text = ["PdfType: central", "Format: lhagrid1", "---", " ".join(map(str, x)), " ".join(map(str, q)), "2 21", *rows]
    path.write_text("\n".join([*text, "---", ""]))
    return path


def test_what_is_linear_in_the_logarithms_is_interpolated_exactly(tmp_path):
    densities = GridDensities(grid(tmp_path / "set_0000.dat"), scale=70.0)
    x = torch.tensor([2e-4, 3e-3, 0.05, 0.5], dtype=torch.float64)
    expected = torch.log(torch.tensor(70.0**2)) + torch.log(x) + 12
    torch.testing.assert_close(densities(GLUON, x), expected, rtol=1e-6, atol=0)
    assert torch.all(densities(1, x) == 0)


def test_a_grid_is_met_at_its_knots(tmp_path):
    densities = GridDensities(grid(tmp_path / "set_0000.dat"), scale=100.0)
    x = torch.tensor([1e-3, 1e-2, 0.1], dtype=torch.float64)
    torch.testing.assert_close(densities(2, x), x, rtol=1e-7, atol=0)


@pytest.mark.parametrize(
    ("text", "word"), [("nonsense", "cannot|contain"), ("a\n---\n1 2\n3\n21\nx\n---\n", "cannot read")]
)
def test_other_files_are_refused(text, word, tmp_path):
    (tmp_path / "set.dat").write_text(text)
    with pytest.raises(ConfigError, match=word):
        GridDensities(tmp_path / "set.dat")


def test_a_scale_outside_the_grid_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="does not contain"):
        GridDensities(grid(tmp_path / "set_0000.dat"), scale=1000.0)


def test_unknown_sets_are_refused_with_advice():
    with pytest.raises(ConfigError, match="LHAPDF_DATA_PATH"):
        find_densities("NNPDF99")


def test_sets_are_found_by_name(tmp_path, monkeypatch):
    (tmp_path / "toy").mkdir()
    grid(tmp_path / "toy" / "toy_0000.dat")
    monkeypatch.setenv("LHAPDF_DATA_PATH", str(tmp_path))
    assert find_densities("toy").name == "toy_0000"


def test_the_simple_parametrisation_carries_all_momentum():
    densities, log_x = SimpleDensities(), torch.linspace(-15, -1e-6, 200_001, dtype=torch.float64)
    x = torch.exp(log_x)

    def integral(values):
        return float(torch.trapezoid(values, log_x))

    partons = (GLUON, *range(-4, 0), *range(1, 5))
    momentum = sum(integral(densities(parton, x) * x) for parton in partons)
    assert momentum == pytest.approx(1, abs=0.06)  # b quarks are left out


def test_the_simple_parametrisation_is_near_its_source():
    path = Path(sys.prefix) / "share/Pythia8/pdfdata/NNPDF23_lo_as_0130_qed_0000.dat"
    if not path.exists():
        pytest.skip("needs the grids of the Python package pythia8mc")
    x = torch.logspace(-4, -0.7, 50, dtype=torch.float64)
    for parton in (GLUON, 2, 1):
        torch.testing.assert_close(SimpleDensities()(parton, x), GridDensities(path)(parton, x), rtol=0.07, atol=0)
