"""Load the model that the configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from beets.exceptions import UserError
from confuse import ConfigValueError

from beetsplug.genreclf.config import Config
from beetsplug.genreclf.fields import GENRES, SOURCES, FieldSet
from beetsplug.genreclf.genres.families import families_of
from beetsplug.genreclf.sources import why_not
from genremodel import GenreClassifier, ModelError, UnknownGenreError
from genremodel.custom.custom_model import CustomModel
from genremodel.custom.store import ModelStore
from genremodel.models.bundled import bundled_params
from genremodel.style_hierarchy import styles_after_genre


class Loaded(NamedTuple):
    """A classifier of genres, and the configuration that it was made by.

    problem: why it is a substitute for another, if it is. others: the classifiers of other fields.
    """

    classifier: GenreClassifier
    config: Config
    problem: str | None = None
    others: Mapping[FieldSet, GenreClassifier] = MappingProxyType({})


def load(config: Config, models: ModelStore) -> Loaded:
    """Load the configured models or, with `auto`, a substitute for one that cannot be loaded.

    Raises confuse.ConfigError where a configured model cannot be loaded, or does not have a genre
    that an option names; UserError where no model can be loaded.
    """
    loaded = _load_genres(config, models)
    return loaded._replace(others=_load_others(config, models, loaded.classifier))


def _load_genres(config: Config, models: ModelStore) -> Loaded:
    if config.model == "bundled" or (config.model == "auto" and config.backend == "knn"):
        return _load_bundled(config)
    try:
        custom = _newest(models) if config.model == "auto" else models.load(config.model)
        if custom and custom.field != GENRES:
            raise ConfigValueError(
                f"genreclf.model: {custom.name} is a model of the field {custom.field}: list it in "
                "`other_models`"
            )
        return _load(config, custom) if custom else _load_bundled(config)
    except ModelError as exc:
        problem = describe_model_error(exc)
        if config.model != "auto":
            raise ConfigValueError(f"genreclf.model: {problem}") from exc
    except ImportError as exc:
        raise _no_model(config, exc) from exc
    loaded = load_bundled(config)
    return loaded._replace(problem=loaded.problem or f"using the bundled genres: {problem}")


def _load_others(
    config: Config, models: ModelStore, classifier: GenreClassifier
) -> dict[FieldSet, GenreClassifier]:
    """Load the models of other fields. Raises confuse.ConfigError."""
    others: dict[FieldSet, GenreClassifier] = {}
    names: dict[str, str] = {}  # of the models, by their fields
    for name in config.other_models:
        try:
            model = models.load(name)
            problem = _problem(model, names)
            if not problem:
                others[SOURCES[model.field]] = classifier.with_model(model)
                names[model.field] = name
        except ModelError as exc:
            problem = describe_model_error(exc)
        if problem:
            raise ConfigValueError(f"genreclf.other_models: {problem}")
    return others


def _problem(model: CustomModel, names: Mapping[str, str]) -> str | None:
    """Return why a model cannot be used beside others. names: of those, by their fields."""
    name, field = model.name, model.field
    if field == GENRES:
        return f"{name} is a model of genres: set `model: {name}`"
    if field in names:
        return f"{names[field]} and {name} are models of the same field {field}: list one of them"
    if field in SOURCES:
        return None
    problem = why_not(field) or "its fields are added when beets starts: run the command again"
    return f"{name} is a model of the field {field}, which cannot be used: {problem}"


def load_bundled(config: Config) -> Loaded:
    """Load the bundled model, leaving out options of genres that only a custom model has.

    Raises UserError or confuse.ConfigError.
    """
    try:
        known = bundled_params("cnn").genres
    except ModelError as exc:
        raise _no_model(config, exc) from exc
    names = {genre: name for genre, name in config.names.items() if genre in known}
    exclude = tuple(genre for genre in config.exclude if genre in known)
    return _load_bundled(replace(config, exclude=exclude, names=names))


def describe_model_error(error: ModelError) -> str:
    """Return the message of an error, and the command that solves it, if there is one."""
    if error.retrain is None:
        return str(error)
    options = f"--name {error.retrain} --field {error.field}"
    return f"{error}; train it again: beet genreclf-train {options}"


def _newest(models: ModelStore) -> CustomModel | None:
    """Return the custom model that was trained last of those for `auto`. Raises ModelError."""
    described = [models.describe(name) for name in models.names(GENRES)]
    usable = [model for model in described if model.is_default]
    newest = max(usable, key=lambda model: model.trained, default=None)
    return models.load(newest.name) if newest else None


def _load_bundled(config: Config) -> Loaded:
    try:
        return _load(config, "bundled")
    except (ImportError, ModelError) as exc:
        raise _no_model(config, exc) from exc


def _load(config: Config, model: CustomModel | str) -> Loaded:
    """Load a model. Raises ImportError, ModelError or confuse.ConfigError."""
    try:
        classifier = GenreClassifier(
            model,
            windows=config.windows,
            aggregation=config.aggregation,
            min_confidence=config.min_confidence,
            exclude=config.exclude,
            max_styles=config.max_styles,
            families=families_of,
            backend=config.backend,
        )
    except UnknownGenreError as exc:
        raise ConfigValueError(f"genreclf.exclude: {_describe(exc)}") from exc
    try:
        classifier.check_genres(config.names.keys() - styles_after_genre().keys())
    except UnknownGenreError as exc:
        raise ConfigValueError(f"genreclf.names: {_describe(exc)}") from exc
    reason = None if classifier.uses_cnn else classifier.fallback_reason
    return Loaded(classifier, config, reason and f"using the KNN fallback: {reason}")


def _describe(error: UnknownGenreError) -> str:
    if not error.unknown:
        return "no genre is left"
    known = ", ".join(sorted(error.known))
    return f"unknown genre {', '.join(map(repr, error.unknown))}; genres of the model: {known}"


def _no_model(config: Config, reason: Exception) -> Exception:
    """Return the error where not even the bundled model can be loaded."""
    if config.backend != "auto":
        return ConfigValueError(f"genreclf.backend: {config.backend} cannot be loaded: {reason}")
    return UserError(f"no model can be loaded: {reason}")
