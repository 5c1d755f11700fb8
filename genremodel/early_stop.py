"""When the first windows of a track are enough, so that the others are not analyzed."""

from __future__ import annotations

import numpy as np

from genremodel.analysis import Analysis
from genremodel.audio.places import FIRST_WINDOWS
from genremodel.models.base import WindowClassifier
from genremodel.prediction import DecisionParams
from genremodel.voting import vote_counts, vote_with_confidence

# The lowest confidence with which, across artists, at least 98% of the songs that stop have the
# genre or abstention of ten windows; `python -m training early-stop` measures it.
MIN_CONFIDENCE = 0.7


class EarlyStop:
    """Returns True if the first windows of a track agree on a genre, with enough confidence.

    Parameters
    ----------
    model : WindowClassifier
        Predicts the windows.
    params : DecisionParams
        Of its predictions; some genres may be excluded. Below its `min_confidence`, the others are
        analyzed, too.

    Examples
    --------
    >>> from genremodel.models.musicnn import CnnBackend
    >>> cnn = CnnBackend()
    >>> values = np.zeros((3, 500), np.float16)
    >>> analysis = Analysis(np.arange(3.0), np.ones(3, bool), values)
    >>> EarlyStop(cnn, cnn.params)(analysis)
    False
    """

    def __init__(self, model: WindowClassifier, params: DecisionParams) -> None:
        self._model = model
        self.params = params
        self._mask = np.isin(model.params.genres, params.genres)
        self._min_confidence = max(MIN_CONFIDENCE, params.min_confidence)

    def __call__(self, analysis: Analysis) -> bool:
        """Return True if the windows of an analysis are enough."""
        values = analysis.values[analysis.audible]
        if len(values) < FIRST_WINDOWS:
            return False
        found = self._model.predict_proba(values)
        probabilities = found.probabilities[:, self._mask]
        probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        if vote_counts(probabilities).max() < len(values):
            return False
        _, confidence = vote_with_confidence(probabilities, found.novelty, self.params, "majority")
        return confidence >= self._min_confidence
