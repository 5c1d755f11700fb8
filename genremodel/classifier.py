"""GenreClassifier: audio files to genre predictions."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from genremodel.analysis import Analysis
from genremodel.analyzer import DEFAULT_TIMEOUT, Analyzer, BackendName
from genremodel.audio.decoding import AudioSource, PathLike
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.custom.custom_model import CustomModel
from genremodel.early_stop import EarlyStop
from genremodel.errors import AudioError, ModelError, UnknownGenreError, as_audio_error
from genremodel.models.base import WindowClassifier
from genremodel.models.novelty import NONMUSIC_NOVELTY
from genremodel.prediction import Prediction
from genremodel.style_hierarchy import fitting_styles
from genremodel.styles import album_styles, bundled_styles, track_styles
from genremodel.voting import Aggregation, abstain_silent, vote_album, vote_track

if TYPE_CHECKING:
    from genremodel.cluster import Cluster

P = TypeVar("P", bound=PathLike)

_log = logging.getLogger(__name__)


class GenreClassifier(Analyzer):
    """Predicts the genre of audio files.

    Parameters
    ----------
    model : "bundled", path or CustomModel
        The bundled model, or a custom one: its `NAME.json`, with `NAME.npz` beside it, or an
        exported `NAME.genremodel`.
    windows : int or "auto"
        The number of 3-second windows that are analyzed per track, at least 1. Fewer than ten are
        some of the ten. `auto`: three if they are enough, see `EarlyStop`, otherwise ten; always
        ten for custom models and the KNN fallback.
    aggregation : {"majority", "mean"}
        How the windows are combined: by majority vote, or by mean probability.
    min_confidence : float, optional
        The confidence, 0 to 1, below which the classifier abstains on a track or an album. By
        default, the model's own: the bundled CNN has a lower one for albums.
    exclude : collection of str
        Genres that are never predicted. The probabilities of the others are renormalized.
    max_styles : int
        The maximum number of styles per track. The KNN fallback predicts none.
    families : callable, optional
        Returns the genres of the bundled model that a genre of a custom model belongs to; styles
        that contradict these are left out. By default, the one of the same name.
    backend : {"auto", "onnx", "numpy", "knn"}
        The CNN, in ONNX Runtime (`onnx`) or slower in NumPy, or the less accurate KNN fallback.
        `auto` takes the first of these that can be loaded.

    Attributes
    ----------
    fallback_reason : str or None
        Why `auto` has not taken a backend before this one.

    Raises
    ------
    ImportError, ModelError
        If the model cannot be loaded, or the custom model was trained on other analyses.
    UnknownGenreError
        If `exclude` has a genre that the model does not have, or all that it has.

    Examples
    --------
    >>> classifier = GenreClassifier()
    >>> classifier.model_id
    'bundled-cnn-4'
    >>> classifier.genres[:3]
    ('blues', 'classical', 'country')

    Silence has no genre, only a reason:

    >>> silence = np.zeros(10 * 44_100, np.float32)
    >>> prediction = classifier.predict((silence, 44_100))
    >>> prediction.genre is None, prediction.reason
    (True, 'silence')

    Songs do, unless the confidence is too low:

    >>> classifier.predict("song.mp3").genre  # doctest: +SKIP
    'jazz'
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | CustomModel = "bundled",
        *,
        windows: int | Literal["auto"] = DEFAULT_WINDOWS,
        aggregation: Aggregation = "majority",
        min_confidence: float | None = None,
        exclude: Collection[str] = (),
        max_styles: int = 3,
        families: Callable[[str], Collection[str]] = lambda genre: (genre.lower(),),
        backend: BackendName = "auto",
    ) -> None:
        super().__init__(DEFAULT_WINDOWS if windows == "auto" else windows, backend)
        self._aggregation: Aggregation = aggregation
        self._model: WindowClassifier = self._backend
        if model != "bundled":
            custom = model if isinstance(model, CustomModel) else CustomModel.load(model)
            self._require_compatible(custom)
            self._model = custom
        self._styles = bundled_styles() if self.uses_cnn else ()
        self._max_styles = max_styles
        self._families = families
        self.check_genres(exclude)
        self._params = self._model.params.excluding(exclude)
        if not self._params.genres:
            raise UnknownGenreError((), self.genres)
        if min_confidence is not None:
            self._params = replace(
                self._params, min_confidence=min_confidence, min_album_confidence=None
            )
        self._genre_mask = np.isin(self.genres, self._params.genres)
        # It is measured for the bundled CNN only.
        stops_early = windows == "auto" and self.uses_cnn and not self.is_custom
        self._early_stop = EarlyStop(self._backend, self._params) if stops_early else None

    @property
    def model_id(self) -> str:
        """The id of the model, as in `Prediction.model`."""
        return self._model.params.model

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres of the model, including excluded ones."""
        return self._model.params.genres

    @property
    def is_custom(self) -> bool:
        """Whether the model is a custom one."""
        return self._model is not self._backend

    @property
    def min_confidence(self) -> float:
        """The confidence, 0 to 1, below which the classifier abstains."""
        return self._params.min_confidence

    @property
    def min_album_confidence(self) -> float:
        """The confidence, 0 to 1, below which the classifier abstains on an album of several."""
        threshold = self._params.min_album_confidence
        return self.min_confidence if threshold is None else threshold

    def with_model(self, model: CustomModel) -> GenreClassifier:
        """Return a classifier by another custom model, for the same analyses.

        It has the threshold of that model, and excludes nothing.

        Parameters
        ----------
        model : CustomModel
            Of any field.

        Raises
        ------
        ModelError
            If the model was trained on other analyses.

        Examples
        --------
        >>> from genremodel.custom import train
        >>> model, _ = train(tracks, name="moods", field="mood")
        >>> GenreClassifier().with_model(model).genres
        ('genre 0', 'genre 1', 'genre 2')
        """
        self._require_compatible(model)
        classifier = copy(self)
        classifier._model, classifier._params = model, model.params
        classifier._genre_mask = np.ones(len(model.params.genres), np.bool_)
        return classifier

    def check_genres(self, genres: Iterable[str]) -> None:
        """Check that genres are known, ignoring case.

        The genres of the bundled model are known to custom models, too.

        Raises
        ------
        UnknownGenreError
            With the genres that are not known, and those of the model.

        Examples
        --------
        >>> GenreClassifier().check_genres(["Jazz", "polka"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        genremodel.errors.UnknownGenreError: unknown genres: polka (known: blues, ...)
        """
        known = {genre.casefold() for genre in (*self.genres, *self._backend.params.genres)}
        unknown = [genre for genre in genres if genre.casefold() not in known]
        if unknown:
            raise UnknownGenreError(unknown, self.genres)

    def predict(self, source: AudioSource | Analysis) -> Prediction:
        """Predict the genre of a track.

        Parameters
        ----------
        source : path, file object, (samples, sample_rate) or Analysis
            The audio as for `analyze`, or its analysis by a classifier with the same
            `features_version`.

        Returns
        -------
        Prediction
            Its `genre` is None if the classifier abstains. `reason` says why.

        Raises
        ------
        AudioError
            If the audio cannot be decoded.
        ValueError
            If samples have another shape or type, or the analysis is by another backend.

        Examples
        --------
        >>> noise = np.random.default_rng(0).uniform(-1, 1, 20 * 16_000)
        >>> GenreClassifier().predict((noise, 16_000)).reason
        'not music'
        """
        analysis = source if isinstance(source, Analysis) else self.analyze(source)
        if not analysis.audible.any():
            return abstain_silent(analysis.starts, analysis.audible, self._params)
        output = self._model.predict_proba(analysis.values[analysis.audible])
        probabilities = output.probabilities[:, self._genre_mask]
        prediction = vote_track(
            probabilities / probabilities.sum(axis=1, keepdims=True),
            output.novelty,
            analysis.starts,
            analysis.audible,
            self._params,
            self._aggregation,
        )
        if not output.novelty < NONMUSIC_NOVELTY:
            return prediction
        prediction = replace(prediction, detected_styles=track_styles(analysis, self._styles))
        return replace(prediction, styles=self.styles_under(prediction, prediction.genre))

    def predict_album(self, predictions: Sequence[Prediction]) -> Prediction:
        """Predict the genre of an album.

        Parameters
        ----------
        predictions : sequence of Prediction
            Those of its tracks, by this classifier.

        Returns
        -------
        Prediction
            Its `votes` are counts of tracks. It has no `windows` and no `novelty`.

        Examples
        --------
        >>> classifier = GenreClassifier()
        >>> silent = classifier.predict((np.zeros(80_000), 16_000))
        >>> classifier.predict_album([silent, silent]).reason
        'silence'
        """
        prediction = vote_album(predictions, self._params)
        return replace(prediction, styles=self.album_styles(predictions, prediction.genre))

    def styles_under(self, track: Prediction, genre: str | None) -> tuple[str, ...]:
        """Return the styles of a track that is given a genre, such as that of its album.

        Examples
        --------
        >>> track = Prediction(
        ...     "rock", 0.9, None, {}, {}, 0.0, (), ("punk",), "model", ("dance", "punk")
        ... )
        >>> GenreClassifier().styles_under(track, "pop")
        ('dance',)
        """
        if genre is None:
            return ()
        families = self._families(genre) if self.is_custom else (genre,)
        return fitting_styles(track.detected_styles, families)[: self._max_styles]

    def album_styles(self, tracks: Sequence[Prediction], genre: str | None) -> tuple[str, ...]:
        """Return the styles of an album of this genre, see `genremodel.styles.album_styles`."""
        return album_styles([self.styles_under(track, genre) for track in tracks], self._max_styles)

    def predict_many(
        self,
        paths: Iterable[P],
        *,
        workers: int | None = None,
        cache: str | os.PathLike[str] | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        cluster: Cluster | None = None,
    ) -> Generator[tuple[P, Prediction | AudioError]]:
        """Predict the genres of many files in parallel worker processes.

        A file that crashes or hangs its worker fails alone. If the cache cannot be used, or no
        worker can be started, a warning is logged.

        Parameters
        ----------
        paths : iterable of paths
            The files. Some are analyzed ahead of the one that is yielded.
        workers : int, optional
            The number of processes, by default one per CPU.
        cache : path, optional
            An SQLite file that keeps the analyses. It is created if it does not exist.
        timeout : float
            The time limit per file, in seconds.
        cluster : genremodel.cluster.Cluster, optional
            The machines that analyze the files instead of this one.

        Yields
        ------
        path, Prediction or AudioError
            In the order of `paths`.

        Raises
        ------
        ClusterError
            If the cluster cannot be used, or not any longer. The cache keeps what is finished.

        Examples
        --------
        >>> for path, result in GenreClassifier().predict_many(["none.mp3"]):
        ...     print(path, "-", result)
        none.mp3 - No such file or directory
        """
        pool = self.pool(workers=workers, cache=cache, timeout=timeout, cluster=cluster)
        try:
            for path, result in pool.map(paths):
                yield path, self._predict_or_error(result)
        finally:
            pool.close()
            for problem in pool.problems:
                _log.warning("%s", problem)

    def _predict_or_error(self, result: Analysis | AudioError) -> Prediction | AudioError:
        try:
            return result if isinstance(result, AudioError) else self.predict(result)
        except Exception as exc:  # a damaged analysis in the cache fails alone
            return as_audio_error(exc)

    def _require_compatible(self, model: CustomModel) -> None:
        if not self.uses_cnn:
            raise ModelError(f"{model.name}: needs the CNN; the KNN fallback is in use")
        model.check_features(self.features_version)
