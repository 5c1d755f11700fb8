"""Serve the page on the loopback interface until Ctrl-C."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from beets.exceptions import UserError
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from beetsplug.genreclf.web.guard import HEADERS, Application

HOST = "127.0.0.1"
DEFAULT_PORT = 8338
THREADS = 8
MAX_BODY = 1 << 20  # bytes
_PREFIX = "genreclf-web-"


class _GuardedErrorTask(ErrorTask):
    """An error that waitress finds before the application is called."""

    def execute(self) -> None:
        self.response_headers.extend(HEADERS)
        super().execute()


class _GuardedChannel(HTTPChannel):
    error_task_class = _GuardedErrorTask


class Server:
    """A server of an application. Raises UserError if the port cannot be used.

    port: None for the default one, or any that is free if that is in use.
    """

    def __init__(self, application: Application, port: int | None) -> None:
        # It logs every request that waits for a thread, which is not worth a warning.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        self._server = _create(application, port)
        self._server.channel_class = _GuardedChannel

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self._server.effective_port)

    def run(self) -> None:
        """Answer requests until KeyboardInterrupt or SystemExit, which `waitress` would hide."""
        server = self._server
        server.asyncore.loop(
            timeout=server.adj.asyncore_loop_timeout,
            map=server._map,
            use_poll=server.adj.asyncore_use_poll,
        )

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening and close all connections."""
        self._server.task_dispatcher.shutdown(timeout=0.5)
        self._server.close()
        self._server.asyncore.close_all(self._server._map)


@contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a temporary folder that only this user can read; remove those of killed servers."""
    _remove_left_over()
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


def open_browser(address: str, folder: Path) -> None:
    """Open the page in the user's browser, without waiting for it.

    Other users of the machine can read the arguments of programs, so the browser opens a private
    file, which redirects to the address.
    """
    page = folder / "open.html"
    text = f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">\n'
    with open(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)
    _start_thread(lambda: webbrowser.open(page.as_uri()))


def _start_thread(function: Callable[[], object]) -> None:
    threading.Thread(target=function, daemon=True).start()


def _create(application: Application, port: int | None) -> Any:
    ports = (DEFAULT_PORT, 0) if port is None else (port,)
    for number in ports:
        try:
            return create_server(
                application,
                host=HOST,
                port=number,
                threads=THREADS,
                ident=None,
                # It refuses bodies of this size, too.
                max_request_body_size=MAX_BODY + 1,
                max_request_header_size=1 << 16,
                inbuf_overflow=MAX_BODY + 2,  # bodies stay in memory
                channel_timeout=60,
                clear_untrusted_proxy_headers=True,
            )
        except OSError as exc:
            problem = exc
    raise UserError(f"cannot listen on {HOST}:{ports[0]}: {problem.strerror}; use --port")


def _remove_left_over() -> None:
    """Remove the folders of servers that were killed."""
    if os.name != "posix":
        return  # on Windows, signal 0 would end a process
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with suppress(OSError, ValueError):
            if folder.stat().st_uid == os.getuid() and not _is_running(int(number)):
                rmtree(folder)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
