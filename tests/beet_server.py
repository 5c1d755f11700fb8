"""Run `beet` in forks of one process that has imported its modules.

Most of the time of a short command is the start of Python and its imports. A fork of the server
does what `python -m beets` does after them: it runs the module `beets` as `__main__`, waits for
threads, calls what is registered with `atexit`, and exits.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import socket
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

# All of both packages. Not onnxruntime, which may start a thread: threads do not survive a fork.
_PACKAGES = ("beetsplug.genreclf", "genremodel")
_MODULES = ("beets.importer", "beets.ui.commands", "pebble", "sklearn.model_selection")


class BeetServer:
    """A server for one process of tests. It runs one command at a time.

    prefix: a command that runs it.
    """

    def __init__(self, prefix: Sequence[str] = ()) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "tests.beet_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=Path(__file__).parents[1],
            )
        with ours:
            self._calls = ours.makefile("rw")
        self._lock = threading.Lock()

    def run(
        self, arguments: Sequence[str], *, environment: Mapping[str, str], cwd: Path, stdin: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `beet` with these variables alone, which Python does not read at its start."""
        with TemporaryDirectory() as folder:
            streams = [Path(folder, name) for name in ("stdin", "stdout", "stderr")]
            streams[0].write_text(stdin, encoding="utf-8")
            call = [*map(str, streams)], [*arguments], {**environment}, str(cwd)
            with self._lock:
                print(json.dumps(call), file=self._calls, flush=True)
                status = int(self._calls.readline())
            output, errors = (path.read_text(encoding="utf-8") for path in streams[1:])
        return subprocess.CompletedProcess(["beet", *arguments], status, output, errors)

    def close(self) -> None:
        self._calls.close()
        self._process.wait()


def _serve(descriptor: int) -> None:
    """Fork for each call, until the tests close the connection."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rw") as calls:
        while call := calls.readline():
            child = os.fork()
            if not child:
                break
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), file=calls, flush=True)
        else:
            return
    _become_beet(*json.loads(call))


def _become_beet(
    streams: list[str], arguments: list[str], environment: dict[str, str], cwd: str
) -> None:
    """Run `beet` in this process, and exit as Python does.

    It would then free all memory, which takes longer than a short command. Here it only closes
    databases, which removes their write-ahead logs.
    """
    for descriptor, path in enumerate(streams):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT if descriptor else os.O_RDONLY)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = cwd
    sys.argv = ["beet", *arguments]
    status = 1
    try:
        runpy.run_module("beets", run_name="__main__", alter_sys=True)
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
    for left in gc.get_objects():  # those of this call alone: the others are frozen
        if isinstance(left, sqlite3.Connection):
            with suppress(sqlite3.Error):
                left.close()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed
            stream.flush()
    os._exit(status)


def _import_modules() -> None:
    for name in _MODULES:
        importlib.import_module(name)
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if module.name != f"{name}.__main__":
                importlib.import_module(module.name)
    gc.freeze()  # or the collector of each fork would copy all their memory


if __name__ == "__main__":
    _import_modules()
    _serve(int(sys.argv[1]))
