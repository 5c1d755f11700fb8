"""`python -m tests.wheel_suite BEETS [ARGUMENT...]`: test the wheel with a version of beets.

BEETS: `lowest`, `newest` or `main`, its branch. ARGUMENT: passed to pytest, instead of the folders
of all tests of the wheel.

The wheel is installed into a virtual environment in `.cache/wheel-suite`. The tests are copied, or
they would import the packages of the checkout, which lie beside them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from functools import partial
from pathlib import Path

PROJECT = Path(__file__).parents[1]
SETTINGS = PROJECT / "pyproject.toml"
CACHE = PROJECT / ".cache" / "wheel-suite" / "python{}.{}".format(*sys.version_info)
SCRIPTS = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
COPY = CACHE / "checkout"
COPIED = ("docs", "tests", "training")  # all that the tests read and import
TESTS = ("tests/beetsplug", "tests/genremodel")
# Fails if the package does not come from the wheel.
SHOW = """
import beets, genremodel, sysconfig
from pathlib import Path

folder = Path(genremodel.__file__).parent
assert folder.parent.samefile(sysconfig.get_path("purelib")), folder
print(f"== beets {beets.__version__}, genremodel in {folder} ==", flush=True)
"""


def main(beets: str, *arguments: str) -> int:
    """Return the exit status of pytest."""
    python = CACHE / f"venv-{beets}" / SCRIPTS
    pip = partial(run_pip, python)
    if not python.exists():
        venv.create(CACHE / f"venv-{beets}", with_pip=True)
        pip("install", "--upgrade", "pip>=25.1")
    wheels = CACHE / "dist"
    shutil.rmtree(wheels, ignore_errors=True)
    pip("wheel", "--no-deps", f"--wheel-dir={wheels}", str(PROJECT))
    (wheel,) = map(str, wheels.glob("*.whl"))
    pip("install", "--upgrade", requirement(beets), wheel, f"--group={SETTINGS}:test")
    pip("install", "--force-reinstall", "--no-deps", wheel)  # its version may not have changed
    for name in COPIED:
        shutil.rmtree(COPY / name, ignore_errors=True)
        shutil.copytree(PROJECT / name, COPY / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SETTINGS, COPY)  # of pytest
    environment = {"GENRE_DATA": str(PROJECT.parent / "shared" / "data"), **os.environ}
    for command in (["-c", SHOW], ["-m", "pytest", *(arguments or TESTS)]):
        done = subprocess.run([str(python), *command], cwd=COPY, env=environment, check=False)
        if done.returncode:
            return done.returncode
    return 0


def requirement(beets: str) -> str:
    """Return the requirement for a version of beets, as pip takes it."""
    if beets == "lowest":
        (version,) = re.findall(r'"beets>=([\d.]+)"', SETTINGS.read_text(encoding="utf-8"))
        return f"beets=={version}"
    return {"newest": "beets", "main": "beets @ git+https://github.com/beetbox/beets"}[beets]


def run_pip(python: Path, *arguments: str) -> None:
    """Run pip in the virtual environment of an interpreter."""
    subprocess.run([str(python), "-m", "pip", "--quiet", *arguments], check=True)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
