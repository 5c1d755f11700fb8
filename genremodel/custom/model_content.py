"""The content of custom models: a description for JSON, and arrays. Reading checks every value."""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import asdict, fields
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS
from genremodel.calibration import Calibration
from genremodel.custom.custom_model import CustomModel, Estimator, Head, ModelInfo
from genremodel.models.heads import LOGITS, LinearHead
from genremodel.models.knn import KnnClassifier
from genremodel.models.novelty import Novelty
from genremodel.prediction import DecisionParams
from genremodel.untrusted_files import JsonFields, NpzArrays

FORM = 3  # version of stored models; models of other versions must be trained again
OLDER_FORM = 2  # is read, too: it has the version of analyses, and the weights of a detector
ARRAYS = ("centroids", "whitening", "nonmusic", "weight", "bias", "features", "genre", "neighbors")
_LATEST = 32_503_680_000  # s since the epoch: the year 3000, the last that Windows can show
_CALIBRATION = tuple(field.name for field in fields(Calibration))


def description_of(model: CustomModel) -> dict[str, Any]:
    """Return the part of the description that predictions depend on."""
    params = asdict(model.params)
    del params["model"], params["min_album_confidence"]
    return {
        "field": model.field,
        "features_version": model.features_version,
        "estimator": model.estimator,
        "rejects_nonmusic": model.rejects_nonmusic,
        "params": params,
    }


def arrays_of(model: CustomModel) -> dict[str, NDArray[Any]]:
    """Return the arrays of a model by name."""
    return {**_head_arrays(model.head), **vars(model.novelty)}


def model_id(model: CustomModel) -> str:
    """Return the name of a model with a digest of its content.

    It is the same in every library where the model has the same name.
    """
    digest = hashlib.sha256(json.dumps(description_of(model), sort_keys=True).encode())
    for name, array in sorted(arrays_of(model).items()):
        digest.update(name.encode() + array.tobytes())
    return f"{model.name}-{digest.hexdigest()[:8]}"


def build_model(described: ModelInfo, content: JsonFields, arrays: NpzArrays) -> CustomModel:
    """Return the model of a description and its arrays. Raises any error."""
    genres = len(described.genres)
    centroids = arrays.get("centroids", (None, TAGS))
    if len(centroids) > genres:
        raise ValueError(f"centroids has the shape {centroids.shape}")
    if content.content.get("form") == OLDER_FORM:
        features_version = content.text("version").partition(", ")[2]  # after that of the windows
        rejects_nonmusic = bool(arrays.get("nonmusic", (EMBEDDING_SIZE + 1,)).any())
    else:
        features_version = content.text("features_version")
        rejects_nonmusic = content.flag("rejects_nonmusic")
    params = content.fields("params")
    calibration = params.fields("calibration")
    estimator = content.text("estimator")
    model = CustomModel(
        described.name,
        described.field,
        features_version,
        DecisionParams(
            described.genres,
            params.shares("prior", genres),
            Calibration(
                **{name: calibration.number(name) for name in _CALIBRATION}
            ).favoring_many_windows(),
            params.number("min_confidence", 0, 1),
            described.id,
        ),
        cast(Estimator, estimator),
        _head(estimator, arrays, genres),
        Novelty(centroids, arrays.get("whitening", (TAGS, TAGS))),
        rejects_nonmusic,
        described.metrics,
        described.trained,
        described.installed,
    )
    probabilities, novelty = model.predict_proba(np.full((2, OUTPUT_SIZE), 0.5))
    if not (np.isfinite(probabilities).all() and np.isfinite(novelty)):
        raise ValueError("its probabilities are not finite")
    return model


def describe_model(name: str, content: JsonFields) -> ModelInfo:
    """Return the summary of a description. Raises ValueError."""
    metrics = content.fields("metrics")
    metrics.number("tracks", 0)
    metrics.number("accuracy", 0, 1)
    if "compared" in metrics.content:  # only of models trained by the plugin
        for count in ("compared", "own", "bundled"):
            metrics.number(count, 0)
        metrics.flag("default")
    return ModelInfo(
        name,
        content.text("id"),
        content.text("field"),
        content.fields("params").texts("genres"),
        metrics.content,
        content.number("trained", 0, _LATEST),
        content.flag("installed") if "installed" in content.content else False,
    )


def _head_arrays(head: Head) -> dict[str, NDArray[Any]]:
    if isinstance(head, LinearHead):
        return {"weight": head.weight, "bias": head.bias}
    return {
        "features": head.features.astype(np.float32),
        "genre": head.genre,
        "neighbors": np.array(head.neighbors),
    }


def _head(estimator: str, arrays: NpzArrays, genres: int) -> Head:
    if estimator == "linear":
        return LinearHead(arrays.get("weight", (LOGITS, genres)), arrays.get("bias", (genres,)))
    if estimator != "neighbors":
        raise ValueError(f"estimator is {estimator!r}")
    features = arrays.get("features", (None, LOGITS))
    genre = arrays.get("genre", (len(features),), "iu")
    neighbors = int(arrays.get("neighbors", (), "iu"))
    if genre.min() < 0 or genre.max() >= genres or neighbors < 1:
        raise ValueError("genre or neighbors has invalid values")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the result is checked
        return KnnClassifier(features, genre, genres, neighbors)
