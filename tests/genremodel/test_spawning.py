"""Systems on which no worker process can be started: files are analyzed in the main process."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from genremodel.batch import spawning
from tests.conftest import run_module
from tests.platforms import linux
from tests.sounds import make
from tests.variants import variant

pytestmark = linux

MAIN = "import sys; from genremodel.__main__ import main; sys.exit(main())"
DAEMON = """
import multiprocessing, sys
from genremodel.__main__ import main

process = multiprocessing.get_context("fork").Process(target=lambda: sys.exit(main()), daemon=True)
process.start()
process.join()
sys.exit(process.exitcode)
"""
EXECUTABLE = "import multiprocessing.spawn as s; s.set_executable({}); " + MAIN
FROZEN = "import sys; sys.frozen = True; " + MAIN
# Files may be decoded, but there are not enough descriptors for the pipes of workers.
FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (18, 18)); " + MAIN
FULL_MEMORY = """
import _posixsubprocess, errno, subprocess

def fork_exec(*arguments):
    raise OSError(errno.ENOMEM, "Cannot allocate memory")

_posixsubprocess.fork_exec = fork_exec  # what subprocess and multiprocessing call by this name
subprocess._fork_exec = fork_exec  # if it is already imported, from Python 3.11 on
"""
NO_THREADS = """
import threading

def start(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = start
"""
READ_ONLY = "mount --bind /dev/shm /dev/shm && mount -o remount,bind,ro /dev/shm"
READ_ONLY_SHM = ("unshare", "-m", "sh", "-c", f'{READ_ONLY} && exec "$@"', "sh")


def classify(
    code: str, *paths: Path, prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Run a program with these paths in a fork, or by a command that runs it."""
    arguments = ["--json", *map(str, paths)]
    if not prefix:
        with TemporaryDirectory() as folder:
            Path(folder, "program.py").write_text(code)
            return run_module("program", *arguments, cwd=Path(folder), environment={})
    return subprocess.run(
        [*prefix, sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("songs")
    return [make(folder / f"{seed}.mp3", seconds=3, seed=seed) for seed in range(2)]


@pytest.fixture(scope="module")
def expected(songs: list[Path]) -> list[dict[str, Any]]:
    done = classify(MAIN, *songs)
    assert done.stderr == ""
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_analyzed(
    done: subprocess.CompletedProcess[str], expected: list[dict[str, Any]], reason: str
) -> None:
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected, done.stderr
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(f"worker processes could not be started ({reason}")
    assert "files are analyzed in this process, without a time limit" in warning


def test_worker_is_quiet_if_the_program_ends_while_it_starts() -> None:
    reading, writing = os.pipe()
    os.close(writing)
    command = spawning._command_line(tracker_fd=reading, pipe_handle=reading)
    done = subprocess.run(
        command, pass_fds=[reading], capture_output=True, text=True, check=False, timeout=100
    )
    os.close(reading)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(DAEMON, "daemonic processes are not allowed to have", id="daemon"),
        pytest.param(FEW_FILES, "Too many open files", id="few files", marks=variant),
        pytest.param(FULL_MEMORY + MAIN, "Cannot allocate memory", id="memory"),
        pytest.param(NO_THREADS + MAIN, "can't start new thread", id="threads"),
        pytest.param(EXECUTABLE.format("'/none'"), "No such file or directory", id="missing"),
        pytest.param(EXECUTABLE.format("'/tmp'"), "Permission denied", id="folder", marks=variant),
        pytest.param(EXECUTABLE.format("'/bin/true'"), "/bin/true does not work", id="true"),
        pytest.param(
            EXECUTABLE.format("'/bin/false'"), "/bin/false does not work", id="false", marks=variant
        ),
        pytest.param(EXECUTABLE.format("None"), "there is no Python interpreter", id="none"),
        pytest.param(
            EXECUTABLE.format("''"), "there is no Python interpreter", id="empty", marks=variant
        ),
        pytest.param(FROZEN, "Python is part of another program", id="frozen"),
    ],
)
def test_files_are_analyzed_without_workers(
    code: str, reason: str, songs: list[Path], expected: list[dict[str, Any]]
) -> None:
    assert_analyzed(classify(code, *songs), expected, reason)


def test_files_are_analyzed_without_shared_memory(
    songs: list[Path], expected: list[dict[str, Any]]
) -> None:
    if (
        not shutil.which("unshare")
        or subprocess.run([*READ_ONLY_SHM, "true"], check=False, capture_output=True).returncode
    ):
        pytest.skip("nothing can be mounted here")
    done = classify(MAIN, *songs, prefix=READ_ONLY_SHM)
    assert_analyzed(done, expected, "Read-only file system")


def test_broken_file_fails_alone_without_workers(songs: list[Path], tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("la la la")
    done = classify(EXECUTABLE.format("None"), songs[0], text, songs[1])
    good, bad, other = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert good["genre"]
    assert other["genre"]
    assert "Invalid data" in bad["error"]


def test_hanging_worker_ends_with_its_killed_parent(tmp_path: Path) -> None:
    code = """
import os, signal, sys, time
from genremodel import GenreClassifier

pool = GenreClassifier().pool(workers=1)
pool.submit(sys.argv[1]).result()
os.mkfifo(sys.argv[2])
task = pool._processes.schedule(open, sys.argv[2])  # it has no writer
while not task.future.running():
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    song = make(tmp_path / "a.wav")
    done = subprocess.run(
        [sys.executable, "-c", code, str(song), str(tmp_path / "pipe")],
        check=False,
        capture_output=True,
        text=True,
        timeout=100,  # as long as there is a worker, multiprocessing's tracker holds stderr open
    )
    assert done.returncode == -signal.SIGKILL
    assert done.stderr == ""


def test_workers_multiply_matrices_on_one_thread() -> None:
    """In the environment that they set before they import NumPy."""
    *interpreter, program, _ = spawning._command_line(pipe_handle=0)
    prepare, _, _ = program.partition("from multiprocessing")
    show = f"{prepare}print(os.environ['OMP_NUM_THREADS'])"
    environment = {"OMP_NUM_THREADS": "8"}
    done = subprocess.run(
        [*interpreter, show], env=environment, check=True, capture_output=True, text=True
    )
    assert done.stdout == "1\n"
