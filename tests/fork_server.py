"""Run `python -m MODULE` in forks of one process that has imported what the module imports.

Most of the time of a short command is the start of Python, its imports, and loading the networks. A
fork of the server does what Python does after them: it runs the module as `__main__`, waits for
threads, calls what is registered with `atexit`, and exits. The first worker process of a command is
a fork as well, made before the command runs; further ones are started by multiprocessing.

The more memory a server has, the longer a fork takes. So there are two: one has imported the
modules that most commands need, the other has imported all.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from multiprocessing import util
from pathlib import Path
from typing import Any, TextIO

import beets

# All of both packages, and what they and mutagen import when they need it.
_PACKAGES = ("beetsplug.genreclf", "genremodel", "mutagen")
_MODULES = (
    "av.subtitles.stream", "beets.importer", "beets.ui.commands", "encodings.cp437", "numpy.fft",
    "numpy.ma", "onnxruntime", "pebble", "rich._emoji_codes", "rich.progress",
)  # fmt: skip
# What only a few commands need, with SciPy, Flask and Matplotlib.
_LARGE = (
    "beetsplug.genreclf.web.app", "beetsplug.genreclf.web.server", "genremodel.plot",
    "sklearn.covariance", "sklearn.linear_model", "sklearn.model_selection",
)  # fmt: skip
_NEED_LARGE = ("genreclf-train", "genreclf-web", "--plot")
# The commands of beets that start workers.
_ANALYZING = (
    "import", "genreclf", "genreclf-train", "genreclf-similar", "genreclf-explain", "genreclf-web",
)  # fmt: skip


class ForkServer:
    """A server for one process of tests.

    prefix: a command that runs it. python: the interpreter of its environment. large: whether it
    imports everything.
    """

    def __init__(self, prefix: Sequence[str], python: str, *, large: bool) -> None:
        options = ["large"] if large else []
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*prefix, python, "-m", "tests.fork_server", str(theirs.fileno()), *options],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[1],
            )
        with ours:
            self._calls = ours.makefile("rw")
        self._lock = threading.Lock()

    def run(
        self,
        module: str,
        *commands: Sequence[str],
        environment: Mapping[str, str],
        cwd: Path,
        stdin: str = "",
    ) -> list[subprocess.CompletedProcess[str]]:
        """Run a module with these variables alone, which Python does not read at its start.

        commands: the arguments of each process. They run at the same time.
        """
        with tempfile.TemporaryDirectory() as folder:
            calls, streams = [], []
            for number, arguments in enumerate(commands):
                paths = [Path(folder, f"{name}{number}") for name in ("stdin", "stdout", "stderr")]
                paths[0].write_text(stdin, encoding="utf-8")
                streams.append(paths)
                calls.append(([*map(str, paths)], module, [*arguments], {**environment}, str(cwd)))
            statuses = self._request("run", calls)
            return [
                subprocess.CompletedProcess(
                    [module, *arguments],
                    status,
                    output.read_text(encoding="utf-8"),
                    errors.read_text(encoding="utf-8"),
                )
                for arguments, status, (_, output, errors) in zip(
                    commands, statuses, streams, strict=True
                )
            ]

    def start(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str],
        cwd: Path,
        output: Path,
        errors: Path,
    ) -> Forked:
        """Start a module with these variables alone, and do not wait for its end.

        output, errors: files for what it prints.
        """
        streams = [os.devnull, str(output), str(errors)]
        call = (streams, module, arguments, {**environment}, str(cwd))
        return Forked(self, self._request("start", call))

    def status(self, pid: int) -> int | None:
        """Return the exit status of a process that was started, or None if it runs."""
        return self._request("status", pid)

    def close(self) -> None:
        self._calls.close()
        self._process.wait()

    def _request(self, *request: object) -> Any:
        with self._lock:
            print(json.dumps(request), file=self._calls, flush=True)
            return json.loads(self._calls.readline())


class Forked:
    """A process that the server has started, as `subprocess.Popen` has it."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._server = server
        self._status: int | None = None

    def poll(self) -> int | None:
        if self._status is None:
            self._status = self._server.status(self.pid)
        return self._status

    def wait(self, timeout: float = 60) -> int:
        end = time.monotonic() + timeout
        while (status := self.poll()) is None:
            assert time.monotonic() < end, f"process {self.pid} does not end"
            time.sleep(0.01)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:  # else its id may be that of another process
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _serve(descriptor: int) -> None:
    """Fork for each call, until the tests close the connection."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rw") as calls:
        call = _fork_for_calls(calls)
    if call:
        _run_module(*call)


def _fork_for_calls(calls: TextIO) -> list[Any] | None:
    """Fork for each call. Return the call in the fork, and None when there are no more."""
    while line := calls.readline():
        request, argument = json.loads(line)
        answer: object
        if request == "status":
            answer = _exit_status(argument, os.WNOHANG)
        else:
            children = []
            for call in argument if request == "run" else [argument]:
                child = os.fork()
                if not child:
                    return [*call]
                children.append(child)
            answer = [_exit_status(child) for child in children] if request == "run" else child
        print(json.dumps(answer), file=calls, flush=True)
    return None


def _exit_status(child: int, options: int = 0) -> int | None:
    """Return the exit status of a child, or None if it runs and the options do not wait for it."""
    pid, status = os.waitpid(child, options)
    return os.waitstatus_to_exitcode(status) if pid else None


def _run_module(
    streams: list[str], module: str, arguments: list[str], environment: dict[str, str], cwd: str
) -> None:
    """Run a module in this process, and exit."""
    for descriptor, path in enumerate(streams):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC if descriptor else os.O_RDONLY)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the server has looked for its own
    sys.path[0] = cwd
    sys.argv = [module, *arguments]
    if module == "genremodel" or any(argument in _ANALYZING for argument in arguments):
        _fork_worker()
    _exit_after(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


def _fork_worker() -> None:
    """Fork a process that becomes the first worker which multiprocessing starts, if it does."""
    connection, other = socket.socketpair()
    pid = os.fork()
    if not pid:
        connection.close()
        _become_worker(other)
    other.close()
    start_process = util.spawnv_passfds

    def use_fork(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
        program = next((text for text in args if "spawn_main" in str(text)), None)
        if program is None or connection.fileno() < 0:
            return start_process(path, args, passfds)
        with connection:
            message = json.dumps([program, *passfds]).encode()
            socket.send_fds(connection, [message], passfds)
        return pid

    util.spawnv_passfds = use_fork


def _become_worker(connection: socket.socket) -> None:
    """Wait for what a worker is started with, and run it. Exit if the command ends before."""
    import fcntl  # not on every system

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as workers are started
    message, received, *_ = socket.recv_fds(connection, 4096, 16)
    if not message:
        os._exit(0)
    program, *descriptors = json.loads(message)
    above = max(descriptors) + 1  # where none of them is overwritten
    moved = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    for descriptor, source in zip(descriptors, moved, strict=True):
        os.dup2(source, descriptor)
        os.close(source)
    sys.argv = ["-c", "--multiprocessing-fork"]
    _exit_after(lambda: exec(program, {"__name__": "__main__"}))


def _exit_after(run: Callable[[], object]) -> None:
    """Run something, and exit as Python does.

    It would then free all memory, which takes longer than a short command. Here it only closes
    databases, which removes their write-ahead logs.
    """
    status = 1
    try:
        run()
        status = 0
    except SystemExit as exc:
        if isinstance(exc.code, str):
            print(exc.code, file=sys.stderr)
        else:
            status = exc.code or 0
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if threading.active_count() == 1:  # else a thread may be using them
        for left in gc.get_objects():  # those of this call alone: the others are frozen
            if isinstance(left, sqlite3.Connection):
                with suppress(sqlite3.Error):
                    left.close()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed
            stream.flush()
    os._exit(status)


def is_large(arguments: Sequence[str]) -> bool:
    """Return whether a command needs the server that has imported everything."""
    return "--list" not in arguments and any(name in _NEED_LARGE for name in arguments)


def import_modules(*, large: bool) -> None:
    # onnxruntime would start a thread for its telemetry. Threads do not survive a fork.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    names = [*_MODULES]
    for package in _PACKAGES:
        found = pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
        names += [module.name for module in found if module.name != f"{package}.__main__"]
    for name in [*names, *_LARGE] if large else [name for name in names if name not in _LARGE]:
        with suppress(ModuleNotFoundError):  # in a small installation
            importlib.import_module(name)
    from genremodel.batch.spawning import prepare

    _load_data()
    _parse_default_settings()
    prepare()  # starts one tracker for all commands, and tries the interpreter
    assert threading.active_count() == 1
    gc.freeze()  # or the collector of each fork would copy all their memory


def _load_data() -> None:
    """Load the networks, and what else commands read from files of the packages and keep.

    They are not run: each fork would copy the memory that this takes.
    """
    from beetsplug.genreclf.genres.agreement import agreement
    from genremodel import GenreClassifier
    from genremodel.style_hierarchy import styles_after_genre

    GenreClassifier(backend="onnx" if "onnxruntime" in sys.modules else "numpy")
    agreement(["Unknown / Rock"], "jazz")
    styles_after_genre()


def _parse_default_settings() -> None:
    """Parse the settings that beets brings along, which takes half of the time of `beet ls`."""
    from confuse import yaml_util

    load_yaml = yaml_util.load_yaml
    default = str(Path(beets.__file__).with_name("config_default.yaml"))
    parsed = load_yaml(default)

    def load(filename: str, *args: Any, **kwargs: Any) -> Any:
        known = filename == default
        return deepcopy(parsed) if known else load_yaml(filename, *args, **kwargs)

    yaml_util.load_yaml = load


if __name__ == "__main__":
    descriptor, *options = sys.argv[1:]
    import_modules(large="large" in options)
    _serve(int(descriptor))
