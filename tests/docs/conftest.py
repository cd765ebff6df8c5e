"""The documentation as text, and as code to run."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ready import python

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "analyses").rglob("*.md"))]
BLOCK = re.compile(
    r"^```(?:\{code-block\} *)?(?P<language>[a-z]+)\n(?::caption: (?P<caption>\S+)\n)?(?P<code>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A code block. Python is run where the block opens with ```python, and not where with ```{code-block} python."""

    language: str
    caption: str | None
    code: str
    runs: bool


def blocks(page: Path) -> list[Block]:
    return [
        Block(match["language"], match["caption"], match["code"].lstrip("\n"), runs="{code-block}" not in match[0])
        for match in BLOCK.finditer(page.read_text())
    ]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(params=PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    """Every page of the documentation, the README, and the cards of the analyses."""
    return request.param


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Path], list[Block]]:
    return blocks


def _new(*command: str, cwd: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    words = [sys.executable, "-W", "error", *command]
    done = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="session")
def shell() -> Callable[..., str]:
    """Run Python in a directory; warnings are errors there too.

    The process is ``new``, or has imported hepreco already, which saves seconds: workers of a cluster start in another
    directory then.
    """

    def run(*command: str, cwd: Path, path: Path | None = None, new: bool = False) -> str:
        environment = os.environ | {"MPLBACKEND": "agg", "COLUMNS": "200"} | ({"PYTHONPATH": str(path)} if path else {})
        status, out, err = (_new if new else python)(*command, cwd=cwd, environment=environment)
        assert status == 0, out + err
        return out

    return run


@pytest.fixture(scope="session")
def write_package() -> Callable[[Path, Path, str], Path]:
    """Write the captioned blocks of a page as an installed plugin; returns what to put on the path."""

    def write(page: Path, directory: Path, name: str) -> Path:
        for block in blocks(page):
            if block.caption:
                target = directory / block.caption
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(block.code)
        module = f"hepreco_{name.replace('-', '_')}"
        metadata = directory / "src" / f"{module}-0.1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: hepreco-{name}\nVersion: 0.1.0\n")
        (metadata / "entry_points.txt").write_text(f"[hepreco]\n{name} = {module}\n")
        return directory / "src"

    return write
