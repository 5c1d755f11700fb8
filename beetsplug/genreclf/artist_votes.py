"""Predict the genres of artists during an import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from beetsplug.genreclf.storage.artists import Artists
from beetsplug.genreclf.updates import Predicted

if TYPE_CHECKING:
    from beets.library import Album, Item, Library

    from beetsplug.genreclf.predictor import Predictor


class ArtistVotes:
    """Predicts the genres of artists from new tracks, and from the predictions in the library.

    The library is read once; after that, new tracks are added as they come.
    """

    def __init__(self, lib: Library, predictor: Predictor) -> None:
        self._lib = lib
        self._predictor = predictor
        self._config = predictor.config
        self._tracks: dict[str, set[int]] | None = None  # their ids by artist
        self._recalled: dict[int | None, Predicted] = {}  # for the artists of the last call

    def predict(
        self,
        album: Album | None,
        items: Iterable[Item],
        predicted: Mapping[int | None, Predicted],
    ) -> dict[int | None, Predicted]:
        """Return the predictions of the artists of new tracks, by the ids of the tracks.

        items, predicted: the new tracks, and their own predictions by their ids. Tracks without an
        artist are left out, and compilations, unless they are treated like other albums.
        """
        artists = Artists(self._lib)  # it remembers what it has read of albums
        by_artist: dict[str, list[Item]] = {}
        for item in items:
            artist = artists.name(item)
            if artist and (self._config.compilations or not (album or item).comp):
                by_artist.setdefault(artist, []).append(item)
        joint: dict[int | None, Predicted] = {}
        known = {**predicted}
        for artist, new in by_artist.items():
            others = self._others(artists, artist, new)
            for item in others:
                if item.id not in known:
                    known[item.id] = self._recalled.get(item.id) or self._predictor.recall(item)
            if of_artist := self._predictor.predict_artist([*new, *others], known):
                joint |= {item.id: of_artist for item in new}
        self._recalled = known
        return joint

    def _others(self, artists: Artists, artist: str, new: Iterable[Item]) -> list[Item]:
        """Return the other tracks of an artist that have a current prediction; add the new ones."""
        if self._tracks is None:
            found = artists.tracks(compilations=self._config.compilations)
            self._tracks = {name: {*ids} for name, ids in found.items()}
        ids = self._tracks.setdefault(artist, set())
        new_ids = {item.id for item in new if item.id is not None}
        others = [item for id_ in ids - new_ids if (item := self._lib.get_item(id_))]
        ids |= new_ids
        return [
            item
            for item in others
            if self._predictor.is_current(item)
            and not self._config.skips(item)
            and artists.name(item) == artist  # beets may have given its id to another track
        ]
