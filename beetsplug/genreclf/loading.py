"""Which model decides: the bundled one, a learned one, or what stands in for it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from beets.exceptions import UserError
from confuse import ConfigValueError

from beetsplug.genreclf.config import Config
from beetsplug.genreclf.fields import GENRES
from genremodel import AssetError, GenreClassifier, UnknownGenreError
from genremodel.custom.store import CustomModel, ModelError, ModelStore
from genremodel.models.bundled import bundled_params


class Loaded(NamedTuple):
    """A classifier, and the settings that are for it.

    problem: why it stands in for the one that was asked for, if it does.
    """

    classifier: GenreClassifier
    settings: Config
    problem: str | None


def load(settings: Config, models: ModelStore) -> Loaded:
    """Load the model that the settings ask for, or what stands in for it.

    Raises UserError where none can be loaded, confuse.ConfigError where an option names a model
    that cannot be used, or a genre that the model does not have.
    """
    try:
        try:
            return _loaded(settings, _learned(settings, models))
        except ModelError as exc:
            if settings.model != "auto":
                raise ConfigValueError(f"genreclf.model: {exc}") from exc
            loaded = load_bundled(settings)
            return loaded._replace(problem=loaded.problem or f"using the bundled genres: {exc}")
    except (ImportError, AssetError) as exc:
        raise _none(exc) from exc


def load_bundled(settings: Config) -> Loaded:
    """Load the bundled model, whatever the settings say of others and of their genres."""
    try:
        known = bundled_params("cnn").genres
        names = {genre: name for genre, name in settings.spelling.names.items() if genre in known}
        settings = replace(
            settings,
            ignore=tuple(genre for genre in settings.ignore if genre in known),
            spelling=replace(settings.spelling, names=names),
        )
        return _loaded(settings, None)
    except (ImportError, AssetError) as exc:
        raise _none(exc) from exc


def _learned(settings: Config, models: ModelStore) -> CustomModel | None:
    """Return the learned model that is asked for, if one is. Raises ModelError."""
    if settings.model == "bundled" or (settings.model == "auto" and settings.knn):
        return None
    if settings.model != "auto":
        return models.load(settings.model)
    described = [models.describe(name) for name in models.names()]
    learned = [model for model in described if model.field == GENRES and model.is_default]
    last = max(learned, key=lambda model: model.learned, default=None)
    return models.load(last.name) if last else None


def _loaded(settings: Config, learned: CustomModel | None) -> Loaded:
    option = "ignore"
    try:
        classifier = GenreClassifier(
            windows=settings.windows,
            vote=settings.vote,
            min_confidence=settings.min_confidence,
            ignore=settings.ignore,
            styles=settings.styles,
            knn=settings.knn,
            learned=learned,
        )
        option = "names"
        classifier.require(settings.spelling.names)
    except UnknownGenreError as exc:
        raise ConfigValueError(f"genreclf.{option}: {exc}") from exc
    fallback = classifier.fallback
    return Loaded(classifier, settings, fallback and f"using the KNN fallback: {fallback}")


def _none(reason: Exception) -> UserError:
    return UserError(f"no model can be loaded: {reason}")
