"""`python -m benchmarks.custom_genres`: accuracy and training time of custom genres.

Writes custom_genres.json, docs/custom-genres.md and the training report in the README. Takes two
minutes, and 2 GB of temporary files for a library of 100,000 tracks.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.progress import track as progress
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import GroupKFold, GroupShuffleSplit
from sklearn.preprocessing import StandardScaler, normalize

from benchmarks.library import Library
from benchmarks.reports import CUSTOM_GENRES, save, write_documents
from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, TAGS, Analysis, NetworkOutputs
from genremodel.audio.places import DEFAULT_WINDOWS
from genremodel.batch.cache import Cache, FileState
from genremodel.custom.dataset import LabeledDataset, LabeledTrack
from genremodel.custom.estimators import ESTIMATORS, FitHead
from genremodel.custom.training import train
from genremodel.models._special import expit
from genremodel.models.base import analyze_audio
from genremodel.models.heads import LOGITS, window_logits
from genremodel.models.musicnn import CnnBackend, analysis_version
from genremodel.voting import vote_track, winning_genre
from tests.sounds import make
from training.corpus import DEFAULT_FOLDER
from training.datasets import emotify, gtzan_clips
from training.datasets.track import Track

Figures: TypeAlias = dict[str, Any]

COUNTS = (2, 4, 8, 16, 32)
DRAWS = 20
REPETITIONS = 10
ITEMS = 100_000
SYNTHETIC = 20_000


class Dataset:
    """Labeled tracks of a dataset and their analyses."""

    def __init__(self, tracks: Sequence[Track], backend: CnnBackend) -> None:
        analyses = [
            analyze_audio(backend, track.path, DEFAULT_WINDOWS)
            for track in progress(tracks, description=f"analyzing {len(tracks)} files")
        ]
        audible = [i for i, analysis in enumerate(analyses) if analysis.audible.any()]
        self.analyses = [analyses[i] for i in audible]
        self.genres = np.array([tracks[i].genre for i in audible])
        self.artists = np.array([tracks[i].group for i in audible])

    def labeled(self, among: Iterable[int] | None = None) -> list[LabeledTrack]:
        """Return some or all of the tracks as training data."""
        chosen = range(len(self.analyses)) if among is None else among
        return [
            LabeledTrack(self.analyses[i], [str(self.genres[i])], str(self.artists[i]))
            for i in chosen
        ]


def main() -> None:
    backend = CnnBackend()
    songs = Dataset(emotify.load(DEFAULT_FOLDER), backend)
    excerpts = Dataset(gtzan_clips.load(DEFAULT_FOLDER), backend)
    datasets = {"Emotify": songs, "GTZAN excerpts": excerpts}
    figures = {
        "system": f"{platform.system()}, {os.cpu_count()} processors",
        "cross_validation": cross_validation(songs, backend),
        "training_size": training_size(datasets),
        "new_genres": new_genres(songs, excerpts, backend),
        "similarity": similarity(datasets),
        **commands(backend),
    }
    save(CUSTOM_GENRES, figures)
    write_documents()


def cross_validation(songs: Dataset, backend: CnnBackend) -> Figures:
    """Return the mean metrics of training reports with random assignments of artists to folds."""
    rng = np.random.default_rng(0)
    artists = np.unique(songs.artists)
    reports = []
    for _ in progress(range(REPETITIONS), description="cross-validation"):
        # Artists are assigned to folds in the order of their names.
        names = dict(zip(artists, rng.permutation(len(artists)), strict=True))
        tracks = songs.labeled()
        for track in tracks:
            track.artist = f"{names[track.artist]:03}"
        reports.append(train(tracks, features_version=backend.features_version)[1])
    return {
        "tracks": len(songs.genres),
        "artists": len(artists),
        "repetitions": REPETITIONS,
        "accuracy": round(mean(x.accuracy for x in reports), 3),
        "coverage": round(mean(x.coverage for x in reports), 3),
        "selective_accuracy": round(mean(x.selective_accuracy or 0 for x in reports), 3),
        "calibration_error": round(mean(x.calibration_error for x in reports), 3),
    }


def training_size(datasets: Mapping[str, Dataset]) -> Figures:
    """Return the accuracy of each estimator by the number of tracks per genre."""
    sizes = []
    for name, dataset in datasets.items():
        for count in progress(COUNTS, description=f"{name}, tracks per genre"):
            draws = list(_draws(dataset, count))
            accuracies = [
                [_accuracy(dataset, *draw, fit) for draw in draws] for fit in ESTIMATORS.values()
            ]
            accuracy = [
                {"mean": round(mean(values), 3), "std": round(float(np.std(values)), 3)}
                for values in accuracies
            ]
            sizes.append({"data": name, "tracks": count, "accuracy": accuracy})
    return {"draws": DRAWS, "estimators": [*ESTIMATORS], "sizes": sizes}


def _draws(dataset: Dataset, count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    rng = np.random.default_rng(0)
    splits = GroupShuffleSplit(DRAWS, test_size=0.2, random_state=0)
    for others, held_out in splits.split(dataset.genres, groups=dataset.artists):
        drawn = []
        for genre in np.unique(dataset.genres):
            of_genre = others[dataset.genres[others] == genre]
            drawn.append(rng.choice(of_genre, min(count, len(of_genre)), replace=False))
        yield np.concatenate(drawn), held_out


def _accuracy(
    dataset: Dataset, drawn: NDArray[np.intp], held_out: NDArray[np.intp], fit: FitHead
) -> float:
    known = LabeledDataset.from_tracks(dataset.labeled(drawn))
    test = LabeledDataset.from_tracks(dataset.labeled(held_out))
    head = fit(known, np.arange(len(drawn)))
    prior = [1.0] * len(known.names)
    probabilities = map(head.predict_proba, test.logits)
    predicted = [
        known.names[winning_genre(windows, prior, "majority")] for windows in probabilities
    ]
    return float((np.array(predicted) == dataset.genres[held_out]).mean())


def new_genres(songs: Dataset, excerpts: Dataset, backend: CnnBackend) -> Figures:
    """Return how often genres that Emotify lacks are predicted, trained on some forty tracks."""
    figures: list[Figures] = []
    known = set(np.unique(songs.genres))
    genres = [genre for genre in np.unique(excerpts.genres) if genre not in known]
    for genre in progress(genres, description="new genres"):
        members = np.flatnonzero(excerpts.genres == genre)
        artists = excerpts.artists[members]
        folds = GroupKFold(min(5, len(np.unique(artists))))
        voted, predicted = [], []
        for others, held_out in folds.split(members, groups=artists):
            tracks = songs.labeled() + excerpts.labeled(members[others])
            model, _ = train(tracks, features_version=backend.features_version)
            for analysis in (excerpts.analyses[members[i]] for i in held_out):
                prediction = vote_track(
                    *model.predict_proba(analysis.values[analysis.audible]),
                    analysis.starts,
                    analysis.audible,
                    model.params,
                )
                voted.append(next(iter(prediction.votes)) == genre)
                predicted.append(prediction.genre == genre)
        figures.append(
            {
                "genre": str(genre),
                "excerpts": len(voted),
                "voted": round(mean(voted), 2),
                "predicted": round(mean(predicted), 2),
            }
        )
    means = {name: round(mean(of[name] for of in figures), 3) for name in ("voted", "predicted")}
    return {"genres": figures, "mean": means}


def similarity(datasets: Mapping[str, Dataset]) -> list[Figures]:
    """Return how often the nearest tracks by other artists have the same genre."""
    figures: list[Figures] = []
    for name, dataset in datasets.items():
        outputs = [NetworkOutputs.split(x.values[x.audible]) for x in dataset.analyses]
        embeddings = np.stack([track.embeddings.mean(axis=0) for track in outputs])
        logits = np.stack([window_logits(track).mean(axis=0) for track in outputs])
        vectors = {
            "embeddings, cosine (in use)": _unit_vectors(embeddings),
            "embeddings, standardized": StandardScaler().fit_transform(embeddings),
            "tag logits of both networks, cosine": _unit_vectors(logits),
            "tag logits of both networks, standardized": StandardScaler().fit_transform(logits),
        }
        shares = {}
        for distance, points in vectors.items():
            distances = euclidean_distances(points)
            distances[dataset.artists[:, np.newaxis] == dataset.artists] = np.inf
            ten = dataset.genres[np.argsort(distances, axis=1)[:, :10]]
            shares[distance] = (ten == dataset.genres[:, np.newaxis]).mean()
        counts = np.unique(dataset.genres, return_counts=True)[1]
        shares["chance"] = ((counts / len(dataset.genres)) ** 2).sum()
        figures += [
            {"data": name, "distance": distance, "same_genre": round(float(share), 3)}
            for distance, share in shares.items()
        ]
    return figures


def _unit_vectors(points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return normalize(points.astype(np.float64))


def commands(backend: CnnBackend) -> Figures:
    """Return the report of `beet genreclf-train`, and the time of whole commands."""
    with tempfile.TemporaryDirectory(prefix="genreclf-custom-") as folder:
        root = Path(folder)
        small = Library(root / "small", DEFAULT_FOLDER / "emotify")
        small.configure(threads=2)
        small.beet("import", "--quiet", "--noautotag", "--singletons", str(small.music))
        seconds = {
            "train": small.beet("genreclf-train"),
            "train_cached": small.beet("genreclf-train"),
            "train_synthetic": _train_synthetic(backend),
        }
        report = small.output("genreclf-train").replace(f"{small.music}{os.sep}", "")
        large = Library(root / "large", root / "music")
        large.configure()
        large.fill(ITEMS)
        make(large.music / "0.mp3", 20)
        _fill_cache(large, backend)
        seconds |= {
            "similar": min(large.beet("genreclf-similar", "id:0") for _ in range(3)),
            "list": min(large.beet("ls", "id:0") for _ in range(3)),
        }
    return {
        "output": [line.rstrip() for line in report.strip().splitlines()],
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "library": {"synthetic_tracks": SYNTHETIC, "items": ITEMS},
    }


def _train_synthetic(backend: CnnBackend) -> float:
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(20, LOGITS))
    genres, artists = rng.integers(20, size=SYNTHETIC), rng.integers(2000, size=SYNTHETIC)
    tracks = [
        LabeledTrack(
            _analysis(centers[genre] + 3 * rng.normal(size=LOGITS), rng),
            [f"genre {genre}"],
            f"artist {artist}",
        )
        for genre, artist in zip(genres, artists, strict=True)
    ]
    start = perf_counter()
    train(tracks, features_version=backend.features_version)
    return perf_counter() - start


def _analysis(center: NDArray[np.float64], rng: np.random.Generator) -> Analysis:
    """Return an analysis with logits around a center."""
    activations = expit(center + rng.normal(size=(DEFAULT_WINDOWS, LOGITS)))
    embeddings = np.zeros((DEFAULT_WINDOWS, EMBEDDING_SIZE))
    outputs = NetworkOutputs(activations[:, :TAGS], embeddings, activations[:, TAGS:], embeddings)
    return Analysis(
        np.arange(float(DEFAULT_WINDOWS)),
        np.ones(DEFAULT_WINDOWS, np.bool_),
        outputs.join().astype(np.float16),
    )


def _fill_cache(library: Library, backend: CnnBackend) -> None:
    """Cache analyses of all tracks except the first, which has a file."""
    rng = np.random.default_rng(0)
    starts, audible = np.arange(float(DEFAULT_WINDOWS)), np.ones(DEFAULT_WINDOWS, np.bool_)
    cache = Cache(library.root / "genreclf-cache.db", analysis_version(), DEFAULT_WINDOWS)
    for number in progress(range(1, ITEMS), description="filling a cache"):
        values = rng.random((DEFAULT_WINDOWS, OUTPUT_SIZE), np.float32).astype(np.float16)
        digest = number.to_bytes(16, "big")
        cache.put(digest, Analysis(starts, audible, values))
        path = os.fsencode(library.music / f"{number}.mp3")
        cache.link_file(digest, FileState(path, 0, 0))
    cache.close()


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m benchmarks.custom_genres", description=__doc__
    ).parse_args()
    main()
