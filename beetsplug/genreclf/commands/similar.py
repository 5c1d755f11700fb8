"""`beet genreclf-similar`: tracks that sound like others."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from logging import Logger
from typing import TYPE_CHECKING

from beets import ui
from beets.exceptions import UserError
from beets.library import Item, Library

from beetsplug.genreclf import fields
from beetsplug.genreclf.commands._playlist import Playlist
from beetsplug.genreclf.genres.labels import genre_parts, is_placeholder, squash
from beetsplug.genreclf.storage.artists import Artists
from beetsplug.genreclf.tagging import Failures

if TYPE_CHECKING:
    from beetsplug.genreclf.cli import SimilarOptions
    from beetsplug.genreclf.tagging import Tagger


def list_similar(
    lib: Library, query: Sequence[str], tagger: Tagger, log: Logger, options: SimilarOptions
) -> bool:
    """Print the tracks nearest to those of a query, nearest first, without these themselves.

    Those of the query are heard if need be; of the others, those that have been. Returns whether
    all of the query could be heard. Raises UserError where there is nothing to go by, or where the
    playlist must not or cannot be written.
    """
    from genremodel.similarity import track_embedding

    failures = Failures(log)
    if options.number < 1:
        raise UserError("--number must be 1 or more")
    playlist = None if options.playlist is None else Playlist(options.playlist, log)
    seeds = [*lib.items(query)]
    heard = tagger.analyses(lib, [seed.id for seed in seeds], failures.report)
    places = [lies for _, analysis in heard if (lies := track_embedding(analysis))]
    if not places:
        raise UserError("no track of the query can be heard" if seeds else "no track matches")
    found: list[Item] = []
    artist, placeholders = Artists(lib), tagger.settings.placeholders
    artists = {*map(artist, seeds)}
    genres = set[str]().union(*(_genres(seed, placeholders) for seed in seeds))
    for track in _by_likeness(lib, tagger, places, {seed.id for seed in seeds}):
        if len(found) == options.number:
            break
        if options.not_artist and artist(track) in artists:
            continue
        if options.same_genre and not _genres(track, placeholders) & genres:
            continue
        found.append(track)
        ui.print_(format(track))
    if not found:
        log.warning("no such track has been heard; `beet genreclf` hears what is new")
    elif playlist:
        playlist.write(found)
    return not failures.count


def _by_likeness(
    lib: Library, tagger: Tagger, seeds: Sequence[bytes], without: set[int | None]
) -> Iterator[Item]:
    """Yield the tracks that have been heard, those most like the seeds first."""
    from genremodel.similarity import nearest

    with lib.transaction() as transaction:
        rows = transaction.query("SELECT path, id FROM items")
    ids = dict(map(tuple, rows))
    # From beets 2.10 on, paths within the music folder are kept relative to it.
    folder = os.path.join(lib.directory, b"")  # noqa: PTH118  # bytes
    known = (
        (path.removeprefix(folder), place) for path, place in tagger.pool.cache.embeddings().items()
    )
    places = [(ids[path], place) for path, place in known if path in ids]
    for index in nearest(seeds, [place for _, place in places]):
        id_ = places[index][0]
        if id_ not in without and (track := lib.get_item(id_)):
            yield track


def _genres(track: Item, placeholders: frozenset[str]) -> set[str]:
    """Return the genres of a track, and parts of them, so that spellings do not matter."""
    names = genre_parts([*track.genres, track.get(fields.GENRE) or ""])
    return {squash(name) for name in names if not is_placeholder(name, placeholders)}
