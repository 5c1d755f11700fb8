"""List, export and install custom models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from logging import Logger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from beets import ui
from beets.exceptions import UserError

from beetsplug.genreclf.custom_training import is_comparable
from beetsplug.genreclf.fields import GENRES
from beetsplug.genreclf.genres.labels import split
from beetsplug.genreclf.messages import count
from beetsplug.genreclf.sources import why_not

if TYPE_CHECKING:
    from genremodel.custom.custom_model import CustomModel, ModelInfo
    from genremodel.custom.store import ModelStore

# Fewer tracks of a genre can be guessed from a model, see `benchmarks/membership.py`.
_FEW = 30


def list_models(models: ModelStore, log: Logger) -> bool:
    """Print the custom models, newest first; return whether all can be read."""
    from beetsplug.genreclf.loading import describe_model_error
    from genremodel.errors import ModelError

    described = []
    if not models.names():
        log.info("no models trained yet")
    for name in models.names():
        try:
            described.append(models.describe(name))
        except ModelError as exc:
            log.warning("{}", describe_model_error(exc))
    for model in sorted(described, key=lambda model: -model.trained):
        ui.print_(_line(model))
    return len(described) == len(models.names())


def export_model(models: ModelStore, name: str, file: str, log: Logger) -> None:
    """Write a model to a file, and print what it predicts. Raises ModelError and UserError."""
    from genremodel.custom.custom_model import label_word
    from genremodel.display import displayable
    from genremodel.models.musicnn import features_version

    model = models.load(name)
    model.check_features(features_version())
    if model.estimator != "linear":
        raise UserError(
            f"{name} is made of nearest neighbors, which contain every track; train a linear "
            f"model: beet genreclf-train --linear --name {name} --field {model.field}"
        )
    model.export(file)
    ui.print_(f"exported {name} to {displayable(file)}")
    ui.print_(f"it predicts {model.field}: {', '.join(model.params.genres)}")
    rare = [] if model.installed else _rare_genres(model)  # its tracks are those of others
    if rare:
        log.warning(
            "from the file, others may guess which tracks of these {}s you have: {}",
            label_word(model.field),
            ", ".join(rare),
        )


def _rare_genres(model: CustomModel) -> list[str]:
    """Return the genres with so few tracks that a model reveals which these are."""
    shares = zip(model.params.genres, model.params.prior, strict=True)
    return [genre for genre, share in shares if share * model.metrics["tracks"] < _FEW]


def install_model(models: ModelStore, file: str, name: str | None) -> None:
    """Install a model from a file. name: by default that of the file. Raises ModelError."""
    from genremodel.custom.custom_model import label_word
    from genremodel.custom.model_file import read_model_file
    from genremodel.display import displayable
    from genremodel.errors import ModelError

    path = Path(file)
    name = path.stem if name is None else name
    try:
        models.validate_new_name(name)
    except ModelError as exc:
        raise UserError(f"{exc}; choose another by --name") from exc
    model = read_model_file(path, name)
    problem = why_not(model.field) if model.field != GENRES else None
    if problem:
        raise UserError(f"{displayable(path)}: the field {model.field} cannot be used: {problem}")
    for label in model.params.genres:
        if split(label) != [label]:  # beets would read other values than were written
            raise UserError(f"{displayable(path)}: {label!r} has a separator or spaces around it")
    installed = models.install(model)
    metrics, genres = installed.metrics, ", ".join(installed.genres)
    # The prior of a genre is less than its share of tracks if these have several.
    majority = metrics.get("majority", max(model.params.prior))
    ui.print_(f"installed {name} ({installed.id}), which predicts {installed.field}: {genres}")
    ui.print_(
        f"trained on {count(metrics['tracks'], 'track')} by {count(metrics['artists'], 'artist')} "
        f"of another library; cross-validated there: accuracy {metrics['accuracy']:.0%} "
        f"(most common {label_word(model.field)}: {majority:.0%}), "
        f"calibration error {metrics['calibration_error']:.2f}"
    )
    if metrics.get("missed"):
        ui.print_(f"never recognized there: {', '.join(metrics['missed'])}")
    ui.print_(how_to_use(installed))


def how_to_use(model: ModelInfo) -> str:
    """Return how to use a model that the configuration does not use."""
    if model.field == GENRES:
        return f"set `model: {model.name}` in the configuration to use it"
    return f"add {model.name} to `other_models` in the configuration to use it"


def comparison(metrics: Mapping[str, Any]) -> str:
    """Return whether a model is better than the bundled one, and by how much."""
    tracks, own, bundled = metrics["compared"], metrics["own"], metrics["bundled"]
    if not tracks:
        return "not comparable with the bundled model, which has none of these genres"
    if not is_comparable(metrics):
        return f"too few tracks to compare with the bundled model: {tracks}"
    if own == bundled:
        return (
            f"no better than the bundled model: accuracy {own / tracks:.0%} on "
            f"{count(tracks, 'track')}"
        )
    word = "better" if own > bundled else "worse"
    return (
        f"{word} than the bundled model by {abs(own - bundled)} of {count(tracks, 'track')}: "
        f"accuracy {own / tracks:.0%} instead of {bundled / tracks:.0%}"
    )


def _line(model: ModelInfo) -> str:
    """Return the line of a model in the list."""
    from genremodel.custom.custom_model import label_word

    times = "%Y-%m-%d" if model.installed else "%Y-%m-%d %H:%M"
    trained = time.strftime(times, time.localtime(model.trained))
    parts = [
        f"{model.name}{' (installed)' if model.installed else ''}: "
        f"{count(len(model.genres), label_word(model.field))}",
        count(model.metrics["tracks"], "track"),
        f"trained {trained} on {model.field}",
        f"accuracy {model.metrics['accuracy']:.0%}",
        model.id,
    ]
    if model.field != GENRES:
        return ", ".join(parts)
    if "compared" in model.metrics:  # trained by the plugin
        parts.append(comparison(model.metrics))
    unused = "" if model.is_default else "; not used by `model: auto`"
    return ", ".join(parts) + unused
