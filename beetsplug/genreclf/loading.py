"""Load the model that the configuration asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from beets.exceptions import UserError
from confuse import ConfigValueError

from beetsplug.genreclf.config import Config
from beetsplug.genreclf.fields import GENRES
from genremodel import AssetError, GenreClassifier, UnknownGenreError
from genremodel.custom.store import CustomModel, ModelError, ModelStore
from genremodel.models.base import bundled_rules


class Loaded(NamedTuple):
    """A classifier, and the configuration that it was made by.

    problem: why it is a substitute for another, if it is.
    """

    classifier: GenreClassifier
    config: Config
    problem: str | None = None


def load(config: Config, models: ModelStore) -> Loaded:
    """Load the configured model or, with `auto`, a substitute for one that cannot be loaded.

    Raises confuse.ConfigError where a configured model cannot be loaded, or does not have a genre
    that an option names; UserError where no model can be loaded.
    """
    if config.model not in ("auto", "bundled"):
        try:
            return _load(config, models.load(config.model))
        except ModelError as exc:
            raise ConfigValueError(f"genreclf.model: {exc}") from exc
    try:
        newest = _newest(models) if config.model == "auto" and config.backend != "knn" else None
        return _load(config, newest)
    except ModelError as exc:
        loaded = load_bundled(config)
        return loaded._replace(problem=loaded.problem or f"using the bundled genres: {exc}")


def load_bundled(config: Config) -> Loaded:
    """Load the bundled model, leaving out options of genres that only a custom model has."""
    try:
        known = bundled_rules("cnn").genres
    except AssetError as exc:
        raise UserError(f"no model can be loaded: {exc}") from exc
    names = {genre: name for genre, name in config.spelling.names.items() if genre in known}
    exclude = tuple(genre for genre in config.exclude if genre in known)
    spelling = replace(config.spelling, names=names)
    return _load(replace(config, exclude=exclude, spelling=spelling), None)


def _newest(models: ModelStore) -> CustomModel | None:
    """Return the custom model that was trained last of those for `auto`. Raises ModelError."""
    described = [models.describe(name) for name in models.names()]
    usable = [model for model in described if model.field == GENRES and model.is_default]
    newest = max(usable, key=lambda model: model.learned, default=None)
    return models.load(newest.name) if newest else None


def _load(config: Config, custom: CustomModel | None) -> Loaded:
    classifier = _classifier(config, custom)
    try:
        classifier.require(config.spelling.names)
    except UnknownGenreError as exc:
        raise ConfigValueError(f"genreclf.names: {exc}") from exc
    if classifier.fallback is None:
        return Loaded(classifier, config)
    if config.backend == "onnx":
        raise ConfigValueError(f"genreclf.backend: onnx cannot be used: {classifier.fallback}")
    return Loaded(classifier, config, f"using the KNN fallback: {classifier.fallback}")


def _classifier(config: Config, custom: CustomModel | None) -> GenreClassifier:
    try:
        return GenreClassifier(
            windows=config.windows,
            vote=config.aggregation,
            min_confidence=config.min_confidence,
            ignore=config.exclude,
            styles=config.max_styles,
            knn=config.backend == "knn",
            learned=custom,
        )
    except UnknownGenreError as exc:
        raise ConfigValueError(f"genreclf.exclude: {exc}") from exc
    except (ImportError, AssetError) as exc:
        raise UserError(f"no model can be loaded: {exc}") from exc
