"""The command lines of the plugin, in the manner of beets' own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from beets import ui
from beets.library import Library


class TagOptions(Protocol):
    """The options of `beet genreclf`."""

    force: bool
    pretend: bool
    write: bool | None
    quiet: bool
    cache: bool
    suggest: bool


class UndoOptions(Protocol):
    """The options of `beet genreclf-undo`."""

    run: int | None
    last: bool
    list: bool
    forget_older_than: int | None


class CacheOptions(Protocol):
    """The options of `beet genreclf-cache`."""

    prune: bool
    clear: bool


class LearnOptions(Protocol):
    """The options of `beet genreclf-learn`."""

    name: str
    field: str
    min_tracks: int
    force: bool
    list: bool
    forget: str | None


class SimilarOptions(Protocol):
    """The options of `beet genreclf-similar`."""

    number: int
    same_genre: bool
    not_artist: bool
    playlist: str | None


class ExplainOptions(Protocol):
    """The options of `beet genreclf-explain`."""

    json: bool
    plot: str | None


# fmt: off
def tag_command(run: Callable[[Library, TagOptions, list[str]], None]) -> ui.Subcommand:
    """Return `beet genreclf`."""
    command = ui.Subcommand("genreclf", help="name the genre of tracks from their sound")
    command.parser.add_option(
        "-f", "--force", action="store_true", default=False,
        help="classify tracks again that have a prediction",
    )
    command.parser.add_option(
        "-p", "--pretend", action="store_true", default=False,
        help="show all changes but do nothing",
    )
    command.parser.add_option(
        "-w", "--write", action="store_true", default=None,
        help="write tags to files, of tracks that have a prediction too",
    )
    command.parser.add_option(
        "-W", "--nowrite", action="store_false", dest="write", help="don't write tags to files",
    )
    command.parser.add_option(
        "-q", "--quiet", action="store_true", default=False,
        help="say only what failed, and the counts",
    )
    command.parser.add_option(
        "--no-cache", action="store_false", dest="cache", default=True,
        help="hear every track, whether or not it was heard before",
    )
    command.parser.add_option(
        "--suggest", action="store_true", default=False,
        help="show what tracks without genres would get, album by album, and ask",
    )
    command.func = run
    return command


def undo_command(run: Callable[[Library, UndoOptions, list[str]], None]) -> ui.Subcommand:
    """Return `beet genreclf-undo`."""
    command = ui.Subcommand("genreclf-undo", help="take back what genreclf changed")
    command.parser.add_option(
        "-r", "--run", type="int", default=None, metavar="ID",
        help="take back one run only",
    )
    command.parser.add_option(
        "-l", "--last", action="store_true", default=False,
        help="take back the last run that is not undone",
    )
    command.parser.add_option(
        "--list", action="store_true", default=False, help="list the runs",
    )
    command.parser.add_option(
        "--forget-older-than", type="int", default=None, metavar="DAYS",
        help="forget older changes, which can then no longer be undone",
    )
    command.func = run
    return command


def explain_command(run: Callable[[Library, ExplainOptions, list[str]], None]) -> ui.Subcommand:
    """Return `beet genreclf-explain`."""
    command = ui.Subcommand("genreclf-explain", help="show why tracks have their predicted genre")
    command.parser.add_option(
        "--json", action="store_true", default=False, help="one JSON object a line for each track",
    )
    command.parser.add_option(
        "--plot", default=None, metavar="FILE.png",
        help="draw the timeline of one track over its spectrogram",
    )
    command.func = run
    return command


def cache_command(run: Callable[[Library, CacheOptions, list[str]], None]) -> ui.Subcommand:
    """Return `beet genreclf-cache`."""
    command = ui.Subcommand("genreclf-cache", help="show what is kept of tracks that were heard")
    command.parser.add_option(
        "--prune", action="store_true", default=False,
        help="forget files that are gone and models that were replaced",
    )
    command.parser.add_option(
        "--clear", action="store_true", default=False, help="forget everything",
    )
    command.func = run
    return command


def learn_command(run: Callable[[Library, LearnOptions, list[str]], None]) -> ui.Subcommand:
    """Return `beet genreclf-learn`."""
    command = ui.Subcommand("genreclf-learn", help="learn genres from tracks that have them")
    command.parser.add_option(
        "-n", "--name", default="mine", help="what to call them (default: %default)",
    )
    command.parser.add_option(
        "--field", default="genres", help="where the genres are (default: %default)",
    )
    command.parser.add_option(
        "--min-tracks", type="int", default=8, metavar="N",
        help="leave out genres of fewer tracks (default: %default)",
    )
    command.parser.add_option(
        "-f", "--force", action="store_true", default=False,
        help="save what is hardly better than chance, or learned from too few artists",
    )
    command.parser.add_option(
        "--list", action="store_true", default=False, help="list what has been learned",
    )
    command.parser.add_option(
        "--forget", default=None, metavar="NAME", help="remove what has been learned",
    )
    command.func = run
    return command


def similar_command(run: Callable[[Library, SimilarOptions, list[str]], None]) -> ui.Subcommand:
    """Return `beet genreclf-similar`."""
    command = ui.Subcommand("genreclf-similar", help="list tracks that sound like those of a query")
    command.parser.add_option(
        "-n", "--number", type="int", default=20, metavar="N",
        help="list so many (default: %default)",
    )
    command.parser.add_option(
        "--same-genre", action="store_true", default=False,
        help="only tracks that share a genre with them",
    )
    command.parser.add_option(
        "--not-artist", action="store_true", default=False, help="only tracks by other artists",
    )
    command.parser.add_option(
        "--playlist", default=None, metavar="FILE.m3u8", help="write a playlist as well",
    )
    command.parser.add_format_option()
    command.func = run
    return command
# fmt: on
