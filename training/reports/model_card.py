"""The model card: `templates/model_card.md`, filled with `model.json` and benchmark results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.evaluation import FOLDS
from genremodel.models.bundled import ALBUM_MIN_CONFIDENCE, MSD_FILE, MTT_FILE
from genremodel.models.musicnn import MTT_WINDOWS
from training.datasets.nonmusic_recordings import SPEECH
from training.reports.album_tables import album_given, album_scopes
from training.reports.markdown import (
    TEMPLATES,
    enumerate_items,
    number,
    render,
    rows,
    with_interval,
)
from training.reports.style_tables import style_hierarchy, style_labels, styles_after
from training.reports.threshold_table import thresholds

Figures: TypeAlias = Mapping[str, Any]

_BACKENDS = ("cnn", "knn")
_NETWORKS = (MSD_FILE, MTT_FILE)
_PROTOCOLS = {
    "songs": "whole songs, unseen artists",
    "files": "files, unseen artists",
    "valid": "validation files",
}
_NO_NOVELTY = " Its calibration ignores novelty, which was not predictive."
_METRICS = ("accuracy", "accuracy_mean", "macro_f1", "ece", "coverage", "selective_accuracy")


def model_card(model: Figures, benchmarks: Figures) -> str:
    """Return the model card.

    Parameters
    ----------
    model
        Contents of `model.json`.
    benchmarks
        Contents of `benchmarks/results.json`.
    """
    cnn, knn = model["cnn"], model["knn"]
    songs, files, valid = (cnn[protocol] for protocol in _PROTOCOLS)
    return render(
        TEMPLATES / "model_card.md",
        cnn=cnn,
        knn=knn,
        choice=knn["choice"],
        files=files,
        valid=valid,
        intervals=songs["intervals"],
        country=valid["genres"]["country"],
        songs_unknown=songs["left_out_genres"],
        files_unknown=files["left_out_genres"],
        knn_unknown=knn["files"]["left_out_genres"],
        speed=mp3_speed(benchmarks),
        system=benchmarks["systems"]["formats"],
        seeds=files["seeds"],
        folds=FOLDS,
        windows=DEFAULT_WINDOWS,
        expert_windows=MTT_WINDOWS,
        megabytes=model["bytes"] / 1e6,
        genres=", ".join(model["genres"]),
        styles=", ".join(sorted(model["styles"])),
        networks="; ".join(_network(model["backbones"][file]) for file in _NETWORKS),
        feature_groups=", ".join(knn["choice"]["groups"]),
        data=_data(model),
        validation_genres=_validation_genres(valid["genres"]),
        accuracy=_accuracy(model),
        reliability=_reliability(songs, files),
        by_windows=_by_windows(songs, files),
        by_genre=_by_genre(model["genres"], [songs, files, valid]),
        song_confusion=_confusion_matrix("songs", songs, model["genres"]),
        file_confusion=_confusion_matrix("files", files, model["genres"]),
        albums=cnn["albums"],
        album_min_confidence=ALBUM_MIN_CONFIDENCE,
        album_scopes=album_scopes(cnn["albums"]),
        album_given=album_given(cnn["albums"]),
        thresholds=thresholds(cnn),
        style_hierarchy=style_hierarchy(),
        style_labels=style_labels(model["style_labels"]),
        styles_after=styles_after(model["style_labels"]),
        style_seeds=model["style_labels"]["after_genre"][0]["seeds"],
        unknown=_unknown_genres(songs["left_out_genres"], files["left_out_genres"]),
        nonmusic=_nonmusic(model),
        rejection=_rejection(model),
        lost={backend: model[backend]["nonmusic"]["music"]["lost"] for backend in _BACKENDS},
        ablations=rows((text, f"{a:.3f}", f"{b:.3f}") for text, a, b in model["ablations"]),
        choices=_choices(knn["choice"]),
        novelty_note="" if knn["calibration"]["novelty"] else _NO_NOVELTY,
        worst=_lowest_recalls(songs),
        song_confusions=_top_confusions(songs),
        file_confusions=_top_confusions(files),
    )


def mp3_speed(benchmarks: Figures) -> Figures:
    """Return the times of a four-minute MP3."""
    (speed,) = (row for row in benchmarks["formats"] if row["format"] == "mp3")
    return speed


def _network(part: Figures) -> str:
    return (
        f"{part['source']} ({part['license']} license, see `NOTICE`), pruned to "
        f"{part['channels']} of {part['published_channels']} channels, outputs within "
        f"{part['agrees_within']:.0e} of the published network"
    )


def _data(model: Figures) -> str:
    sources = [*model["data"], *(model["backbones"][file]["trained_on"] for file in _NETWORKS)]
    return rows((source["name"], source["part"], source["license"]) for source in sources)


def _validation_genres(genres: Figures) -> str:
    counts = sorted(((of["tracks"], name) for name, of in genres.items()), reverse=True)
    return enumerate_items([f"{tracks} {name}" for tracks, name in counts if tracks])


def _accuracy(model: Figures) -> str:
    return rows(
        (
            f"`{model[backend]['id']}`",
            name,
            figures["tracks"],
            *(with_interval(figures, metric) for metric in _METRICS),
        )
        for backend in _BACKENDS
        for protocol, name in _PROTOCOLS.items()
        if (figures := model[backend].get(protocol))
    )


def _reliability(songs: Figures, files: Figures) -> str:
    bins = zip(songs["reliability"], files["reliability"], strict=True)
    return rows([f"{value:.2f}" for value in (*of_songs, *of_files)] for of_songs, of_files in bins)


def _by_windows(songs: Figures, files: Figures) -> str:
    return rows(
        (name, count, tracks, f"{accuracy:.3f}", f"{error:.3f}")
        for name, figures in (("songs", songs), ("files", files))
        for count, tracks, accuracy, error in figures["by_windows"]
    )


def _by_genre(genres: list[str], protocols: list[Figures]) -> str:
    def cells(scores: Figures) -> tuple[str, str, str]:
        if not scores["tracks"]:
            return "0", "-", "-"
        return str(scores["tracks"]), f"{scores['precision']:.2f}", f"{scores['recall']:.2f}"

    return rows(
        (genre, *(cell for figures in protocols for cell in cells(figures["genres"][genre])))
        for genre in genres
    )


def _confusion_matrix(title: str, figures: Figures, genres: list[str]) -> str:
    counts = zip(genres, figures["confusion"], strict=True)
    body = rows((f"**{genre}**", *row) for genre, row in counts if sum(row))
    return f"| {title} | {' | '.join(genres)} |\n|---|{'---:|' * len(genres)}\n{body}"


def _unknown_genres(songs: Figures, files: Figures) -> str:
    return rows(
        (genre, number(songs["genres"].get(genre), ".0%"), number(abstained, ".0%"))
        for genre, abstained in files["genres"].items()
    )


def _rejection(model: Figures) -> str:
    """Return a list with the figures of each detector."""
    items = []
    for backend in _BACKENDS:
        figures = model[backend]["nonmusic"]
        environment, speech = figures["environment"], figures["kinds"][SPEECH]
        music = figures["music"]
        items.append(
            f"- `{model[backend]['id']}` rejects {environment['rejected']:.0%} of "
            f"{environment['sounds']} environmental sounds of {environment['kinds']} unseen kinds, "
            f"{environment['lowest']:.0%} of the hardest kind, and {speech['rejected']:.0%} of "
            f"{speech['sounds']} sentences. It predicts a genre for "
            f"{1 - environment['abstained']:.0%} and {1 - speech['abstained']:.0%}. It rejects "
            f"{music['rejected']:.1%} ({music['lower']:.1%}-{music['upper']:.1%}) of "
            f"{music['tracks']} tracks of music by {music['artists']} artists; the interval is by "
            "bootstrap over artists."
        )
    return "\n".join(items)


def _nonmusic(model: Figures) -> str:
    return rows(
        (
            f"`{model[backend]['id']}`",
            kind,
            "yes" if of["recorded"] else "no",
            of["sounds"],
            f"{of['rejected']:.0%}",
            f"{of['abstained']:.0%}",
            f"{of['music_rejected']:.1%}",
        )
        for backend in _BACKENDS
        for recorded in (True, False)
        for kind, of in model[backend]["nonmusic"]["kinds"].items()
        if of["recorded"] is recorded
    )


def _choices(choice: Figures) -> str:
    trials = [("all groups", choice["elimination_k"], choice["all_groups"])]
    removed: list[str] = []
    for group, accuracy in choice["eliminated"]:
        removed.append(group)
        trials.append((f"without {enumerate_items(removed)}", choice["elimination_k"], accuracy))
    for group, accuracy in choice["without"]:
        trials.append((f"selected groups without {group}", choice["elimination_k"], accuracy))
    trials += [("selected groups", count, x) for count, x in choice["by_neighbors"]]
    return rows((features, count, f"{accuracy:.3f}") for features, count, accuracy in trials)


def _lowest_recalls(figures: Figures) -> str:
    recalls = {name: of["recall"] for name, of in figures["genres"].items() if of["tracks"]}
    lowest = sorted(recalls, key=lambda name: float(recalls[name]))[:3]
    return enumerate_items([f"{name} ({recalls[name]:.0%})" for name in lowest])


def _top_confusions(figures: Figures) -> str:
    genres = list(figures["genres"])
    mistakes = [
        (count, true, predicted)
        for true, row in zip(genres, figures["confusion"], strict=True)
        for predicted, count in zip(genres, row, strict=True)
        if true != predicted
    ]
    top = sorted(mistakes, key=lambda mistake: -mistake[0])[:2]
    return enumerate_items([f"{true} predicted as {other} ({count})" for count, true, other in top])
