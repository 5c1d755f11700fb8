"""Styles against the labels that there are: ID3 genres of Emotify, and the genres of GTZAN.

Both are genres, so they show how well a style is distinguished from other genres, hardly how well
within its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from genremodel.analysis import NetworkOutputs
from genremodel.audio.places import DEFAULT_WINDOWS, evenly_spaced
from genremodel.column_table import ColumnTable
from genremodel.evaluation import OutOfFold
from genremodel.prediction import DecisionParams
from genremodel.style_hierarchy import styles_after_genre, styles_by_genre
from genremodel.styles import Style
from training.evaluation.artist_bootstrap import estimates, mean
from training.evaluation.cross_validation import out_of_fold
from training.fit import PredictProba, fit_head_classifier
from training.window_table import NOISY, WindowTable

_SEEDS = 3

# The labels that a style corresponds to, by dataset. Emotify: genres of ID3 tags.
_ALTERNATIVE = {"Alternative Rock"}
_LABELS: Mapping[str, Mapping[str, set[str]]] = {
    "Emotify": {
        "alternative": _ALTERNATIVE,
        "alternative rock": _ALTERNATIVE,
        "ambient": {"Ambient", "New Age"},
        "dance": {"Electronic"},
        "electro": {"Electronic", "Electro Rock"},
        "electronica": {"Electronic"},
        "folk": {"World"},
        "hard rock": {"Hard Rock"},
        "heavy metal": {"Hard Rock"},
        "house": {"Electronic"},
        "indie": _ALTERNATIVE,
        "indie rock": _ALTERNATIVE,
    },
    "GTZAN": {
        "acoustic": {"country"},
        "classic rock": {"rock"},
        "dance": {"disco", "pop"},
        "folk": {"country"},
        "funk": {"disco"},
        "hard rock": {"metal"},
        "heavy metal": {"metal"},
        "punk": {"rock"},
        "r&b": {"hip hop", "pop"},
        "soul": {"disco"},
    },
}


@dataclass(frozen=True)
class Labeled(ColumnTable):
    """Tracks and one style.

    artist: (tracks,). is_labeled: (tracks,) whether a track has a label of the style. strength:
    (tracks,) activation / threshold; a track has the style from 1.
    """

    artist: NDArray[np.str_]
    is_labeled: NDArray[np.bool_]
    strength: NDArray[np.float64]


@dataclass(frozen=True)
class AfterGenre(ColumnTable):
    """Tracks with a predicted genre that a style may stand after.

    artist: (tracks,). has_style: (tracks,). is_right: (tracks,) whether the genre is. fits:
    (tracks,) whether the style fits the true genre. agrees: (tracks,) whether the label is one of
    the style, NaN without labels.
    """

    artist: NDArray[np.str_]
    has_style: NDArray[np.bool_]
    is_right: NDArray[np.bool_]
    fits: NDArray[np.bool_]
    agrees: NDArray[np.float64]


@dataclass(frozen=True)
class _Tracks(ColumnTable):
    """Tracks of a dataset. activations: (tracks, tags). label: see `_LABELS`."""

    artist: NDArray[np.str_]
    label: NDArray[np.str_]
    activations: NDArray[np.float64]


def measure_styles(
    table: WindowTable,
    emotify: WindowTable,
    id3_genres: Mapping[str, str],
    params: DecisionParams,
    styles: Sequence[Style],
) -> dict[str, Any]:
    """Return the figures of styles for `model.json`.

    "labels": of each style and dataset that has its labels, see `label_figures`. "unlabeled": the
    styles without. "after_genre": of each style that may stand after a genre, see
    `after_genre_figures`. table: that heads are fitted on. emotify: all of its tracks, also those
    in the table. params: uncalibrated.
    """
    songs = table.with_role("song")
    of_emotify = _tracks(emotify)
    id3 = np.array([id3_genres[name] for name in emotify.names.tolist()])
    datasets = {"Emotify": replace(of_emotify, label=id3), "GTZAN": _tracks(songs)}
    others = emotify[~emotify.has_name(table.names)]
    whole = table + others.in_role(NOISY)
    scored = {"Emotify": whole.has_name(emotify.names), "GTZAN": whole.has_role("song")}
    predicted = [_predicted_genres(whole, scored, params, seed) for seed in range(_SEEDS)]
    genres = {"Emotify": of_emotify.label, "GTZAN": datasets["GTZAN"].label}
    return {
        "labels": [*_labels(styles, datasets)],
        "unlabeled": [
            style.name
            for style in styles
            if not any(style.name in labels for labels in _LABELS.values())
        ],
        "after_genre": [
            {
                "style": style.name,
                **after_genre_figures(
                    [_after_genre(style, datasets, genres, found) for found in predicted]
                ),
            }
            for style in styles
            if style.name in styles_after_genre()
        ],
    }


def label_figures(tracks: Labeled) -> dict[str, Any]:
    """Return the figures of a style on one dataset.

    "tracks", "artists": the numbers of those with a label of the style. "auc": of the activation,
    "precision" and "recall": at the threshold, without regard to the predicted genre. "intervals".
    """
    has_label = tracks.is_labeled
    return {
        "tracks": int(has_label.sum()),
        "artists": len(np.unique(tracks.artist[has_label])),
        **estimates(
            [tracks],
            auc=_auc,
            precision=lambda run: mean(run.is_labeled[run.strength >= 1]),
            recall=lambda run: mean(run.strength[run.is_labeled] >= 1),
        ),
    }


def after_genre_figures(runs: Sequence[AfterGenre]) -> dict[str, Any]:
    """Return the figures of a style that stands after a genre, means over cross-validations.

    "tracks", "artists": the numbers of those with the style. "genre": the share whose predicted
    genre is right. "parent": the share whose true genre the style fits. "label": on Emotify, the
    share whose label is one of the style, among "labeled" tracks; "without": the same for all
    tracks of these genres, with the style or without. "intervals".
    """
    having = [run[run.has_style] for run in runs]
    return {
        "seeds": len(runs),
        "tracks": round(float(np.mean([len(run) for run in having])), 1),
        "artists": round(float(np.mean([len(np.unique(run.artist)) for run in having])), 1),
        "labeled": round(float(np.mean([np.isfinite(run.agrees).sum() for run in having])), 1),
        **estimates(
            runs,
            genre=lambda run: mean(run.is_right[run.has_style]),
            parent=lambda run: mean(run.fits[run.has_style]),
            label=lambda run: mean(run.agrees[run.has_style]),
            without=lambda run: mean(run.agrees),
        ),
    }


def _auc(tracks: Labeled) -> float:
    if len(np.unique(tracks.is_labeled)) < 2:
        return float("nan")
    return float(roc_auc_score(tracks.is_labeled, tracks.strength))


def _tracks(table: WindowTable) -> _Tracks:
    """Return the tracks of a table, in the order of their names, with their genres as labels."""
    genre, artist, members = table.by_track()
    activations = NetworkOutputs.split(table.values).activations
    means = [activations[evenly_spaced(rows, DEFAULT_WINDOWS)].mean(axis=0) for rows in members]
    return _Tracks(artist, genre, np.array(means, np.float64))


def _labels(styles: Sequence[Style], datasets: Mapping[str, _Tracks]) -> Iterator[dict[str, Any]]:
    for style in styles:
        for name, tracks in datasets.items():
            if labels := _LABELS[name].get(style.name):
                strength = tracks.activations[:, style.column] / style.threshold
                labeled = Labeled(tracks.artist, np.isin(tracks.label, [*labels]), strength)
                yield {
                    "style": style.name,
                    "dataset": name,
                    "label": sorted(labels),
                    **label_figures(labeled),
                }


def _predicted_genres(
    table: WindowTable, scored: Mapping[str, NDArray[np.bool_]], params: DecisionParams, seed: int
) -> dict[str, NDArray[np.str_]]:
    """Return the predicted genre of each track by dataset, empty for abstentions.

    Neither models nor calibrations are fitted on its artist; calibrations are fitted on songs.
    """

    def fit(known: WindowTable) -> PredictProba:
        return fit_head_classifier(known[~known.has_role(NOISY)])

    found = {
        name: out_of_fold(table, fit, params, seed=seed, scored=rows)
        for name, rows in scored.items()
    }
    return {name: _decided(run, found["GTZAN"], params) for name, run in found.items()}


def _decided(run: OutOfFold, known: OutOfFold, params: DecisionParams) -> NDArray[np.str_]:
    run = run[run.all_windows]
    genre = np.array(params.genres)[run.predicted]
    is_sure = run.confidence(known) >= params.min_confidence
    return np.where(is_sure, genre, "")[np.argsort(run.track)]


def _after_genre(
    style: Style,
    datasets: Mapping[str, _Tracks],
    genres: Mapping[str, NDArray[np.str_]],
    predicted: Mapping[str, NDArray[np.str_]],
) -> AfterGenre:
    """Return the tracks whose predicted genre the style fits. genres: the true ones by dataset."""
    parents = [genre for genre, fitting in styles_by_genre().items() if style.name in fitting]
    labels = _LABELS["Emotify"].get(style.name)
    parts = []
    for name, tracks in datasets.items():
        agrees = np.full(len(tracks), np.nan)
        if name == "Emotify" and labels:
            agrees = np.isin(tracks.label, [*labels]).astype(np.float64)
        whole = AfterGenre(
            tracks.artist,
            tracks.activations[:, style.column] >= style.threshold,
            predicted[name] == genres[name],
            np.isin(genres[name], parents),
            agrees,
        )
        parts.append(whole[np.isin(predicted[name], parents)])
    return sum(parts[1:], parts[0])
