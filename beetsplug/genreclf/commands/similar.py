"""The `genreclf-similar` command: list tracks that sound like those of a query."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import exclusive, user_errors
from beetsplug.genreclf.commands._progress import Failures, Report
from beetsplug.genreclf.commands._selection import NO_MATCHES, matching_items
from beetsplug.genreclf.genres.labels import genre_parts, is_placeholder
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.storage.artists import Artists

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor
    from genremodel.batch.cache import Cache

_MAX_SEEDS = 10_000  # each is compared with every track


class SimilarOptions(Protocol):
    """The options of `beet genreclf-similar`."""

    album: bool
    format: str | None
    path: bool | None
    limit: int
    mean: bool
    same_genre: bool
    other_artists: bool
    one_per_artist: bool
    playlist: str | None


def command(context: Context) -> ui.Subcommand:
    """Return `beet genreclf-similar`."""
    similar = ui.Subcommand("genreclf-similar", help="list tracks that sound like others")
    similar.parser.add_option(
        "-n",
        "--limit",
        type="int",
        default=20,
        metavar="N",
        help="number of tracks to list (default: %default)",
    )
    similar.parser.add_option(
        "--mean",
        action="store_true",
        default=False,
        help="compare with the mean of the query's tracks, not with the nearest of them",
    )
    similar.parser.add_option(
        "--same-genre",
        action="store_true",
        default=False,
        help="list only tracks that share a genre with the query",
    )
    similar.parser.add_option(
        "--other-artists",
        action="store_true",
        default=False,
        help="list only tracks by other artists",
    )
    similar.parser.add_option(
        "--one-per-artist",
        action="store_true",
        default=False,
        help="list at most one track by each artist",
    )
    similar.parser.add_option(
        "--playlist",
        default=None,
        metavar="FILE.m3u8",
        help="also write a playlist; '-': print it instead of the list",
    )
    similar.parser.add_all_common_options()
    similar.func = partial(_run, context)
    return similar


def _run(context: Context, lib: Library, options: SimilarOptions, query: list[str]) -> None:
    if not query:
        raise UserError("missing query: beet genreclf-similar QUERY")
    if options.limit < 1:
        raise UserError("--limit must be 1 or more")
    from beetsplug.genreclf.commands._playlist import STDOUT, Playlist  # slow to import

    prints_list = options.playlist != STDOUT
    if not prints_list:
        given = {"--path": options.path, "--format": not options.path and options.format}
        exclusive({"--playlist -": True, **given})
    playlist = None if options.playlist is None else Playlist(options.playlist, context.log)
    seeds = _seeds(lib, options, query)
    if not seeds:
        context.log.info(NO_MATCHES)
        return
    failures = Failures(context.log)
    with user_errors(), context.cnn_predictor(lib) as predictor:
        nearest = _similar(lib, seeds, predictor, options, failures.report)
        found = [*islice(nearest, min(options.limit, sys.maxsize))]
    if not found:
        context.log.warning(
            "no similar tracks found among those that have been analyzed; `beet genreclf` analyzes "
            "the others"
        )
    elif playlist:
        playlist.write(found)  # first: the pipe for the list may be closed
    if prints_list:
        for item in found:
            ui.print_(format(item, options.format or ""))
    if failures.count:
        context.fail("some tracks could not be analyzed")


def _seeds(lib: Library, options: SimilarOptions, query: list[str]) -> list[Item]:
    """Return the tracks to compare others with. Raises UserError if there are too many."""
    matching = matching_items(lib, query, match_albums=options.album)
    if options.mean:
        return [*matching]
    seeds = [*islice(matching, _MAX_SEEDS + 1)]
    if len(seeds) > _MAX_SEEDS:
        raise UserError(
            f"the query matches more than {_MAX_SEEDS} tracks: narrow it, or compare with their "
            "mean by --mean"
        )
    return seeds


def _similar(
    lib: Library,
    seeds: Sequence[Item],
    predictor: Predictor,
    options: SimilarOptions,
    report: Report,
) -> Iterator[Item]:
    """Yield the tracks most similar to the seeds, without these, most similar first.

    The seeds are analyzed if necessary; other tracks are found if they have been analyzed. Each
    recording is yielded once. Raises UserError if no seed can be analyzed.
    """
    from genremodel.similarity import nearest, track_embedding

    ids, cache = {seed.id for seed in seeds}, predictor.pool.cache
    analyzed = predictor.iter_analyses(lib, [seed.id for seed in seeds], report)
    embeddings = [embedding for _, it in analyzed if (embedding := track_embedding(it))]
    if not embeddings:
        raise UserError("no matching track could be analyzed, or all of them are silent")
    artist_of, placeholders = Artists(lib).key, predictor.config.placeholders
    genres = set[str]().union(*(_genres(seed, placeholders) for seed in seeds))
    left_out = {*map(artist_of, seeds)} if options.other_artists else set[str]()
    done = {cache.digest_of(seed.filepath) for seed in seeds}
    for id_, digest in nearest(embeddings, _analyzed(lib, cache), to_mean=options.mean):
        if id_ in ids or digest in done or not (item := lib.get_item(id_)):
            continue
        artist = artist_of(item)
        if artist in left_out:
            continue
        if options.same_genre and not _genres(item, placeholders) & genres:
            continue
        if options.one_per_artist:
            left_out.add(artist)
        done.add(digest)
        yield item


def _analyzed(lib: Library, cache: Cache) -> Iterator[tuple[tuple[int, bytes], bytes]]:
    """Yield the id, audio digest and embedding of each analyzed track of the library."""
    with lib.transaction() as transaction:
        rows = transaction.query("SELECT path, id FROM items")
    ids: dict[bytes, int] = dict(map(tuple, rows))
    # From beets 2.10 on, paths within the music folder are kept relative to it.
    folder = os.path.join(lib.directory, b"")  # noqa: PTH118  # bytes
    for path, digest, embedding in cache.embeddings():
        if (id_ := ids.get(path.removeprefix(folder))) is not None:
            yield (id_, digest), embedding


def _genres(track: Item, placeholders: frozenset[str]) -> set[str]:
    """Return the genres of a track and their parts, in a form that ignores spelling."""
    names = genre_parts([*track.genres, track.get(fields.PREDICTED_GENRE) or ""])
    return {squash(name) for name in names if not is_placeholder(name, placeholders)}
