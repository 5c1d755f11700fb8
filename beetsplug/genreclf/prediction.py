"""Predict the genres of tracks and albums, and recall the predictions that they already have."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from beets.library import Album, Item, Library
from beets.util import displayable_path

from beetsplug.genreclf.fields import MODEL
from beetsplug.genreclf.recalled import album_prediction, has_votes, kept_fields, recalled
from beetsplug.genreclf.storage.objects import get_values
from beetsplug.genreclf.updates import Predicted, Rules
from genremodel import AudioError

if TYPE_CHECKING:
    from collections.abc import Collection

    from beetsplug.genreclf.config import Config
    from genremodel import GenreClassifier
    from genremodel.analysis import Analysis
    from genremodel.batch.pool import Pending, Pool

T = TypeVar("T")
Report = Callable[[str], None]  # takes a message of a failure, path first
LOOKAHEAD = 64  # tracks that are analyzed while others are decided and written


class Predictor:
    """Predicts the genres of tracks and albums.

    pool: analyzes files for the classifier. is_substitute: the classifier is used instead of
    another that cannot be loaded; predictions by that one stay.
    """

    def __init__(
        self,
        classifier: GenreClassifier,
        pool: Pool,
        config: Config,
        *,
        is_substitute: bool = False,
    ) -> None:
        self.classifier = classifier
        self.pool = pool
        self.config = config
        self.rules = Rules(config, classifier.genres, classifier.learned)
        self._is_substitute = is_substitute

    def is_current(self, obj: Item | Album) -> bool:
        """Return whether a track or an album has a prediction that this model would not better.

        One read from a file counts only if the file also has the id of the model.
        """
        model_id = get_values(obj).get(MODEL)
        return model_id == self.classifier.model or bool(model_id and self._is_substitute)

    def submit(self, items: Iterable[Item]) -> dict[int | None, Pending]:
        """Schedule the analysis of tracks; return what to wait for, by their ids."""
        return {item.id: self.pool.submit(item.filepath) for item in items}

    def collect(
        self, items: Iterable[Item], pending: Mapping[int | None, Pending], report: Report
    ) -> dict[int | None, Predicted]:
        """Wait for tracks that have been submitted, and return their predictions by their ids."""
        predicted = {}
        for item in items:
            if item.id in pending:
                made = _attempt(item, partial(self._predict, pending[item.id]), report)
                if made:
                    predicted[item.id] = made
        return predicted

    def predict(self, items: Collection[Item], report: Report) -> dict[int | None, Predicted]:
        """Return the predictions of tracks by their ids."""
        return self.collect(items, self.submit(items), report)

    def iter_analyses(
        self, lib: Library, ids: Iterable[int | None], report: Report
    ) -> Iterator[tuple[Item, Analysis]]:
        """Yield the analyses of tracks in order, while some ahead are being made."""
        ahead: deque[tuple[Item, Pending]] = deque()

        def next_analysis() -> Iterator[tuple[Item, Analysis]]:
            item, pending = ahead.popleft()
            if analysis := _attempt(item, pending, report):
                yield item, analysis

        for item in filter(None, (lib.get_item(id_) for id_ in ids if id_ is not None)):
            ahead.append((item, self.pool.submit(item.filepath)))
            if len(ahead) > LOOKAHEAD:
                yield from next_analysis()
        while ahead:
            yield from next_analysis()

    def recall(self, obj: Item | Album) -> Predicted:
        """Return the prediction that a current track or album has, without a new analysis."""
        analysis = None
        if isinstance(obj, Item) and get_values(obj)[MODEL] == self.classifier.model:
            with suppress(AudioError):
                analysis = self.pool.recall_audio(obj.filepath)
        decided = self.classifier.decide(analysis) if analysis else None
        return Predicted(recalled(obj, decided, self.rules.by_spelling), kept_fields(obj))

    def predict_album(self, album: Album, tracks: Sequence[Predicted]) -> Predicted:
        """Return the prediction of an album from those of its tracks."""
        predictions = [track.prediction for track in tracks]
        if all(map(has_votes, predictions)):
            return Predicted(self.classifier.decide_album(predictions))
        if self.is_current(album):
            return self.recall(album)
        prediction = album_prediction(
            predictions,
            min_confidence=self.classifier.min_confidence,
            most_styles=self.config.max_styles,
        )
        return Predicted(prediction)

    def _predict(self, pending: Pending) -> Predicted:
        return Predicted(self.classifier.decide(pending()))


def _attempt(item: Item, action: Callable[[], T], report: Report) -> T | None:
    """Run an action that may fail for a track; report a failure and return None."""
    try:
        return action()
    except AudioError as exc:
        report(f"{displayable_path(item.path)}: {exc}")
    except Exception as exc:  # whatever it is, the other tracks are to be analyzed
        report(f"{displayable_path(item.path)}: {type(exc).__name__}: {exc}")
    return None
