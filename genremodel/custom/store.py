"""Custom models, and the folder that stores them.

A model is two files: `NAME.npz` has the arrays, never pickled; `NAME.json` has the rest, with the
checksum of the arrays. Those of a model of another field than `genres` are `NAME.FIELD.npz` and
`NAME.FIELD.json`, so that a listing of the folder shows the fields.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, NetworkOutputs
from genremodel.calibration import Calibration
from genremodel.errors import ModelError
from genremodel.models.base import WindowProbabilities
from genremodel.models.bundled import bundled_nonmusic
from genremodel.models.heads import LOGITS, LinearHead, msd_logits, window_logits
from genremodel.models.knn import KnnClassifier
from genremodel.models.nonmusic import is_nonmusic
from genremodel.models.novelty import NONMUSIC_NOVELTY, Novelty
from genremodel.output_files import replace_atomically
from genremodel.prediction import DecisionParams
from genremodel.untrusted_files import JsonFields, NpzArrays, read_file

Estimator: TypeAlias = Literal["linear", "neighbors"]
Head: TypeAlias = LinearHead | KnnClassifier

_FORM = 3  # version of the file format; models of other versions must be trained again
_OLDER_FORM = 2  # is read, too: it has the version of analyses, and the weights of a detector
_LARGEST_DESCRIPTION = 1 << 24  # bytes of NAME.json
_LARGEST_ARRAYS = 1 << 28  # bytes, compressed or not: enough for the neighbors of 600,000 tracks
_LATEST = 32_503_680_000  # s since the epoch: the year 3000, the last that Windows can show
_SUFFIXES = (".npz", ".json")
_CALIBRATION = tuple(field.name for field in fields(Calibration))
_ARRAYS = ("centroids", "whitening", "nonmusic", "weight", "bias", "features", "genre", "neighbors")
_NAME = re.compile(r"[\w-]{1,60}")
_FIELD = re.compile(r"[a-z0-9_]{1,40}")
_STEM = re.compile(rf"({_NAME.pattern})(?:\.({_FIELD.pattern}))?")
_GENRES = "genres"  # the field of models that predict genres


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

    Examples
    --------
    For tracks as in the example of `train`:

    >>> from genremodel.custom import train
    >>> model, _ = train(tracks)
    >>> _ = model.save("mine.json")
    >>> CustomModel.load("mine.json").params.genres == model.params.genres
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

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> CustomModel:
        """Return a model that `save` stored.

        Parameters
        ----------
        path
            The `NAME.json` of the model, with its `NAME.npz` in the same folder; `NAME.FIELD.json`
            of a model of another field than `genres`.

        Raises
        ------
        ModelError
            If the files cannot be read or any value in them is invalid.
        """
        store, stem = _at(path)
        store._check_exists(stem.partition(".")[0])
        return store._load(stem)

    def save(self, path: str | os.PathLike[str]) -> ModelInfo:
        """Store the model under the name of a file.

        Parameters
        ----------
        path
            `NAME.json`; the arrays are stored as `NAME.npz` in the same folder. `NAME.FIELD.json`
            for a model of another field than `genres`.

        Raises
        ------
        ModelError
            If the name is invalid or the files cannot be written.
        """
        store, stem = _at(path)
        name, _, _ = stem.partition(".")
        if stem != _stem(name, self.field):
            raise ModelError(
                f"{path}: a model of the field {self.field} must be named "
                f"{_stem(name, self.field)}.json"
            )
        return store.save(replace(self, name=name))

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
    name, field, genres, metrics, trained
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

    @property
    def is_default(self) -> bool:
        """Whether `model: auto` may use the model: not if it is worse than the bundled one."""
        return self.metrics.get("default", True) is not False


class ModelStore:
    """The custom models in a folder. All methods raise ModelError.

    Examples
    --------
    >>> from genremodel.custom import train
    >>> store = ModelStore(Path("models"))
    >>> model, _ = train(tracks, name="mine")
    >>> _ = store.save(model)
    >>> store.names()
    ['mine']
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def validate_name(self, name: str) -> None:
        """Raise ModelError if a model cannot have the name."""
        if name in ("auto", "bundled"):
            raise ModelError(f"invalid model name {name!r}: reserved")
        if not _NAME.fullmatch(name):
            raise ModelError(f"invalid model name {name!r}: use up to 60 letters, digits, _ and -")

    def validate_field(self, field: str) -> None:
        """Raise ModelError if a model cannot be of a field."""
        if not _FIELD.fullmatch(field):
            raise ModelError(
                f"invalid field name {field!r}: use up to 40 lower-case letters, digits and _"
            )

    def names(self, field: str | None = None) -> list[str]:
        """Return the names of the stored models, sorted. field: of these models only."""
        stems = self._stems()
        return sorted({name for name, of in stems if field in (None, of)})

    def describe(self, name: str) -> ModelInfo:
        """Return the summary of a model."""
        return self._read(self._require(name))[1]

    def load(self, name: str) -> CustomModel:
        """Return a model after checking every value."""
        return self._load(self._require(name))

    def _load(self, stem: str) -> CustomModel:
        content, described = self._read(stem)
        file = self._folder / f"{stem}.npz"
        try:
            return _model(described, content, read_file(file, _LARGEST_ARRAYS))
        except OSError as exc:
            raise ModelError(f"{file}: {exc.strerror}") from exc
        except Exception as exc:  # NumPy and zipfile raise many kinds
            problem = str(exc) or type(exc).__name__
            raise ModelError(
                f"{self._folder / stem}: {problem}", retrain=described.name, field=described.field
            ) from exc

    def save(self, model: CustomModel) -> ModelInfo:
        """Store a model, replacing any of the same name. Its id is derived from its content."""
        self.validate_name(model.name)
        self.validate_field(model.field)
        packed = io.BytesIO()
        arrays: dict[str, Any] = {**_arrays(model.head), **vars(model.novelty)}
        np.savez_compressed(packed, **arrays)
        params = asdict(model.params)
        del params["model"], params["min_album_confidence"]
        content = {
            "form": _FORM,
            "field": model.field,
            "features_version": model.features_version,
            "estimator": model.estimator,
            "rejects_nonmusic": model.rejects_nonmusic,
            "params": params,
            "metrics": dict(model.metrics),
            "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        content |= {"id": f"{model.name}-{digest[:8]}", "trained": model.trained}
        text = json.dumps(content, indent=1, ensure_ascii=False).encode(errors="replace")
        try:
            described = _description(model.name, JsonFields.parse(text))
        except ValueError as exc:
            raise ModelError(f"{model.name}: {exc}") from exc
        try:
            self._folder.mkdir(exist_ok=True)
            self._write(_stem(model.name, model.field), packed.getvalue(), text)
        except OSError as exc:
            folder = self._folder if self._folder.exists() else self._folder.parent
            raise ModelError(f"{folder}: {exc.strerror}") from exc
        return described

    def copy(self, name: str, target: ModelStore) -> None:
        """Copy a model as it is, with its id, replacing any of the same name."""
        source = self._folder / self._require(name)
        try:
            target._folder.mkdir(exist_ok=True)
            contents = (source.with_name(f"{source.name}{end}").read_bytes() for end in _SUFFIXES)
            target._write(source.name, *contents)
        except OSError as exc:
            raise ModelError(f"{exc.filename}: {exc.strerror}") from exc

    def delete(self, name: str) -> None:
        """Delete a model, even if it is damaged."""
        self._check_exists(name)
        try:
            self._delete(name)
        except OSError as exc:
            raise ModelError(f"{exc.filename}: {exc.strerror}") from exc

    def _write(self, stem: str, arrays: bytes, description: bytes) -> None:
        """Store the files of a model, and delete any of the same name. Raises OSError."""
        # Arrays first: they are refused as long as their checksum is not in the description.
        for suffix, content in zip(_SUFFIXES, (arrays, description), strict=True):
            replace_atomically(self._folder / f"{stem}{suffix}", content)
        self._delete(stem.partition(".")[0], but=stem)

    def _delete(self, name: str, *, but: str | None = None) -> None:
        """Delete the files of the models of a name. but: those to keep. Raises OSError."""
        for stem in {_stem(*model) for model in self._stems() if model[0] == name} - {but}:
            for suffix in reversed(_SUFFIXES):
                (self._folder / f"{stem}{suffix}").unlink(missing_ok=True)

    def _stems(self) -> list[tuple[str, str]]:
        """Return the name and the field of each stored model, as the names of the files are."""
        try:
            files = [*self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise ModelError(f"{self._folder}: {exc.strerror}") from exc
        stems = (_STEM.fullmatch(file.stem) for file in files if file.suffix == ".json")
        models = ((stem[1], stem[2] or _GENRES) for stem in stems if stem)
        return [model for model in models if self._folder / f"{_stem(*model)}.json" in files]

    def _check_exists(self, name: str) -> None:
        self.validate_name(name)
        if name not in self.names():
            there = ", ".join(self.names()) or "none"
            raise ModelError(f"there is no model {name!r}; custom models: {there}")

    def _require(self, name: str) -> str:
        """Return the name of the files of a model, without extension."""
        self._check_exists(name)
        stem, *others = sorted({_stem(*model) for model in self._stems() if model[0] == name})
        if others:
            files = ", ".join(f"{each}.json" for each in (stem, *others))
            raise ModelError(f"{self._folder}: several models have the name {name}: {files}")
        return stem

    def _read(self, stem: str) -> tuple[JsonFields, ModelInfo]:
        name, _, _ = stem.partition(".")
        self.validate_name(name)
        file = self._folder / f"{stem}.json"
        try:
            content = JsonFields.parse(read_file(file, _LARGEST_DESCRIPTION))
            if content.number("form") not in (_FORM, _OLDER_FORM):
                raise ModelError(f"{file}: unsupported format version", retrain=name)
            described = _description(name, content)
        except OSError as exc:
            raise ModelError(f"{file}: {exc.strerror}", retrain=name) from exc
        except ValueError as exc:
            raise ModelError(f"{file}: {exc}", retrain=name) from exc
        if stem != _stem(name, described.field):
            raise ModelError(
                f"{file}: of the field {described.field!r}, which the name of the file must show",
                retrain=name,
                field=described.field,
            )
        return content, described


def _stem(name: str, field: str) -> str:
    """Return the name of the files of a model, without extension."""
    return name if field == _GENRES else f"{name}.{field}"


def _at(path: str | os.PathLike[str]) -> tuple[ModelStore, str]:
    """Return the store of a model, and the name of its files, by the path of its description."""
    path = Path(path)
    if path.suffix != ".json":
        raise ModelError(f"{path}: the name of a model file must end with .json")
    return ModelStore(path.parent), path.stem


def _model(described: ModelInfo, content: JsonFields, packed: bytes) -> CustomModel:
    """Return the model of a description and its packed arrays. Raises any error."""
    if hashlib.sha256(packed).hexdigest() != content.text("sha256"):
        raise ValueError("wrong checksum")
    genres = len(described.genres)
    arrays = NpzArrays(packed, _ARRAYS, _LARGEST_ARRAYS)
    centroids = arrays.get("centroids", (None, TAGS))
    if len(centroids) > genres:
        raise ValueError(f"centroids has the shape {centroids.shape}")
    if content.number("form") == _FORM:
        features_version = content.text("features_version")
        rejects_nonmusic = content.flag("rejects_nonmusic")
    else:
        features_version = content.text("version").partition(", ")[2]  # after that of the windows
        rejects_nonmusic = bool(arrays.get("nonmusic", (EMBEDDING_SIZE + 1,)).any())
    params = content.fields("params")
    calibration = params.fields("calibration")
    estimator = content.text("estimator")
    model = CustomModel(
        described.name,
        described.field,
        features_version,
        DecisionParams(
            described.genres,
            params.numbers("prior", genres),
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
    )
    probabilities, novelty = model.predict_proba(np.full((2, OUTPUT_SIZE), 0.5))
    if not (np.isfinite(probabilities).all() and np.isfinite(novelty)):
        raise ValueError("its probabilities are not finite")
    return model


def _description(name: str, content: JsonFields) -> ModelInfo:
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
    )


def _arrays(head: Head) -> dict[str, NDArray[Any]]:
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
