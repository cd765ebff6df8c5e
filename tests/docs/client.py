"""A program that drives hepreco as docs/llms.txt says: it reads JSON documents, and nothing else."""

import json
import os
import sys
from pathlib import Path

import tomli_w
from ready import python


def ask(*words: str) -> dict:
    command = ("-c", "from hepreco.cli import main; main()", *words)
    status, out, _ = python(*command, cwd=Path.cwd(), environment=os.environ)
    document = json.loads(out)
    if status != document.get("error", {}).get("status", 0):
        raise SystemExit(f"status {status}, document {document}")
    return document


def first_usable(kind: str) -> tuple[str, str]:
    """A plugin that needs jets alone, and the histogram of a mass or score that it fills."""
    for plugin in ask("plugins", "list", "--format", "json")["plugins"]:
        if plugin["state"] not in ("installed", "ready") or plugin["kind"] != "reconstructor":
            continue
        details = ask("plugins", "info", plugin["name"], "--format", "json")
        columns = [each for each in details["outputs"] if each["kind"] == kind and each["axis"]]
        if columns and {each["collection"] for each in details["inputs"]} == {"Jet"}:
            suffix = ".mass" if kind == "four-vector" else ""
            return plugin["name"], f"{plugin['name'].replace('-', '_')}.{columns[-1]['name']}{suffix}"
    raise SystemExit(f"no plugin gives a {kind}")


def analysis(plugin: str, histogram: str, schema: dict) -> dict:
    """A configuration of keys that the schema has."""
    document = {
        "datasets": {"ttbar": {"sample": {"process": "ttbar-hadronic", "events": 600}}},
        "plugins": {plugin: {}},
        "mass_peaks": [{"histogram": histogram, "dataset": "ttbar", "window": [150.0, 195.0]}],
    }
    assert document.keys() <= schema["properties"].keys()
    assert plugin in schema["properties"]["plugins"]["properties"]
    return document


def main(directory: Path) -> None:
    plugin, histogram = first_usable("four-vector")
    config = directory / "analysis.toml"
    config.write_text(tomli_w.dumps(analysis(plugin, histogram, ask("schema"))))
    run = ("run", str(config), "--output", str(directory / "results"), "--format", "json")
    answer = ask(*run)
    wrong = directory / "wrong.toml"
    wrong.write_text(config.read_text().replace("mass_peaks", "mass_peak"))
    error = ask("run", str(wrong), *run[2:])["error"]
    print(json.dumps({"plugin": plugin, "histogram": histogram, "answer": answer, "error": error}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
