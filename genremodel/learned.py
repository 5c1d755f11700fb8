"""Models of a user's own genres, and the folder that keeps them.

A model is two files: arrays, never pickled, in `NAME.npz`, and the rest in `NAME.json`, with the
checksum of the first.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from genremodel.constants import ACTIVATIONS, EXPERT_START
from genremodel.decision import Calibration, Rules
from genremodel.head import Judgement, LinearHead, track_views
from genremodel.novelty import Novelty
from genremodel.outputs import replace_file

if TYPE_CHECKING:
    from genremodel.neighbours import Neighbours

Estimator: TypeAlias = Literal["linear", "neighbours"]
Head: TypeAlias = "LinearHead | Neighbours"

_FORM = 1  # of the files; those of another form must be learned again
_NAME = re.compile(r"[\w-]{1,60}")


class ModelError(Exception):
    """A learned model cannot be used; the message says which, and why."""


@dataclass(frozen=True)
class LearnedModel:
    """Judges tracks by what the bundled networks say of them.

    name: of the user. field: whose values it learned. version: of the analyses that it reads.
    figures: what was measured, for people. learned: seconds since the epoch.
    """

    name: str
    field: str
    version: str
    rules: Rules
    estimator: Estimator
    head: Head
    novelty: Novelty
    figures: Mapping[str, Any]
    learned: float

    def judge(self, outputs: NDArray[np.floating[Any]]) -> Judgement:
        """Judge the audible windows of a track, at least one: (windows, OUTPUTS)."""
        views = track_views(outputs)
        embeddings = outputs[:, ACTIVATIONS:EXPERT_START]
        novelty = self.novelty.score(views[:, :ACTIVATIONS], embeddings)
        return Judgement(self.head.predict_proba(views), novelty)


@dataclass(frozen=True)
class Description:
    """What is told of a model in a list. id: of this version of it."""

    name: str
    id: str
    field: str
    genres: tuple[str, ...]
    figures: Mapping[str, Any]
    learned: float

    @property
    def is_default(self) -> bool:
        """Whether it may be used without being asked for by name, as older models may."""
        return self.figures.get("default", True) is not False


class Models:
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
        names = (file.stem for file in self._folder.glob("*.json"))
        return sorted(name for name in names if _NAME.fullmatch(name))

    def describe(self, name: str) -> Description:
        """Return what is told of a model."""
        return self._read(name)[1]

    def load(self, name: str) -> LearnedModel:
        """Return a model."""
        content, described = self._read(name)
        try:
            packed = (self._folder / f"{name}.npz").read_bytes()
            if hashlib.sha256(packed).hexdigest() != content["sha256"]:
                raise ModelError(
                    f"{self._folder / name}.npz: wrong checksum; {again(name, described.field)}"
                )
            with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
                return _model(described, content, arrays)
        except OSError as exc:
            raise ModelError(f"{exc.filename}: {exc.strerror}") from exc
        except (ValueError, TypeError, LookupError) as exc:
            file = self._folder / f"{name}.json"
            raise ModelError(f"{file}: {exc}; {again(name, described.field)}") from exc

    def save(self, model: LearnedModel) -> Description:
        """Keep a model in the place of one of the same name; its id is made from its content."""
        self.check_name(model.name)
        packed = io.BytesIO()
        arrays: dict[str, Any] = {**_arrays(model.head), **vars(model.novelty)}
        np.savez_compressed(packed, **arrays)
        rules = asdict(model.rules)
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
        text = json.dumps(content, indent=1, ensure_ascii=False)
        try:
            self._folder.mkdir(exist_ok=True)
            # Arrays first: without the description that belongs to them they are refused.
            replace_file(self._folder / f"{model.name}.npz", packed.getvalue())
            replace_file(self._folder / f"{model.name}.json", text.encode())
        except OSError as exc:
            raise ModelError(f"{exc.filename or self._folder}: {exc.strerror}") from exc
        return _description(model.name, content)

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

    def _read(self, name: str) -> tuple[dict[str, Any], Description]:
        self._require(name)
        file = self._folder / f"{name}.json"
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            if content["form"] != _FORM:
                raise ModelError(f"{file}: of another version; {again(name)}")
            return content, _description(name, content)
        except (OSError, ValueError, TypeError, LookupError) as exc:
            raise ModelError(f"{file}: {exc}; {again(name)}") from exc


def again(name: str, field: str | None = None) -> str:
    """Return what to do about a model that cannot be used. field: if it is known."""
    source = f" --field {field}" if field else ", from the same field"
    return f"it must be learned again: beet genreclf-learn --name {name}{source}"


def _model(
    described: Description, content: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> LearnedModel:
    rules = content["rules"]
    return LearnedModel(
        described.name,
        described.field,
        content["version"],
        Rules(
            described.genres,
            tuple(rules["prior"]),
            Calibration(**rules["calibration"]).favoring_many_windows(),
            rules["min_confidence"],
            described.id,
        ),
        content["estimator"],
        _head(content["estimator"], arrays, len(described.genres)),
        Novelty(arrays["centres"], arrays["whitening"], arrays["nonmusic"]),
        described.figures,
        described.learned,
    )


def _description(name: str, content: Mapping[str, Any]) -> Description:
    return Description(
        name,
        content["id"],
        content["field"],
        tuple(content["rules"]["genres"]),
        content["figures"],
        content["learned"],
    )


def _arrays(head: Head) -> dict[str, NDArray[Any]]:
    if isinstance(head, LinearHead):
        return {"weight": head.weight, "bias": head.bias}
    places = head.features.astype(np.float32)
    return {"places": places, "genre": head.genre, "neighbours": np.array(head.neighbours)}


def _head(estimator: Estimator, arrays: Mapping[str, NDArray[Any]], genres: int) -> Head:
    if estimator == "linear":
        return LinearHead(arrays["weight"], arrays["bias"])
    from genremodel.neighbours import Neighbours  # scikit-learn, which takes half a second to load

    return Neighbours(arrays["places"], arrays["genre"], genres, int(arrays["neighbours"]))
