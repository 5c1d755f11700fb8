"""Which model decides: the bundled one, a learned one, or what stands in for it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from beets.exceptions import UserError
from confuse import ConfigValueError

from beetsplug.genreclf.config import Config
from beetsplug.genreclf.fields import GENRES
from genremodel import GenreClassifier, ModelError, UnknownGenreError
from genremodel.custom.store import CustomModel, ModelStore
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
                raise ConfigValueError(f"genreclf.model: {describe_model_error(exc)}") from exc
            loaded = load_bundled(settings)
            problem = f"using the bundled genres: {describe_model_error(exc)}"
            return loaded._replace(problem=loaded.problem or problem)
    except (ImportError, ModelError) as exc:
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
    except (ImportError, ModelError) as exc:
        raise _none(exc) from exc


def _learned(settings: Config, models: ModelStore) -> CustomModel | None:
    """Return the learned model that is asked for, if one is. Raises ModelError."""
    if settings.model == "bundled" or (settings.model == "auto" and settings.knn):
        return None
    if settings.model != "auto":
        return models.load(settings.model)
    described = [models.describe(name) for name in models.names()]
    learned = [model for model in described if model.field == GENRES and model.is_default]
    last = max(learned, key=lambda model: model.trained, default=None)
    return models.load(last.name) if last else None


def _loaded(settings: Config, learned: CustomModel | None) -> Loaded:
    option = "ignore"
    try:
        classifier = GenreClassifier(
            learned or "bundled",
            windows=settings.windows,
            aggregation=settings.vote,
            min_confidence=settings.min_confidence,
            exclude=settings.ignore,
            max_styles=settings.styles,
            backend="knn" if settings.knn else "auto",
        )
        option = "names"
        classifier.check_genres(settings.spelling.names)
    except UnknownGenreError as exc:
        raise ConfigValueError(f"genreclf.{option}: {_describe(exc)}") from exc
    fallback = classifier.fallback_reason
    return Loaded(classifier, settings, fallback and f"using the KNN fallback: {fallback}")


def describe_model_error(error: ModelError) -> str:
    """Return the message of an error, and the command that solves it, if there is one."""
    if error.retrain is None:
        return str(error)
    source = f" --field {error.field}" if error.field else ", from the same field"
    return f"{error}; train it again: beet genreclf-learn --name {error.retrain}{source}"


def _describe(error: UnknownGenreError) -> str:
    if not error.unknown:
        return "no genre is left"
    known = ", ".join(sorted(error.known))
    return f"unknown genre {', '.join(map(repr, error.unknown))}; genres of the model: {known}"


def _none(reason: Exception) -> UserError:
    return UserError(f"no model can be loaded: {reason}")
