"""`python -m benchmarks.membership`: guess from a model which tracks it was trained on.

Prints, by the number of tracks per genre, how often a track of Emotify that a linear model was
trained on seems more familiar to it than one of the same genre that it was not trained on: the area
under the ROC curve, 0.5 by chance. Takes two minutes.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.custom_genres import DRAWS, Dataset
from genremodel.analysis import NetworkOutputs
from genremodel.custom import CustomModel, train
from genremodel.models.heads import msd_logits, window_logits
from genremodel.models.musicnn import CnnBackend
from training.corpus import DEFAULT_FOLDER
from training.datasets import emotify

COUNTS = (8, 16, 32)


def main() -> None:
    songs = Dataset(emotify.load(DEFAULT_FOLDER), CnnBackend())
    rng = np.random.default_rng(0)
    print("tracks per genre  by the probability  by the centroid")
    for count in COUNTS:
        areas: dict[str, list[float]] = defaultdict(list)
        for _ in range(DRAWS):
            known = _draw(songs.genres, count, rng)
            model, _ = train(songs.labeled(np.flatnonzero(known)), estimator="linear")
            for name, scores in _familiarity(songs, model).items():
                for genre in model.params.genres:
                    of_genre = songs.genres == genre
                    areas[name].append(roc_auc_score(known[of_genre], scores[of_genre]))
        probability, centroid = (mean(areas[name]) for name in ("probability", "centroid"))
        print(f"{count:16}  {probability:18.2f}  {centroid:15.2f}")


def _draw(genres: NDArray[np.str_], count: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return which tracks are drawn, so many of each genre."""
    drawn = np.zeros(len(genres), np.bool_)
    for genre in np.unique(genres):
        drawn[rng.permutation(np.flatnonzero(genres == genre))[:count]] = True
    return drawn


def _familiarity(songs: Dataset, model: CustomModel) -> dict[str, NDArray[np.float64]]:
    """Return how well each track fits the model: the log probability and the distance."""
    probability, centroid = [], []
    for analysis, genre in zip(songs.analyses, songs.genres, strict=True):
        values = analysis.values[analysis.audible]
        index = model.params.genres.index(str(genre))
        probability.append(np.log(model.predict_proba(values).probabilities[:, index]).mean())
        logits = msd_logits(window_logits(NetworkOutputs.split(values))).mean(axis=0)
        distance = model.novelty.centroids[index] - logits @ model.novelty.whitening
        centroid.append(-np.linalg.norm(distance))
    return {"probability": np.array(probability), "centroid": np.array(centroid)}


if __name__ == "__main__":
    argparse.ArgumentParser(
        prog="python -m benchmarks.membership", description=__doc__
    ).parse_args()
    main()
