"""The music folder of a library, which beets keeps in a context variable.

The threads of a server start without it, and then the paths of tracks are relative.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from beetsplug.genreclf.web.guard import Application, Environ, StartResponse

if TYPE_CHECKING:
    from beets.library import Library


def music_folder(lib: Library) -> AbstractContextManager[Any]:
    """Return a context in which the paths of a library are absolute, in any thread."""
    context = getattr(lib, "music_dir_context", None)  # since beets 2.13
    return context() if context else nullcontext()


def in_music_folder(application: Application, lib: Library) -> Application:
    """Return an application that is called in that context; its answer is sent after it."""

    def call(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        with music_folder(lib):
            return application(environ, start_response)

    return call
