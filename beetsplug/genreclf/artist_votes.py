"""Predict the genres of artists during an import."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from beetsplug.genreclf.storage.artists import Artists
from beetsplug.genreclf.updates import Predicted

if TYPE_CHECKING:
    from beets.library import Album, Item, Library

    from beetsplug.genreclf.predictor import Predictor


class _Vote(NamedTuple):
    """The prediction by which a track votes for an artist, None if it does not vote."""

    artist: str | None
    predicted: Predicted | None


class ArtistVotes:
    """Predicts the genres of artists from new tracks, and from the predictions in the library.

    The library is read once; after that, new tracks are added as they come. The predictions of
    tracks stay in memory, about 1 kB each, so that each is recalled once.
    """

    def __init__(self, lib: Library, predictor: Predictor) -> None:
        self._lib = lib
        self._predictor = predictor
        self._config = predictor.config
        self._votes: dict[int, _Vote] = {}  # by the ids of tracks

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
        new: dict[str, list[int]] = {}
        for item in items:
            assert item.id is not None  # it is in the library
            votes = self._config.compilations or not (album or item).comp
            artist = artists.name(item) if votes else None
            self._votes[item.id] = _Vote(artist, _without_windows(predicted.get(item.id)))
            if artist:
                new.setdefault(artist, []).append(item.id)
        joint: dict[int | None, Predicted] = {}
        for artist, ids in new.items():
            self._ids.setdefault(artist, set()).update(ids)
            if tracks := self._tracks(artist):
                joint |= dict.fromkeys(ids, self._predictor.predict_jointly(tracks))
        return joint

    @cached_property
    def _ids(self) -> dict[str, set[int]]:
        """The ids of the tracks of each artist."""
        found = Artists(self._lib).tracks(compilations=self._config.compilations)
        return {artist: {*ids} for artist, ids in found.items()}

    def _tracks(self, artist: str) -> list[Predicted]:
        """Return the predictions of the tracks of an artist."""
        ids = self._present(self._ids[artist])
        for id_ in ids:
            if id_ not in self._votes:
                self._votes[id_] = _Vote(artist, self._recall(id_))
        votes = [self._votes[id_] for id_ in ids]
        # beets may have given the id of a track that it removed to one by another artist.
        return [vote.predicted for vote in votes if vote.predicted and vote.artist == artist]

    def _present(self, ids: Iterable[int]) -> list[int]:
        """Return the ids of tracks that the import has not removed from the library."""
        listed = ", ".join(map(str, ids))
        with self._lib.transaction() as transaction:
            rows = transaction.query(f"SELECT id FROM items WHERE id IN ({listed}) ORDER BY id")
        return [id_ for (id_,) in map(tuple, rows)]

    def _recall(self, id_: int) -> Predicted | None:
        """Return the prediction of a track in the library, None if it does not vote."""
        item = self._lib.get_item(id_)
        if item is None or not self._predictor.is_current(item) or self._config.skips(item):
            return None
        return _without_windows(self._predictor.recall(item))


def _without_windows(predicted: Predicted | None) -> Predicted | None:
    """Return a prediction without the parts that take most memory and that votes do not need."""
    return predicted and Predicted(replace(predicted.prediction, windows=()))
