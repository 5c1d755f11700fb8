"""`python -m tests.beets_suite`: beets' own tests, with genreclf loaded beside every plugin.

The tests come from the source distributions of the oldest and the newest supported beets, pinned by
hash. Each version has a virtual environment of its own in `.cache/beets-suite`. All tests run with
genreclf loaded last, and again with genreclf loaded first. A test that fails and is not listed in
`expected.yaml` is repeated without genreclf: where it fails as well, the cause is this machine.
Exits with 1 when a test fails because of genreclf.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
CACHE = PROJECT / ".cache" / "beets-suite"
PLUGIN = "tests.beets_suite.beside_every_plugin"
VERSIONS = ("2.12.0", "2.14.1")


def main() -> int:
    """Run the tests of all versions and return the exit status."""
    began = time.monotonic()
    passed = excused = 0
    broken: list[str] = []
    for version in VERSIONS:
        suite = Suite(version)
        suite.prepare()
        for place in ("last", "first"):
            print(f"== beets {version}, genreclf {place} ==", flush=True)
            result = suite.run(place, "test")
            assert result["loaded"], "genreclf was never loaded, so nothing was tested"
            without = []
            if result["failed"]:
                print("== the failed tests, without genreclf ==", flush=True)
                without = suite.run("none", *result["failed"])["failed"]
            ours = [name for name in result["failed"] if name not in without]
            broken += [f"FAILED {name} (beets {version}, genreclf {place})" for name in ours]
            passed += result["passed"]
            excused += len(without)
            loaded = f"genreclf was loaded in {result['loaded']} tests"
            print(f"{loaded}; {len(result['expected'])} failed as expected", flush=True)
            for name in without:
                print(f"fails without genreclf, too: {name}")
    print("\n".join(broken))
    seconds = time.monotonic() - began
    total = f"{len(broken)} failed, {passed} passed, {excused} failed without genreclf, too"
    print(f"== beets {', '.join(VERSIONS)}: {total} in {seconds:.0f}s ==")
    return int(bool(broken))


class Suite:
    """The tests of one version of beets, and the virtual environment that they run in."""

    def __init__(self, version: str) -> None:
        self.requirement = HERE / f"beets-{version}.txt"
        self.folder = CACHE / version
        self.python = self.folder / "venv" / "bin" / "python"
        self.source = self.folder / f"beets-{version}"

    def prepare(self) -> None:
        """Make the environment, unless it was made from the same requirements."""
        inputs = (self.requirement, HERE / "requirements.txt", PROJECT / "pyproject.toml")
        made_from = hashlib.sha256(sys.version.encode())
        for path in inputs:
            made_from.update(path.read_bytes())
        stamp = self.folder / "made-from"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == made_from.hexdigest():
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder / "venv", with_pip=True)
        archive = self.folder / f"{self.source.name}.tar.gz"
        self._pip(
            "download",
            "--no-deps",
            "--no-binary=beets",
            "--require-hashes",
            f"--dest={self.folder}",
            f"--requirement={self.requirement}",
        )
        with tarfile.open(archive) as files:
            files.extractall(self.folder, filter="data")
        self._pip(
            "install",
            f"--requirement={HERE / 'requirements.txt'}",
            str(archive),
            f"--editable={PROJECT}",
        )
        stamp.write_text(made_from.hexdigest(), encoding="utf-8")

    def run(self, place: str, *tests: str) -> dict[str, Any]:
        """Run tests with genreclf in a place, and return the summary of the plugin."""
        report = self.folder / "report.json"
        report.unlink(missing_ok=True)
        arguments = self.folder / "tests.txt"  # too many for a command line
        arguments.write_text("\n".join(tests), encoding="utf-8")
        done = subprocess.run(
            [
                self.python,
                "-m",
                "pytest",
                "--quiet",
                "--numprocesses=2",
                f"-p{PLUGIN}",
                "-pno:cacheprovider",
                f"-c{os.devnull}",
                "--rootdir=.",
                "--disable-warnings",
                "--tb=no" if place == "none" else "--tb=short",
                f"--genreclf={place}",
                f"--genreclf-report={report}",
                f"@{arguments}",
            ],
            cwd=self.source,
            # ONNX Runtime would write a file to the home folder of a test while that is removed.
            env={
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "ORT_DISABLE_TELEMETRY": "1",
                "XDG_CACHE_HOME": str(self.folder / "cache"),  # of the analyses
            },
            check=False,
        )
        if done.returncode not in (0, 1):  # some tests did not run
            sys.exit(f"pytest ended with exit status {done.returncode}")
        return json.loads(report.read_text(encoding="utf-8"))

    def _pip(self, *arguments: str) -> None:
        subprocess.run([self.python, "-m", "pip", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main())
