"""Reading the documentation as text."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(
    r"^(?P<fence>`{3,})(?:\{code-block\} *)?(?P<language>[a-z]+)\n(?::caption: (?P<caption>\S+)\n)?(?P<code>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A code block; one that opens with ```python is run, one with {code-block} python is not."""

    page: str
    language: str
    caption: str | None
    code: str
    runs: bool


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "analyses").rglob("*.md"))]


def blocks(path: Path) -> list[Block]:
    return [
        Block(
            path.relative_to(ROOT).as_posix(),
            match["language"],
            match["caption"],
            match["code"],
            runs="{code-block}" not in match[0].splitlines()[0],
        )
        for match in BLOCK.finditer(path.read_text())
    ]


@pytest.fixture(params=pages(), ids=lambda path: path.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    """Every page of the documentation, the README and the analyses' cards."""
    return request.param
