"""Damaged files of every container do not crash or hang the command."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.faults import HOPELESS, TRUNCATED, mutated
from tests.sounds import CONTAINERS, make

FILES = 1000


def classify(*paths: Path) -> tuple[int, dict[str, dict[str, object]]]:
    done = subprocess.run(
        [sys.executable, "-m", "genremodel", "--json", *map(str, paths)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["path"]: line for line in lines}


def test_mutated_files(tmp_path: Path) -> None:
    originals = {}
    for kind in CONTAINERS:
        seconds = 1 if kind == "dsf" else 4
        originals[kind] = make(tmp_path / f"original.{kind}", seconds=seconds).read_bytes()
    paths = []
    for seed in range(FILES):
        kind = CONTAINERS[seed % len(CONTAINERS)]
        path = tmp_path / f"{seed}.{kind}"
        path.write_bytes(mutated(originals[kind], seed))
        paths.append(path)
    before = [hashlib.sha256(path.read_bytes()).digest() for path in paths]
    status, results = classify(*paths)
    assert [*results] == [str(path) for path in paths]
    outcomes = Counter("failed" if "error" in result else "analyzed" for result in results.values())
    print(f"{FILES} mutated files: {outcomes['analyzed']} analyzed, {outcomes['failed']} failed")
    assert status == 1
    assert outcomes["analyzed"] > FILES / 2, "what is there should be analyzed"
    assert outcomes["failed"] > 0
    reasons = Counter(str(result["error"]) for result in results.values() if "error" in result)
    assert not [reason for reason in reasons if "crashed" in reason or "within" in reason], reasons
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
