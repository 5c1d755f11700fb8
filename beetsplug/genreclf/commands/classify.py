"""The `genreclf` command: classify the tracks of a library."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Library

from beetsplug.genreclf.commands import exclusive, user_errors
from beetsplug.genreclf.commands._classification import Classify, ClassifyOptions
from beetsplug.genreclf.commands._selection import NO_MATCHES, TrackSelection, artists
from beetsplug.genreclf.commands.review import ask
from beetsplug.genreclf.fields import GENRES

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context

_COMPANIONS = ("undo", "explain", "train", "similar", "cache", "web")


class Options(ClassifyOptions, Protocol):
    """The options of `beet genreclf`."""

    field: str


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf`."""
    classify = ui.Subcommand("genreclf", help="classify tracks by genre from their audio")
    classify.parser.add_option(
        "-f",
        "--force",
        action="store_true",
        default=False,
        help="reclassify tracks that already have a prediction",
    )
    classify.parser.add_option(
        "-p",
        "--pretend",
        action="store_true",
        default=False,
        help="show changes but do nothing",
    )
    classify.parser.add_option(
        "-w",
        "--write",
        action="store_true",
        default=None,
        help="write tags, also for tracks classified earlier",
    )
    classify.parser.add_option(
        "-W",
        "--nowrite",
        action="store_false",
        dest="write",
        help="don't write tags",
    )
    classify.parser.add_option(
        "-q",
        "--quiet",
        action="store_true",
        default=False,
        help="print only errors and the summary",
    )
    classify.parser.add_option(
        "--no-cache",
        action="store_false",
        dest="cache",
        default=True,
        help="ignore the analysis cache",
    )
    classify.parser.add_option(
        "--review",
        action="store_true",
        default=False,
        help="review predictions for tracks without genres, album by album",
    )
    classify.parser.add_option(
        "--field",
        default=GENRES,
        metavar="FIELD",
        help="with --review: review predictions of another field (default: %default)",
    )
    classify.parser.add_album_option()
    classify.func = partial(_run, context)
    return classify


def _run(context: Context, lib: Library, options: Options, query: list[str]) -> None:
    from beetsplug.genreclf.commands._progress import Bar, is_terminal

    exclusive({"--review": options.review, "--pretend": options.pretend})
    if len(query) == 1 and query[0] in _COMPANIONS:
        raise UserError(
            f"Did you mean `beet genreclf-{query[0]}`? To search for the word, use "
            f"`beet genreclf title:{query[0]}`"
        )
    if options.field != GENRES:
        if not options.review:
            raise UserError("--field needs --review")
        from beetsplug.genreclf.commands._field_review import review_field

        review_field(context, lib, options.field, query, match_albums=options.album)
        return
    if options.review and context.config().policy == "never":
        raise UserError("--review cannot be combined with genreclf.policy: never")
    # Before the query: options that the model cannot meet are reported in any case.
    predicting = context.predictor(lib, cached=options.cache, retry=options.force, stops_early=True)
    with user_errors(), predicting as predictor:
        selection = TrackSelection(
            lib, query, match_albums=options.album, artists=artists(lib, predictor.config)
        )
        if not selection.total:
            context.log.info(NO_MATCHES)
            return
        shown = is_terminal() and not (options.quiet or options.pretend or options.review)
        confirm = ask if options.review else None
        with Bar(selection.total, shown=shown) as bar:
            classify = Classify(context, lib, predictor, options, bar, confirm)
            try:
                classify.run(selection)
            finally:
                with bar.hidden():
                    classify.show_summary(selection.total)
        if classify.failures:
            context.fail("some tracks could not be classified or written")
