"""From a path to a prediction: the one object that callers need."""

from __future__ import annotations

from genremodel.assets import AssetError
from genremodel.audio import PathLike, read_windows
from genremodel.backends import Backend, Cnn, Knn
from genremodel.constants import DEFAULT_WINDOWS
from genremodel.decision import Prediction, Vote, decide


class Classifier:
    """Names the genre of audio files.

    windows: how many 3-second windows of a track are heard, at least 1.
    vote: how they agree. min_confidence: in [0, 1], by default that of the model.
    knn: use the fallback, whether or not the CNN can be loaded.

    Where the CNN cannot be loaded, KNN takes over and `fallback` says why.
    Raises ImportError or AssetError when neither can be loaded.
    """

    def __init__(
        self,
        *,
        windows: int = DEFAULT_WINDOWS,
        vote: Vote = "majority",
        min_confidence: float | None = None,
        knn: bool = False,
    ) -> None:
        self.fallback: str | None = None
        self._windows = windows
        self._vote: Vote = vote
        self._min_confidence = min_confidence
        self._backend = Knn() if knn else self._cnn_or_knn()

    @property
    def model(self) -> str:
        """The id of the model that predictions carry."""
        return self._backend.rules.model

    def classify(self, path: PathLike) -> Prediction:
        """Return the verdict on an audio file. Raises AudioError when it cannot be decoded."""
        windows = read_windows(path, self._windows)
        return decide(
            self._backend.predict_proba(windows),
            windows.starts,
            windows.audible,
            self._backend.rules,
            vote=self._vote,
            min_confidence=self._min_confidence,
        )

    def _cnn_or_knn(self) -> Backend:
        try:
            return Cnn()
        except (ImportError, AssetError) as exc:
            self.fallback = str(exc)
            return Knn()
