from pathlib import Path

import pytest
from matplotlib.figure import Figure

from hepreco.errors import OutputError
from hepreco.plotting import save_figure


def figure() -> Figure:
    drawn = Figure()
    drawn.subplots().set_title("χ² of tt̄")
    return drawn


def test_png_and_pdf_keep_the_whole_name(tmp_path: Path) -> None:
    png, pdf = save_figure(figure(), tmp_path / "new" / "chi2_assigner.top.mass")
    assert (png.name, pdf.name) == ("chi2_assigner.top.mass.png", "chi2_assigner.top.mass.pdf")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_equal_figures_give_equal_files(tmp_path: Path) -> None:
    for one, other in zip(save_figure(figure(), tmp_path / "a"), save_figure(figure(), tmp_path / "b"), strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert b"CreationDate" not in one.read_bytes()


def test_unwritable_place_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write the figure"):
        save_figure(figure(), tmp_path / "file" / "name")
