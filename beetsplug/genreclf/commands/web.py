"""The `genreclf-web` command: review predictions, correct and train in the browser."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Library

from beetsplug.genreclf.commands import user_errors
from beetsplug.genreclf.commands._selection import NO_MATCHES, has_matches

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context

_MAX_PORT = 65_535


class WebOptions(Protocol):
    """The options of `beet genreclf-web`."""

    browser: bool
    port: int | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-web`."""
    web = ui.Subcommand("genreclf-web", help="review predictions, correct and train in the browser")
    web.parser.add_option(
        "--no-browser",
        action="store_false",
        dest="browser",
        default=True,
        help="print the address only",
    )
    web.parser.add_option(
        "--port",
        type="int",
        default=None,
        metavar="N",
        help="port to listen on (default: 8338, or a free one)",
    )
    web.func = partial(_run, context)
    return web


def _run(context: Context, lib: Library, options: WebOptions, query: list[str]) -> None:
    if options.port is not None and not 0 < options.port <= _MAX_PORT:
        raise UserError(f"--port must be from 1 to {_MAX_PORT}")
    try:
        import flask  # noqa: F401
        import waitress  # noqa: F401
    except ImportError as exc:
        raise UserError(
            f"the review page needs two more packages: pip install flask waitress ({exc})"
        ) from exc
    if query and not has_matches(lib, query):
        context.log.info(NO_MATCHES)
        return
    with user_errors(), context.predictor(lib) as predictor:
        from beetsplug.genreclf.web.app import create_app
        from beetsplug.genreclf.web.guard import Guard, new_token
        from beetsplug.genreclf.web.music_folder import in_music_folder
        from beetsplug.genreclf.web.server import (
            HOST,
            Server,
            open_browser,
            private_folder,
        )
        from beetsplug.genreclf.web.services import Services

        with (
            private_folder() as folder,
            Services(context, lib, query, predictor, folder) as services,
        ):
            token = new_token()
            application = in_music_folder(create_app(services).wsgi_app, lib)
            guarded = Guard(application, token)
            with Server(guarded, options.port) as server, suppress(KeyboardInterrupt):
                address = f"http://{HOST}:{server.port}/{token}/"
                ui.print_(f"{address}\nPress Ctrl-C to stop.")
                if options.browser:
                    open_browser(address, folder)
                server.run()
    if threading.active_count() > 1:
        # beets closes the connections of all threads now, and one in use would crash the process.
        # Other threads wait for this transaction, which never ends.
        lib.transaction().__enter__()
