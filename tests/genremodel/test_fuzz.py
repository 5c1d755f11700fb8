"""Damaged files of every container through the real command: none hangs, none brings it down."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from tests.conftest import run_module
from tests.faults import HOPELESS, TRUNCATED, mutated
from tests.sounds import CONTAINERS, make


def classify(*paths: Path) -> tuple[int, dict[str, dict[str, object]]]:
    done = run_module("genremodel", "--json", *map(str, paths), cwd=Path.cwd(), environment={})
    assert "Traceback" not in done.stderr, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["path"]: line for line in lines}


def test_mutated_files(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """`--fuzz` says how many. Each day has other ones; the paths in a failure have the seeds."""
    count: int = request.config.getoption("--fuzz")
    first = date.today().toordinal() * count
    originals = {}
    for kind in CONTAINERS:
        seconds = 1 if kind == "dsf" else 4
        originals[kind] = make(tmp_path / f"original.{kind}", seconds=seconds).read_bytes()
    paths = []
    for seed in range(first, first + count):
        kind = CONTAINERS[seed % len(CONTAINERS)]
        path = tmp_path / f"{seed}.{kind}"
        path.write_bytes(mutated(originals[kind], seed))
        paths.append(path)
    before = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
    status, results = classify(*paths)
    assert [*results] == [str(path) for path in paths]
    outcomes = Counter("failed" if "error" in result else "analyzed" for result in results.values())
    print(f"{count} mutated files from seed {first}: {dict(outcomes)}")
    assert status == 1
    assert outcomes["analyzed"] > count / 2, "intact parts are analyzed"
    assert outcomes["failed"] > 0
    errors = {path: str(result["error"]) for path, result in results.items() if "error" in result}
    assert not {path: e for path, e in errors.items() if "crashed" in e or "within" in e}
    assert before == [hashlib.sha256(path.read_bytes()).digest() for path in paths]


def test_hopeless_and_truncated_files(tmp_path: Path) -> None:
    content = make(tmp_path / "a.mp3", seconds=30).read_bytes()
    for name, damage in {**HOPELESS, **TRUNCATED}.items():
        (tmp_path / f"{name}.mp3").write_bytes(damage(content))
    (tmp_path / "folder.mp3").mkdir()
    (tmp_path / "dangling.mp3").symlink_to("nowhere.mp3")
    paths = sorted(tmp_path.glob("*.mp3"))
    status, results = classify(*paths)
    assert status == 1
    analyzed = {Path(path).stem for path, result in results.items() if "error" not in result}
    assert analyzed == {"a", "truncated at 1%", "truncated at 50%", "truncated at 99%"}
    errors = {
        Path(path).stem: result["error"] for path, result in results.items() if "error" in result
    }
    assert errors["folder"] == "not a file"
    assert errors["dangling"] == "No such file or directory"
    assert errors["text"] == "Invalid data found when processing input"
    assert len(errors) == len(HOPELESS) + 2
