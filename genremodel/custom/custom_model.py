"""Models of a user's own genres, on the outputs of the bundled networks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import NetworkOutputs
from genremodel.errors import ModelError
from genremodel.models.base import WindowProbabilities
from genremodel.models.bundled import bundled_nonmusic
from genremodel.models.heads import LinearHead, msd_logits, window_logits
from genremodel.models.knn import KnnClassifier
from genremodel.models.nonmusic import is_nonmusic
from genremodel.models.novelty import NONMUSIC_NOVELTY, Novelty
from genremodel.prediction import DecisionParams

Estimator: TypeAlias = Literal["linear", "neighbors"]
Head: TypeAlias = LinearHead | KnnClassifier

EXPORT_SUFFIX = ".genremodel"


def label_word(field: str) -> str:
    """Return the word for a label of a field, such as a mood, in messages.

    Examples
    --------
    >>> label_word("genres"), label_word("mood")
    ('genre', 'label')
    """
    return "genre" if field == "genres" else "label"


@dataclass(frozen=True)
class CustomModel:
    """A model of the user's own genres, on the outputs of the bundled networks.

    Parameters
    ----------
    name : str
        Chosen by the user.
    field : str
        Field that the genres are from.
    features_version : str
        Version of the network outputs that the model reads.
    params : DecisionParams
        Genres, prior, calibration and threshold.
    estimator : {"linear", "neighbors"}
        Kind of the head.
    head : LinearHead or KnnClassifier
        Classifies windows.
    novelty : Novelty
        Scores how unlike a track is to the training tracks.
    rejects_nonmusic : bool
        The model rejects non-music, by the detector of the bundled model.
    metrics : mapping
        Results of the cross-validation, see `TrainingReport.summary`.
    trained : float
        Time of the training, in seconds since the epoch.
    installed : bool
        The model is from an exported file, where it may have been trained on another library.

    Examples
    --------
    For tracks as in the example of `train`:

    >>> from genremodel.custom import train
    >>> model, _ = train(tracks)
    >>> _ = model.save("mine.json")
    >>> CustomModel.load("mine.json").params.genres == model.params.genres
    True
    >>> model.export("mine.genremodel")
    >>> CustomModel.load("mine.genremodel").params.genres == model.params.genres
    True
    """

    name: str
    field: str
    features_version: str
    params: DecisionParams
    estimator: Estimator
    head: Head
    novelty: Novelty
    rejects_nonmusic: bool
    metrics: Mapping[str, Any]
    trained: float
    installed: bool = False

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CustomModel:
        """Return a model that `save` or `export` stored.

        Parameters
        ----------
        path
            The `NAME.json` of the model, with its `NAME.npz` in the same folder; `NAME.FIELD.json`
            of a model of a field other than `genres`; or an exported `NAME.genremodel`.

        Raises
        ------
        ModelError
            If the files cannot be read or any value in them is invalid.
        """
        from genremodel.custom.store import load_model  # it imports this module

        return load_model(Path(path))

    def save(self, path: str | os.PathLike[str]) -> ModelInfo:
        """Store the model under the name of a file.

        Parameters
        ----------
        path
            `NAME.json`; the arrays are stored as `NAME.npz` in the same folder. `NAME.FIELD.json`
            for a model of a field other than `genres`.

        Raises
        ------
        ModelError
            If the name is invalid or the files cannot be written.
        """
        from genremodel.custom.store import save_model

        return save_model(self, Path(path))

    def export(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file for other people. It has nothing about single tracks.

        Parameters
        ----------
        path
            The name must end with `.genremodel`. Only such a file is replaced.

        Raises
        ------
        ModelError
            If the model is not linear or the file cannot be written.
        """
        from genremodel.custom.model_file import write_model_file

        write_model_file(self, Path(path))

    def check_features(self, features_version: str) -> None:
        """Raise ModelError if the model reads outputs of another version."""
        if self.features_version == features_version:
            return
        if self.installed:
            raise ModelError(
                f"{self.name}: trained on analyses of another version of genreclf; its author must "
                "train it again with yours"
            )
        raise ModelError(
            f"{self.name}: trained on analyses of another version",
            retrain=self.name,
            field=self.field,
        )

    def predict_proba(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Return the genre probabilities of the audible windows of a track.

        values: (windows, OUTPUT_SIZE), joined `NetworkOutputs`.
        """
        outputs = NetworkOutputs.split(values)
        logits = window_logits(outputs)
        if self.rejects_nonmusic and is_nonmusic(bundled_nonmusic(), outputs.both_embeddings):
            novelty = NONMUSIC_NOVELTY
        else:
            novelty = self.novelty.score(msd_logits(logits))
        return WindowProbabilities(self.head.predict_proba(logits), novelty)


@dataclass(frozen=True)
class ModelInfo:
    """Summary of a stored model.

    Parameters
    ----------
    name, field, genres, metrics, trained, installed
        See `CustomModel`.
    id : str
        Changes when the model is trained again on other tracks.

    Examples
    --------
    >>> from genremodel.custom import train
    >>> model, _ = train(tracks)
    >>> stored = model.save("mine.json")
    >>> stored.name, stored.id.startswith("mine-"), stored.is_default
    ('mine', True, True)
    """

    name: str
    id: str
    field: str
    genres: tuple[str, ...]
    metrics: Mapping[str, Any]
    trained: float
    installed: bool = False

    @property
    def is_default(self) -> bool:
        """Whether `model: auto` may use the model: not if it is worse than the bundled one.

        An installed model is not compared with the bundled one on the tracks of this library.
        """
        return not self.installed and self.metrics.get("default", True) is not False
