"""Custom models, and the folder that stores them.

A model is two files: `NAME.npz` has the arrays, never pickled; `NAME.json` has the rest, with the
checksum of the arrays. Those of a model of a field other than `genres` are `NAME.FIELD.npz` and
`NAME.FIELD.json`, so that a listing of the folder shows the fields.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from genremodel.custom.custom_model import EXPORT_SUFFIX, CustomModel, ModelInfo
from genremodel.custom.model_content import (
    ARRAYS,
    FORM,
    OLDER_FORM,
    arrays_of,
    build_model,
    describe_model,
    description_of,
    model_id,
)
from genremodel.custom.model_file import read_model_file
from genremodel.errors import ModelError
from genremodel.models.musicnn import features_version
from genremodel.output_files import replace_atomically
from genremodel.untrusted_files import JsonFields, NpzArrays, read_file

_LARGEST_DESCRIPTION = 1 << 24  # bytes of NAME.json
_LARGEST_ARRAYS = 1 << 28  # bytes, compressed or not: enough for the neighbors of 600,000 tracks
_SUFFIXES = (".npz", ".json")
_NAME = re.compile(r"[\w-]{1,60}")
_DEVICE = re.compile(r"(?i)con|prn|aux|nul|com\d|lpt\d")  # no file of Windows can have the name
_FIELD = re.compile(r"[a-z0-9_]{1,40}")
_STEM = re.compile(rf"({_NAME.pattern})(?:\.({_FIELD.pattern}))?")
_GENRES = "genres"  # the field of models that predict genres


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
        if name in ("auto", "bundled") or _DEVICE.fullmatch(name):
            raise ModelError(f"invalid model name {name!r}: reserved")
        if not _NAME.fullmatch(name):
            raise ModelError(f"invalid model name {name!r}: use up to 60 letters, digits, _ and -")

    def validate_new_name(self, name: str) -> None:
        """Raise ModelError if a new model cannot have the name."""
        self.validate_name(name)
        # Some file systems ignore case.
        taken = {other.casefold(): other for other in self.names()}.get(name.casefold())
        if taken is not None:
            raise ModelError(f"there is already a model {taken!r}")

    def validate_name_to_save(self, name: str) -> None:
        """Raise ModelError if a model cannot be saved by the name, whether it is new or not."""
        validate = self.validate_name if name in self.names() else self.validate_new_name
        validate(name)

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
        retrain = None if described.installed else described.name
        damaged = partial(ModelError, retrain=retrain, field=described.field)
        try:
            return build_model(described, content, _read_arrays(file, content.text("sha256")))
        except FileNotFoundError as exc:
            raise damaged(f"{file}: {exc.strerror}") from exc
        except OSError as exc:  # it may be readable later
            raise ModelError(f"{file}: {exc.strerror}") from exc
        except Exception as exc:  # NumPy and zipfile raise many kinds
            raise damaged(f"{self._folder / stem}: {str(exc) or type(exc).__name__}") from exc

    def save(self, model: CustomModel) -> ModelInfo:
        """Store a model, replacing any of the same name. Its id is derived from its content."""
        self.validate_name_to_save(model.name)
        self.validate_field(model.field)
        packed = io.BytesIO()
        arrays: dict[str, Any] = arrays_of(model)
        np.savez_compressed(packed, **arrays)
        content = {
            "form": FORM,
            **description_of(model),
            "metrics": dict(model.metrics),
            "sha256": hashlib.sha256(packed.getvalue()).hexdigest(),
            "id": model_id(model),
            "trained": model.trained,
            "installed": model.installed,
        }
        text = json.dumps(content, indent=1, ensure_ascii=False).encode(errors="replace")
        try:
            described = describe_model(model.name, JsonFields.parse(text))
        except ValueError as exc:
            raise ModelError(f"{model.name}: {exc}") from exc
        try:
            self._folder.mkdir(exist_ok=True)
            self._write(_stem(model.name, model.field), packed.getvalue(), text)
        except OSError as exc:
            folder = self._folder if self._folder.exists() else self._folder.parent
            raise ModelError(f"{folder}: {exc.strerror}") from exc
        return described

    def install(self, model: CustomModel) -> ModelInfo:
        """Store a model that was exported. Its name must be new.

        Processes that install models in the same folder must not do so at the same time.
        """
        model.check_features(features_version())
        self.validate_new_name(model.name)
        return self.save(replace(model, installed=True))

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
        return [(stem[1], stem[2] or _GENRES) for stem in stems if stem and stem[2] != _GENRES]

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
        name, _, field = stem.partition(".")
        self.validate_name(name)
        file = self._folder / f"{stem}.json"
        damaged = partial(ModelError, retrain=name, field=field or _GENRES)
        try:
            content = JsonFields.parse(read_file(file, _LARGEST_DESCRIPTION))
            if content.number("form") not in (FORM, OLDER_FORM):
                raise damaged(f"{file}: unsupported format version")
            described = describe_model(name, content)
        except OSError as exc:
            raise ModelError(f"{file}: {exc.strerror}") from exc
        except ValueError as exc:
            raise damaged(f"{file}: {exc}") from exc
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


def _read_arrays(file: Path, sha256: str) -> NpzArrays:
    packed = read_file(file, _LARGEST_ARRAYS)
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise ValueError("wrong checksum")
    return NpzArrays(packed, ARRAYS, _LARGEST_ARRAYS)


def load_model(path: Path) -> CustomModel:
    """Return a model by the path of its description, or of the file that it was exported to."""
    if path.suffix.lower() == EXPORT_SUFFIX:
        ModelStore(path.parent).validate_name(path.stem)
        return read_model_file(path, path.stem)
    store, stem = _at(path, EXPORT_SUFFIX)
    store._check_exists(stem.partition(".")[0])
    return store._load(stem)


def save_model(model: CustomModel, path: Path) -> ModelInfo:
    """Store a model under the path of its description."""
    store, stem = _at(path)
    name, _, _ = stem.partition(".")
    if stem != _stem(name, model.field):
        raise ModelError(
            f"{path}: a model of the field {model.field} must be named "
            f"{_stem(name, model.field)}.json"
        )
    return store.save(replace(model, name=name))


def _at(path: Path, *others: str) -> tuple[ModelStore, str]:
    """Return the store of a model, and the name of its files, by a path. others: suffixes."""
    suffixes = (".json", *others)
    if path.suffix not in suffixes:
        raise ModelError(f"{path}: the name of a model file must end with {' or '.join(suffixes)}")
    return ModelStore(path.parent), path.stem
