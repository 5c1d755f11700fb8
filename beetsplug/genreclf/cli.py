"""The command lines of the plugin, in the manner of beets' own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Library

from beetsplug.genreclf.commands import classify, exclusive, user_errors
from beetsplug.genreclf.storage.paths import cache_file, models_folder

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context


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
def undo_command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-undo`."""

    def run(lib: Library, options: UndoOptions, query: list[str]) -> None:
        from beetsplug.genreclf.commands import undo

        by_run = options.run is not None
        forget = options.forget_older_than is not None
        alone = {"--list": options.list, "--forget-older-than": forget}
        exclusive({**alone, "--last": options.last, "--run": by_run})
        exclusive({**alone, "a query": query})
        journal = context.journal(lib)
        context.clear_marker_at_exit()
        with user_errors():
            if options.list:
                undo.show_runs(journal, context.log)
            elif options.forget_older_than is not None:
                undo.forget_older_than(journal, options.forget_older_than, context.log)
            else:
                run = undo.last_run(lib, journal) if options.last else options.run
                if not undo.undo(lib, query, journal, run, context.tag_writer, context.log):
                    context.fail("some tracks could not be restored")

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


def explain_command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-explain`."""

    def run(lib: Library, options: ExplainOptions, query: list[str]) -> None:
        from beetsplug.genreclf.commands.explain import explain
        from beetsplug.genreclf.planning import Planner

        with user_errors(), context.predictor(lib) as predictor:
            planner = Planner(predictor, context.journal(lib))
            as_json, plot = options.json, options.plot
            if not explain(lib, query, predictor, planner, context.log, as_json=as_json, plot=plot):
                context.fail("some tracks could not be explained")

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


def cache_command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-cache`."""

    def run(lib: Library, options: CacheOptions, query: list[str]) -> None:
        from beetsplug.genreclf.commands.cache import tend

        exclusive({"--prune": options.prune, "--clear": options.clear})
        if query:
            raise UserError("the cache is of all tracks: it takes no query")
        with context.predictor(lib, cached=False, bundled=True) as predictor:
            tend(cache_file(), predictor.classifier, prune=options.prune, clear=options.clear)

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


def learn_command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-learn`."""

    def run(lib: Library, options: LearnOptions, query: list[str]) -> None:
        from beetsplug.genreclf.commands.train import Learning, show_models
        from beetsplug.genreclf.loading import describe_model_error
        from genremodel.custom.store import ModelStore
        from genremodel.errors import ModelError

        forget = options.forget is not None
        exclusive({"--list": options.list, "--forget": forget, "a query": query})
        models = ModelStore(models_folder(lib))
        try:
            if options.list:
                if not show_models(models, context.log):
                    context.fail("some models cannot be read")
            elif options.forget is not None:
                models.delete(options.forget)
            else:
                with user_errors(), context.cnn_predictor(lib) as predictor:
                    learning = Learning(predictor, context.journal(lib), context.log, options)
                    if learning.run(lib, query, models):
                        context.fail("some tracks could not be heard")
        except ModelError as exc:
            raise UserError(describe_model_error(exc)) from exc

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


def similar_command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-similar`."""

    def run(lib: Library, options: SimilarOptions, query: list[str]) -> None:
        from beetsplug.genreclf.commands.similar import list_similar

        if not query:
            raise UserError("which tracks? beet genreclf-similar QUERY")
        with user_errors(), context.cnn_predictor(lib) as predictor:
            if not list_similar(lib, query, predictor, context.log, options):
                context.fail("some tracks could not be heard")

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


ALL = (
    classify.command,
    undo_command,
    explain_command,
    cache_command,
    learn_command,
    similar_command,
)
