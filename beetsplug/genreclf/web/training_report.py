"""The report of a training as a JSON object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from beetsplug.genreclf.custom_training import LabeledTracks, is_comparable

if TYPE_CHECKING:
    from beets.library import Item

    from genremodel.custom.custom_model import CustomModel, ModelInfo
    from genremodel.custom.report import TrainingReport

_SHOWN = 20  # suspect labels, confused pairs


def report_object(
    tracks: LabeledTracks, report: TrainingReport, get_item: Callable[[int], Item | None]
) -> dict[str, Any]:
    """Return a report as the page shows it. get_item: returns a track by its id."""
    skipped = {**tracks.rare, **tracks.placeholders}
    return {
        "tracks": report.tracks,
        "artists": report.artists,
        "tested": report.tested,
        "accepted": report.tracks - report.tested,
        "accuracy": report.accuracy,
        "majority_baseline": report.majority_baseline,
        "coverage": report.coverage,
        "selective_accuracy": report.selective_accuracy,
        "calibration_error": report.calibration_error,
        "genres": [vars(genre) for genre in report.genres],
        "confused": [
            {"genre": genre, "predicted": predicted, "tracks": number}
            for genre, predicted, number in report.confused[:_SHOWN]
        ],
        "suspects": [*_suspects(tracks, report, get_item)],
        "skipped": [{"genre": name, "tracks": number} for name, number in skipped.items()],
        "warnings": [*report.warnings],
    }


def comparison_object(model: CustomModel, bundled: str) -> dict[str, Any] | None:
    """Return how a model compares with the bundled one, None for too few tracks.

    bundled: its id.
    """
    if not is_comparable(model.metrics):
        return None
    compared, own, other = (model.metrics[name] for name in ("compared", "own", "bundled"))
    return {
        "with": bundled,
        "tracks": compared,
        "accuracy": own / compared,
        "previous": other / compared,
        "better": own - other,
    }


def training_object(model: ModelInfo) -> dict[str, Any]:
    """Return what was reported when a model was trained, on its tracks of then."""
    accuracy, tracks = model.metrics["accuracy"], model.metrics["tracks"]
    return {"model": model.id, "accuracy": accuracy, "tracks": tracks}


def _suspects(
    tracks: LabeledTracks, report: TrainingReport, get_item: Callable[[int], Item | None]
) -> Iterator[dict[str, Any]]:
    for suspect in report.suspect_labels[:_SHOWN]:
        if item := get_item(tracks.ids[suspect.index]):
            yield {
                "track": item.id,
                "album": item.album_id or 0,
                "title": item.title,
                "artist": item.artist,
                "genres": [*suspect.genres],
                "predicted": suspect.predicted,
                "confidence": suspect.confidence,
            }
