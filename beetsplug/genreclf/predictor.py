"""Predict the genres of tracks and albums, and recall the predictions that they already have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from beets.library import Album, Item, Library
from beets.util import displayable_path

from beetsplug.genreclf.fields import MODEL, SCOPE, FieldSet
from beetsplug.genreclf.storage.artists import Artists
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.stored_predictions import (
    album_prediction,
    has_votes,
    kept_fields,
    recalled_prediction,
)
from beetsplug.genreclf.updates import Predicted, Rules
from genremodel import AudioError, ClusterError
from genremodel.album_decision import AlbumDecision, decide_for_tracks

if TYPE_CHECKING:
    from collections.abc import Collection
    from concurrent.futures import Future

    from beetsplug.genreclf.config import Config
    from genremodel import GenreClassifier
    from genremodel.analysis import Analysis
    from genremodel.batch.pool import Pool

Report = Callable[[str], None]  # takes a message of a failure, path first


class Predictor:
    """Predicts the genres of tracks and albums.

    pool: analyzes files for the classifiers. find_spelling: as for `spell`. others: classifiers of
    fields other than genres, for tracks only. is_substitute: the classifier of genres is used
    instead of another that cannot be loaded; predictions by that one stay.
    """

    def __init__(
        self,
        classifier: GenreClassifier,
        pool: Pool,
        config: Config,
        find_spelling: Callable[[str], str | None],
        *,
        others: Mapping[FieldSet, GenreClassifier],
        is_substitute: bool = False,
    ) -> None:
        self.classifier = classifier
        self.others = others
        self.pool = pool
        self.config = config
        self.rules = Rules(
            config,
            classifier.genres,
            classifier.is_custom,
            find_spelling,
            classifier.styles_under,
        )
        self._is_substitute = is_substitute

    def is_current(self, obj: Item | Album) -> bool:
        """Return whether a track or an album already has a genre prediction by this model.

        One read from a file counts only if the file also has the id of the model.
        """
        model_id = get_values(obj).get(MODEL)
        return model_id == self.classifier.model_id or bool(model_id and self._is_substitute)

    def lacks_others(self, item: Item) -> bool:
        """Return whether a track has no prediction of another field by its present model."""
        values = get_values(item) if self.others else {}
        return any(values.get(own.model) != by.model_id for own, by in self.others.items())

    def submit(self, items: Iterable[Item]) -> dict[int | None, Future[Analysis]]:
        """Schedule the analysis of tracks; return what to wait for, by their ids."""
        return {item.id: self.pool.submit(item.filepath) for item in items}

    def collect(
        self, items: Iterable[Item], pending: Mapping[int | None, Future[Analysis]], report: Report
    ) -> dict[int | None, Predicted]:
        """Wait for tracks that have been submitted, and return their predictions by their ids.

        Raises ClusterError.
        """
        predicted = {}
        for item in items:
            if item.id in pending:
                try:
                    predicted[item.id] = self._predict(pending[item.id].result())
                except ClusterError:  # no other track can be analyzed either
                    raise
                except Exception as exc:  # whatever it is, the other tracks are to be classified
                    report(_failure(item, exc))
        return predicted

    def predict(self, items: Collection[Item], report: Report) -> dict[int | None, Predicted]:
        """Return the predictions of tracks by their ids."""
        return self.collect(items, self.submit(items), report)

    def _predict(self, analysis: Analysis) -> Predicted:
        others = {own: by.predict(analysis) for own, by in self.others.items()}
        return Predicted(self.classifier.predict(analysis), others=others)

    def iter_analyses(
        self,
        lib: Library,
        ids: Iterable[int | None],
        report: Report,
        lookahead: int | None = None,
    ) -> Iterator[tuple[Item, Analysis]]:
        """Yield the analyses of tracks in order, while some ahead are being made.

        lookahead: how many, by default as `Pool.map`.
        """
        items: deque[Item] = deque()

        def paths() -> Iterator[Path]:
            for item in filter(None, (lib.get_item(id_) for id_ in ids if id_ is not None)):
                items.append(item)
                yield item.filepath

        for _, result in self.pool.map(paths(), lookahead=lookahead):
            item = items.popleft()
            if isinstance(result, AudioError):
                report(_failure(item, result))
            else:
                yield item, result

    def recall(self, obj: Item | Album) -> Predicted:
        """Return the prediction that a current track or album has, without a new analysis.

        That of a track is its own. Where its fields are those of its album or artist, it is
        predicted again from the cached analysis; without one, the fields count as its own.
        """
        analysis = None
        if isinstance(obj, Item) and get_values(obj)[MODEL] == self.classifier.model_id:
            with suppress(AudioError):
                analysis = self.pool.lookup_audio(obj.filepath)
        decided = self.classifier.predict(analysis) if analysis else None
        if isinstance(obj, Item) and decided and get_values(obj).get(SCOPE):
            return Predicted(decided, {MODEL: get_values(obj)[MODEL]})
        return Predicted(recalled_prediction(obj, decided), kept_fields(obj))

    def recall_given(self, obj: Item | Album) -> Predicted | None:
        """Return the prediction that a track was given by its album or artist, if it was."""
        if not get_values(obj).get(SCOPE):
            return None
        return Predicted(recalled_prediction(obj, None), kept_fields(obj))

    def recall_others(
        self, items: Iterable[Item], predicted: Container[int | None]
    ) -> dict[int | None, Predicted]:
        """Return the predictions of current tracks by their ids. predicted: ids to leave out."""
        return {
            item.id: self.recall(item)
            for item in items
            if item.id not in predicted and self.is_current(item)
        }

    def predict_album(self, album: Album, tracks: Sequence[Predicted]) -> Predicted:
        """Return the prediction of an album from those of its tracks."""
        return self.predict_jointly(tracks, album)

    def decide_for_tracks(
        self, album: Album, of_album: Predicted, tracks: Iterable[Predicted]
    ) -> AlbumDecision:
        """Return the decision of an album about its uncertain tracks.

        of_album: its prediction. tracks: those of its tracks.
        """
        return decide_for_tracks(
            of_album.prediction,
            [track.prediction for track in tracks],
            artist_share=Artists(album.db).share(album),
            is_compilation=bool(album.comp) and not self.config.compilations,
            aggregation=self.config.aggregation,
        )

    def predict_artist(
        self, items: Iterable[Item], predicted: Mapping[int | None, Predicted]
    ) -> Predicted | None:
        """Return the joint prediction of the tracks of an artist that have one of their own.

        predicted: by the ids of tracks.
        """
        tracks = [predicted[item.id] for item in items if item.id in predicted]
        return self.predict_jointly(tracks) if tracks else None

    def predict_jointly(self, tracks: Sequence[Predicted], album: Album | None = None) -> Predicted:
        """Return the prediction of at least one track, as if they were an album.

        album: the one that they are, if any.
        """
        predictions = [track.prediction for track in tracks]
        if all(map(has_votes, predictions)):
            return Predicted(self.classifier.predict_album(predictions))
        if album and self.is_current(album):
            return self.recall(album)
        prediction = album_prediction(
            predictions, min_confidence=self.classifier.min_album_confidence
        )
        styles = self.classifier.album_styles(predictions, prediction.genre)
        return Predicted(replace(prediction, styles=styles))


def _failure(item: Item, error: Exception) -> str:
    """Return the message of a track that cannot be analyzed."""
    kind = "" if isinstance(error, AudioError) else f"{type(error).__name__}: "
    return f"{displayable_path(item.path)}: {kind}{error}"
