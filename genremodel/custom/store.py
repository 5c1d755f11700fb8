"""Models of a user's own genres, and the folder that keeps them.

A model is two files: arrays, never pickled, in `NAME.npz`, and the rest in `NAME.json`, with the
checksum of the first.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, NetworkOutputs
from genremodel.calibration import Calibration
from genremodel.checks import Arrays, Fields, read_file
from genremodel.models.base import WindowProbabilities
from genremodel.models.heads import LOGITS, LinearHead, msd_logits, window_logits
from genremodel.models.knn import KnnClassifier
from genremodel.models.novelty import Novelty
from genremodel.outputs import replace_file
from genremodel.prediction import DecisionParams

Estimator: TypeAlias = Literal["linear", "neighbours"]
Head: TypeAlias = LinearHead | KnnClassifier

_FORM = 1  # of the files; those of another form must be learned again
_LARGEST_DESCRIPTION = 1 << 24  # bytes of NAME.json
_LARGEST_ARRAYS = 1 << 28  # bytes, packed or not: of neighbours, those of 600,000 tracks
_LATEST = 32_503_680_000  # s since the epoch: the year 3000, the last that Windows can show
_CALIBRATION = tuple(field.name for field in fields(Calibration))
_ARRAYS = ("centres", "whitening", "nonmusic", "weight", "bias", "places", "genre", "neighbours")
_NAME = re.compile(r"[\w-]{1,60}")


class ModelError(Exception):
    """A learned model cannot be used; the message says which, and why."""


@dataclass(frozen=True)
class CustomModel:
    """Judges tracks by what the bundled networks say of them.

    name: of the user. field: whose values it learned. version: of the analyses that it reads.
    figures: what was measured, for people. learned: seconds since the epoch.
    """

    name: str
    field: str
    version: str
    params: DecisionParams
    estimator: Estimator
    head: Head
    novelty: Novelty
    figures: Mapping[str, Any]
    learned: float

    def predict_proba(self, values: NDArray[np.floating[Any]]) -> WindowProbabilities:
        """Return the genre probabilities of the audible windows of a track."""
        outputs = NetworkOutputs.split(values)
        logits = window_logits(outputs)
        novelty = self.novelty.score(msd_logits(logits), outputs.embeddings)
        return WindowProbabilities(self.head.predict_proba(logits), novelty)


@dataclass(frozen=True)
class ModelInfo:
    """What is told of a model in a list. id: of this version of it."""

    name: str
    id: str
    field: str
    genres: tuple[str, ...]
    figures: Mapping[str, Any]
    learned: float

    @property
    def is_default(self) -> bool:
        """Whether `model: auto` may use it; models of older versions, which do not say, may be."""
        return self.figures.get("default", True) is not False


class ModelStore:
    """The learned models of one library, in a folder. Methods raise ModelError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check_name(self, name: str) -> None:
        """Raise ModelError unless a model may be called so."""
        if name in ("auto", "bundled"):
            raise ModelError(f"a model cannot be called {name!r}: the name is reserved")
        if not _NAME.fullmatch(name):
            raise ModelError(
                f"a model cannot be called {name!r}: up to 60 letters, digits, _ and - only"
            )

    def names(self) -> list[str]:
        """Return the names of what there is."""
        try:
            files = [*self._folder.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as exc:
            raise ModelError(f"{self._folder}: {exc.strerror}") from exc
        names = (file.stem for file in files if file.suffix == ".json")
        return sorted(name for name in names if _NAME.fullmatch(name))

    def describe(self, name: str) -> ModelInfo:
        """Return what is told of a model."""
        return self._read(name)[1]

    def load(self, name: str) -> CustomModel:
        """Return a model, of which every value has been checked."""
        content, described = self._read(name)
        file = self._folder / f"{name}.npz"
        try:
            return _model(described, content, read_file(file, _LARGEST_ARRAYS))
        except OSError as exc:
            raise ModelError(f"{file}: {exc.strerror}") from exc
        except Exception as exc:  # NumPy, zipfile and scikit-learn raise many kinds
            problem = str(exc) or type(exc).__name__
            raise ModelError(
                f"{self._folder / name}: {problem}; {again(name, described.field)}"
            ) from exc

    def save(self, model: CustomModel) -> ModelInfo:
        """Keep a model in the place of one of the same name; its id is made from its content."""
        self.check_name(model.name)
        packed = io.BytesIO()
        arrays: dict[str, Any] = {**_arrays(model.head), **vars(model.novelty)}
        np.savez_compressed(packed, **arrays)
        rules = asdict(model.params)
        del rules["model"]
        content = {
            "form": _FORM,
            "field": model.field,
            "version": model.version,
            "estimator": model.estimator,
            "rules": rules,
            "figures": dict(model.figures),
            "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        content |= {"id": f"{model.name}-{digest[:8]}", "learned": model.learned}
        text = json.dumps(content, indent=1, ensure_ascii=False).encode(errors="replace")
        try:
            described = _description(model.name, Fields.of(text))
        except ValueError as exc:
            raise ModelError(f"{model.name}: {exc}") from exc
        try:
            self._folder.mkdir(exist_ok=True)
            # Arrays first: without the description that belongs to them they are refused.
            replace_file(self._folder / f"{model.name}.npz", packed.getvalue())
            replace_file(self._folder / f"{model.name}.json", text)
        except OSError as exc:
            folder = self._folder if self._folder.exists() else self._folder.parent
            raise ModelError(f"{folder}: {exc.strerror}") from exc
        return described

    def forget(self, name: str) -> None:
        """Remove a model, whether or not it can be read."""
        self._require(name)
        try:
            (self._folder / f"{name}.json").unlink()
            (self._folder / f"{name}.npz").unlink(missing_ok=True)
        except OSError as exc:
            raise ModelError(f"{exc.filename}: {exc.strerror}") from exc

    def _require(self, name: str) -> None:
        self.check_name(name)
        if name not in self.names():
            there = ", ".join(self.names()) or "none"
            raise ModelError(f"there is no model {name!r}; learned ones: {there}")

    def _read(self, name: str) -> tuple[Fields, ModelInfo]:
        self._require(name)
        file = self._folder / f"{name}.json"
        try:
            content = Fields.of(read_file(file, _LARGEST_DESCRIPTION))
            if content.number("form") != _FORM:
                raise ModelError(f"{file}: of another version; {again(name)}")
            return content, _description(name, content)
        except OSError as exc:
            raise ModelError(f"{file}: {exc.strerror}; {again(name)}") from exc
        except ValueError as exc:
            raise ModelError(f"{file}: {exc}; {again(name)}") from exc


def again(name: str, field: str | None = None) -> str:
    """Return what to do about a model that cannot be used. field: if it is known."""
    source = f" --field {field}" if field else ", from the same field"
    return f"it must be learned again: beet genreclf-learn --name {name}{source}"


def _model(described: ModelInfo, content: Fields, packed: bytes) -> CustomModel:
    """Return the model of a description and of the file with its arrays. Raises any error."""
    if hashlib.sha256(packed).hexdigest() != content.text("sha256"):
        raise ValueError("wrong checksum")
    genres = len(described.genres)
    arrays = Arrays(packed, _ARRAYS, _LARGEST_ARRAYS)
    centres = arrays.get("centres", (None, TAGS))
    if len(centres) > genres:
        raise ValueError(f"centres has the shape {centres.shape}")
    rules = content.fields("rules")
    calibration = rules.fields("calibration")
    estimator = content.text("estimator")
    model = CustomModel(
        described.name,
        described.field,
        content.text("version"),
        DecisionParams(
            described.genres,
            rules.numbers("prior", genres),
            Calibration(
                **{name: calibration.number(name) for name in _CALIBRATION}
            ).favoring_many_windows(),
            rules.number("min_confidence", 0, 1),
            described.id,
        ),
        cast(Estimator, estimator),
        _head(estimator, arrays, genres),
        Novelty(
            centres,
            arrays.get("whitening", (TAGS, TAGS)),
            arrays.get("nonmusic", (EMBEDDING_SIZE + 1,)),
        ),
        described.figures,
        described.learned,
    )
    probabilities, novelty = model.predict_proba(np.full((2, OUTPUT_SIZE), 0.5))
    if not (np.isfinite(probabilities).all() and np.isfinite(novelty)):
        raise ValueError("its probabilities are not finite")
    return model


def _description(name: str, content: Fields) -> ModelInfo:
    figures = content.fields("figures")
    figures.number("tracks", 0)
    figures.number("accuracy", 0, 1)
    if "compared" in figures.content:  # not of models that older versions learned
        for count in ("compared", "own", "bundled"):
            figures.number(count, 0)
        figures.flag("default")
    return ModelInfo(
        name,
        content.text("id"),
        content.text("field"),
        content.fields("rules").texts("genres"),
        figures.content,
        content.number("learned", 0, _LATEST),
    )


def _arrays(head: Head) -> dict[str, NDArray[Any]]:
    if isinstance(head, LinearHead):
        return {"weight": head.weight, "bias": head.bias}
    places = head.features.astype(np.float32)
    return {"places": places, "genre": head.genre, "neighbours": np.array(head.neighbors)}


def _head(estimator: str, arrays: Arrays, genres: int) -> Head:
    if estimator == "linear":
        return LinearHead(arrays.get("weight", (LOGITS, genres)), arrays.get("bias", (genres,)))
    if estimator != "neighbours":
        raise ValueError(f"estimator is {estimator!r}")
    places = arrays.get("places", (None, LOGITS))
    genre = arrays.get("genre", (len(places),), "iu")
    neighbours = int(arrays.get("neighbours", (), "iu"))
    if genre.min() < 0 or genre.max() >= genres or neighbours < 1:
        raise ValueError("genre or neighbours has values that cannot be")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the result is checked
        return KnnClassifier(places, genre, genres, neighbours)
