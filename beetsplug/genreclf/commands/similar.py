"""The `genreclf-similar` command: list tracks that sound like those of a query."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands import user_errors
from beetsplug.genreclf.commands._progress import Failures, Report
from beetsplug.genreclf.commands._selection import NO_MATCHES, matching_items
from beetsplug.genreclf.genres.labels import genre_parts, is_placeholder
from beetsplug.genreclf.genres.normalize import squash
from beetsplug.genreclf.storage.artists import Artists

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.prediction import Predictor


class SimilarOptions(Protocol):
    """The options of `beet genreclf-similar`."""

    album: bool
    format: str | None
    limit: int
    same_genre: bool
    other_artists: bool
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
        "--playlist",
        default=None,
        metavar="FILE.m3u8",
        help="also write a playlist",
    )
    similar.parser.add_all_common_options()
    similar.func = partial(_run, context)
    return similar


def _run(context: Context, lib: Library, options: SimilarOptions, query: list[str]) -> None:
    if not query:
        raise UserError("missing query: beet genreclf-similar QUERY")
    if options.limit < 1:
        raise UserError("--limit must be 1 or more")
    from beetsplug.genreclf.commands._playlist import Playlist  # slow to import

    playlist = None if options.playlist is None else Playlist(options.playlist, context.log)
    seeds = [*matching_items(lib, query, match_albums=options.album)]
    if not seeds:
        context.log.info(NO_MATCHES)
        return
    failures = Failures(context.log)
    found: list[Item] = []
    with user_errors(), context.cnn_predictor(lib) as predictor:
        nearest = _similar(lib, seeds, predictor, options, failures.report)
        for item in islice(nearest, options.limit):
            found.append(item)
            ui.print_(format(item, options.format or ""))
    if not found:
        context.log.warning(
            "no similar tracks found: only tracks that have been analyzed are compared; run "
            "`beet genreclf` first"
        )
    elif playlist:
        playlist.write(found)
    if failures.count:
        context.fail("some tracks could not be analyzed")


def _similar(
    lib: Library,
    seeds: Sequence[Item],
    predictor: Predictor,
    options: SimilarOptions,
    report: Report,
) -> Iterator[Item]:
    """Yield the tracks most similar to the seeds, without these, most similar first.

    The seeds are analyzed if necessary; other tracks are found if they have been analyzed. Raises
    UserError if no seed can be analyzed.
    """
    from genremodel.similarity import track_embedding

    analyzed = predictor.iter_analyses(lib, [seed.id for seed in seeds], report)
    embeddings = [embedding for _, it in analyzed if (embedding := track_embedding(it))]
    if not embeddings:
        raise UserError("no matching track could be analyzed")
    artist_of, placeholders = Artists(lib).key, predictor.config.placeholders
    artists = {*map(artist_of, seeds)}
    genres = set[str]().union(*(_genres(seed, placeholders) for seed in seeds))
    for item in _most_similar_first(lib, predictor, embeddings, {seed.id for seed in seeds}):
        if options.other_artists and artist_of(item) in artists:
            continue
        if options.same_genre and not _genres(item, placeholders) & genres:
            continue
        yield item


def _most_similar_first(
    lib: Library, predictor: Predictor, seeds: Sequence[bytes], without: set[int | None]
) -> Iterator[Item]:
    """Yield the analyzed tracks of the library, by their similarity to the seeds."""
    from genremodel.similarity import nearest

    with lib.transaction() as transaction:
        rows = transaction.query("SELECT path, id FROM items")
    ids = dict(map(tuple, rows))
    # From beets 2.10 on, paths within the music folder are kept relative to it.
    folder = os.path.join(lib.directory, b"")  # noqa: PTH118  # bytes
    cached = predictor.pool.cache.embeddings().items()
    known = ((path.removeprefix(folder), embedding) for path, embedding in cached)
    candidates = [(ids[path], embedding) for path, embedding in known if path in ids]
    for index in nearest(seeds, [embedding for _, embedding in candidates]):
        id_ = candidates[index][0]
        if id_ not in without and (track := lib.get_item(id_)):
            yield track


def _genres(track: Item, placeholders: frozenset[str]) -> set[str]:
    """Return the genres of a track and their parts, in a form that ignores spelling."""
    names = genre_parts([*track.genres, track.get(fields.PREDICTED_GENRE) or ""])
    return {squash(name) for name in names if not is_placeholder(name, placeholders)}
