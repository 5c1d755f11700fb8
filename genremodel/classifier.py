"""From a path to a prediction: the one object that callers need."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genremodel.analysis import Analysis
from genremodel.audio.decoding import PathLike
from genremodel.audio.windows import DEFAULT_WINDOWS
from genremodel.custom.store import CustomModel, ModelError, again
from genremodel.models.base import Backend, WindowClassifier, analyze_file
from genremodel.models.bundled import AssetError
from genremodel.models.knn import KnnBackend
from genremodel.models.musicnn import CnnBackend
from genremodel.models.novelty import NONMUSIC_NOVELTY
from genremodel.prediction import Prediction
from genremodel.styles import album_styles, bundled_styles, track_styles
from genremodel.voting import Aggregation, abstain_silent, vote_album, vote_track

if TYPE_CHECKING:
    from genremodel.batch.pool import Pool


class UnknownGenreError(ValueError):
    """A genre was named that the model in use does not have."""


class GenreClassifier:
    """Names the genre of audio files.

    windows: how many 3-second windows of a track are heard, at least 1.
    vote: how they agree. min_confidence: in [0, 1], by default that of the model.
    ignore: genres that no track is of; probabilities and confidence are then those of the others.
    styles: how many a track has at most; none by the fallback, which knows no tags.
    knn: use the fallback, whether or not the CNN can be loaded.
    learned: a model of the user's own genres, to judge what the networks say of tracks.

    Where the CNN cannot be loaded, KNN takes over and `fallback` says why.
    Raises ImportError or AssetError when neither can be loaded, UnknownGenreError when `ignore`
    names a genre that there is not, or all that the model has, ModelError when the learned model
    is for analyses by other networks.
    """

    def __init__(
        self,
        *,
        windows: int = DEFAULT_WINDOWS,
        vote: Aggregation = "majority",
        min_confidence: float | None = None,
        ignore: Collection[str] = (),
        styles: int = 3,
        knn: bool = False,
        learned: CustomModel | None = None,
    ) -> None:
        self.fallback: str | None = None
        self._windows = windows
        self._vote: Aggregation = vote
        self._min_confidence = min_confidence
        self._backend = KnnBackend() if knn else self._cnn_or_knn()
        if learned and not self.by_networks:
            raise ModelError(
                f"{learned.name}: learned from what the networks say, not the fallback"
            )
        if learned and learned.version != self._backend.version:
            raise ModelError(
                f"{learned.name}: learned from what other networks say; "
                f"{again(learned.name, learned.field)}"
            )
        self._judge: WindowClassifier = learned or self._backend
        self._styles = bundled_styles() if self.by_networks else ()
        self._most_styles = styles
        self.require(ignore)
        self._rules = self._judge.params.excluding(ignore)
        if not self._rules.genres:
            raise UnknownGenreError("leaves no genre to name")
        self._voting = np.isin(self.genres, self._rules.genres)

    @property
    def model(self) -> str:
        """The id of the model that predictions carry."""
        return self._judge.params.model

    @property
    def by_networks(self) -> bool:
        """Whether its analyses are what the networks say, of which models can be learned."""
        return isinstance(self._backend, CnnBackend)

    @property
    def learned(self) -> bool:
        """Whether the genres are the user's own."""
        return self._judge is not self._backend

    @property
    def version(self) -> str:
        """What analyses depend on."""
        return self._backend.version

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres of the model, ignored ones too."""
        return self._judge.params.genres

    def require(self, genres: Iterable[str]) -> None:
        """Raise UnknownGenreError, telling what there is, unless the model has all the genres.

        Those of the bundled model may be named beside those of a learned one.
        """
        known = {genre.casefold() for genre in (*self.genres, *self._backend.params.genres)}
        for genre in genres:
            if genre.casefold() not in known:
                there = ", ".join(sorted(self.genres))
                raise UnknownGenreError(f"must be a genre of {self.model} ({there}), not {genre!r}")

    @property
    def min_confidence(self) -> float:
        """The confidence, 0 to 1, below which the verdict is to abstain."""
        default = self._rules.min_confidence
        return default if self._min_confidence is None else self._min_confidence

    def classify(self, path: PathLike) -> Prediction:
        """Return the verdict on an audio file. Raises AudioError when it cannot be decoded."""
        return self.decide(analyze_file(self._backend, path, self._windows))

    def decide(self, analysis: Analysis) -> Prediction:
        """Return the verdict on an analysis by the same backend."""
        if not analysis.audible.any():
            return abstain_silent(analysis.starts, analysis.audible, self._rules)
        judgement = self._judge.predict_proba(analysis.values[analysis.audible])
        probabilities = judgement.probabilities[:, self._voting]
        prediction = vote_track(
            probabilities / probabilities.sum(axis=1, keepdims=True),
            judgement.novelty,
            analysis.starts,
            analysis.audible,
            self._rules,
            aggregation=self._vote,
            min_confidence=self.min_confidence,
        )
        if not judgement.novelty < NONMUSIC_NOVELTY:
            return prediction
        return replace(prediction, styles=track_styles(analysis, self._styles, self._most_styles))

    def pool(
        self,
        *,
        workers: int | None = None,
        timeout: float = 60.0,
        cache: Path | None = None,
        retry: bool = False,
    ) -> Pool:
        """Return what analyses many files for this classifier, in processes of their own.

        timeout: seconds a file may take. cache: the file in which analyses are kept, if anywhere.
        retry: analyse those too that are known to have failed.
        """
        from genremodel.batch.pool import Pool, WorkerConfig

        setup = WorkerConfig(not self.by_networks, self._windows, cache, timeout, retry)
        return Pool(setup, setup.analyser(self._backend), workers)

    def decide_album(self, tracks: Sequence[Prediction]) -> Prediction:
        """Return the verdict on an album from those on its tracks, all made by this classifier."""
        prediction = vote_album(tracks, self._rules, min_confidence=self.min_confidence)
        styles = album_styles([track.styles for track in tracks], self._most_styles)
        return replace(prediction, styles=styles)

    def _cnn_or_knn(self) -> Backend:
        try:
            return CnnBackend()
        except (ImportError, AssetError) as exc:
            self.fallback = str(exc)
            return KnnBackend()
