"""What the routes ask for, and what these parts share: the library, the model and the pool."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beets.library import Item, Library

from beetsplug.genreclf.updates import Predicted
from beetsplug.genreclf.web.errors import Gone, Undecodable
from beetsplug.genreclf.web.library import LibraryReader
from beetsplug.genreclf.web.media_files import MediaFiles
from beetsplug.genreclf.web.preparation import Preparation
from beetsplug.genreclf.web.reviewing import Reviewer
from beetsplug.genreclf.web.track_table import NO_ALBUM
from beetsplug.genreclf.web.tracks import prediction_object, track_object
from beetsplug.genreclf.web.trainings import Trainings
from beetsplug.genreclf.web.tries import Tries
from genremodel.errors import AudioError, ClusterError

if TYPE_CHECKING:
    from beetsplug.genreclf.context import Context
    from beetsplug.genreclf.predictor import Predictor

_PREPARED = 50  # tracks of an album


class Services:
    """The parts of a running server.

    query: of the command line. folder: private and temporary. predictor: the one in use, which is
    replaced when another model is used; requests in flight finish with the old one.
    """

    def __init__(
        self,
        context: Context,
        lib: Library,
        query: Sequence[str],
        predictor: Predictor,
        folder: Path,
    ) -> None:
        self.context = context
        self.log = context.log
        self.lib = lib
        self.query = [*query]
        self.folder = folder
        self.predictor = predictor
        self.writing = threading.Lock()  # held while tracks are changed or the model is replaced
        self.library = LibraryReader(lib, query, lambda: self.predictor.classifier.min_confidence)
        self.media = MediaFiles(predictor.pool, _subfolder(folder, "media"))
        self.tries = Tries(lambda: self.predictor, self.media, _subfolder(folder, "tries"))
        self.reviewer = Reviewer(self)
        self.trainings = Trainings(self)
        self.preparation = Preparation(self)

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *_: object) -> None:
        self.preparation.close()
        self.tries.close()
        self.trainings.close()
        self.library.close()

    def status(self) -> dict[str, Any]:
        """Return the model, the configuration, and what is to be done."""
        predictor = self.predictor
        classifier, config = predictor.classifier, predictor.config
        in_use = self.library.genres()
        return {
            "model": classifier.model_id,
            "custom": classifier.is_custom,
            "previous": self.trainings.has_previous,
            "min_confidence": classifier.min_confidence,
            "policy": config.policy,
            "writes": config.writes(),
            "fallback": not classifier.uses_cnn,
            "genres": [*dict.fromkeys([*in_use, *map(predictor.rules.spelled, classifier.genres)])],
            "query": " ".join(self.query),
            "counts": self.library.counts(),
            "undoable": self.reviewer.undoable(),
            "labels": self.reviewer.labels(),
            "training": self.trainings.current(),
        }

    def overview(self) -> dict[str, Any]:
        """Return how many tracks there are of each kind."""
        threshold = self.predictor.classifier.min_confidence
        return {
            "counts": self.library.counts(),
            "min_confidence": threshold,
            **self.library.overview(),
        }

    def album(
        self, album_id: int, *, show: str, order: str, query: str, after: int, limit: int
    ) -> dict[str, Any]:
        """Return an album with its tracks, a part of them for tracks without an album.

        show, order, query: of the list of albums, whose next one is prepared as well.
        """
        album = self.library.album(album_id)
        ids = self.library.track_ids(album_id, query=query, after=after, limit=limit)
        items = [item for id_ in ids if (item := self.lib.get_item(id_))]

        def find_tracks() -> list[int]:
            following = self.library.album_after(album_id, show=show, order=order, query=query)
            if following is None:
                return ids[:_PREPARED]
            of_next = self.library.track_ids(following, query=query, after=0, limit=_PREPARED)
            return [*ids[:_PREPARED], *of_next[:_PREPARED]]

        self.preparation.replace(find_tracks)
        more = album_id == NO_ALBUM and len(ids) == limit
        return {
            **album,
            "tracks": [track_object(item) for item in items],
            "next": ids[-1] if more else None,
        }

    def track(self, track_id: int) -> dict[str, Any]:
        """Return a track with its windows and probabilities."""
        item, predictor = self.item(track_id), self.predictor
        path = self.track_path(track_id)
        try:
            analysis = predictor.pool.submit(path).result()
        except (AudioError, ClusterError) as exc:
            raise Undecodable(f"cannot be analyzed: {exc}", track=track_id) from exc
        prediction = predictor.classifier.predict(analysis)
        details, known = prediction_object(prediction), track_object(item)
        if known["model"]:  # the stored prediction is the one that is reviewed
            for name in ("predicted", "confidence", "reason", "styles"):
                del details[name]
        del details["model"]
        kind = self.media.media_type(path)
        sources = [(f"api/tracks/{track_id}/audio", kind)] if kind else []
        sources.append((f"api/tracks/{track_id}/audio.wav", "audio/wav"))
        return {
            **known,
            **details,
            "seconds": item.length or None,
            "then": self.reviewer.genres_after(item, Predicted(prediction)),
            "audio": [{"src": source, "type": type_} for source, type_ in sources],
        }

    def item(self, track_id: int) -> Item:
        """Return a track that the query of the command line matches. Raises Gone."""
        item = self.lib.get_item(track_id) if track_id < 1 << 63 else None
        if item is None or not self.library.is_selected(track_id):
            raise Gone("the track is not in the library any more", track=track_id)
        return item

    def track_path(self, track_id: int) -> Path:
        """Return the absolute path of a track. Raises Gone."""
        path = self.item(track_id).filepath.resolve()
        if not path.is_file():
            raise Gone("the file is missing", track=track_id)
        return path


def _subfolder(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir(mode=0o700)
    return path
