"""The main job: three analyses side by side, on samples that they generate themselves.

    python analyses/demo.py output

runs the analysis of top pairs, draws the figures of the README, and fits the cross-section of top pairs to pseudo-data.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
#: The commands of each analysis, one after the other; {out} is the directory of results.
ANALYSES: Final = (
    ("hepreco run {here}/ttbar/analysis.toml --output {out}",),
    (
        "{python} {here}/ttbar_cross_section/scripts/prepare.py {out}/cross_section --scale 0.05",
        "hepreco run {out}/cross_section/analysis.toml --output {out}/cross_section/output --no-figures",
        "hepreco fit {out}/cross_section/output --config {out}/cross_section/analysis.toml",
    ),
    (
        "{python} {here}/theory_informed/run.py {out}/theory_informed --quick --scale 0.2 --steps jets anomaly",
        "{python} {here}/theory_informed/figures.py {out}/theory_informed",
    ),
)


def main(output: str) -> None:
    """Run all analyses, and print what each has printed when it ends."""
    Path(output).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(ANALYSES)) as pool:
        statuses = list(pool.map(lambda commands: run(commands, output), ANALYSES))
    sys.exit(max(statuses))


def run(commands: tuple[str, ...], output: str) -> int:
    """Run commands until one fails, and return the last status."""
    printed, status = "", 0
    for command in commands:
        words = [word.format(here=HERE, out=output, python=sys.executable) for word in command.split()]
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        status = done.returncode
        printed += f"$ {' '.join(words)}\n{done.stdout}\n"
        if status:
            break
    print(printed, flush=True)
    return status


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "output")
