"""Tracks that somebody has labelled, as what models are learned from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis, NetworkOutputs
from genremodel.models.bundled import bundled_heads
from genremodel.models.heads import balanced_sample_weight, window_logits
from genremodel.models.novelty import is_nonmusic


class LabeledTrack(NamedTuple):
    """A track to learn from.

    views: (windows, LOGITS) of its audible windows, at least one, see `window_logits`. is_music:
    not what the bundled model takes for noise or speech. genres: at least one. artist: tracks of
    one artist are never on both sides of a split.
    """

    views: NDArray[np.floating[Any]]
    is_music: bool
    genres: tuple[str, ...]
    artist: str

    @classmethod
    def of(cls, analysis: Analysis, genres: Iterable[str], artist: str) -> LabeledTrack | None:
        """Return the example that an analysis by the networks makes; None of a silent track."""
        if not analysis.audible.any():
            return None
        outputs = NetworkOutputs.split(analysis.values[analysis.audible])
        is_music = not is_nonmusic(bundled_nonmusic(), outputs.embeddings)
        return cls(window_logits(outputs).astype(np.float16), is_music, tuple(genres), artist)


@dataclass(frozen=True)
class LabeledDataset:
    """Examples as arrays.

    names: of the genres. is_music: (tracks,). views: of each track, (windows, LOGITS). places:
    (tracks, LOGITS), their means. genres: (tracks, genres) True where a track has the genre.
    artist: (tracks,).
    """

    names: tuple[str, ...]
    is_music: NDArray[np.bool_]
    views: list[NDArray[np.floating[Any]]]
    places: NDArray[np.float64]
    genres: NDArray[np.bool_]
    artist: NDArray[np.str_]

    @classmethod
    def of(cls, examples: Sequence[LabeledTrack]) -> LabeledDataset:
        """Return examples as arrays."""
        names = tuple(sorted({genre for example in examples for genre in example.genres}))
        return cls(
            names,
            np.array([example.is_music for example in examples]),
            [example.views for example in examples],
            np.stack([example.views.mean(axis=0, dtype=np.float64) for example in examples]),
            np.array([np.isin(names, example.genres) for example in examples]),
            np.array([example.artist for example in examples]),
        )

    def rows(
        self, among: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        """Return a row for each genre of some tracks: its place, its genre and its weight."""
        track, genre = np.nonzero(self.genres[among])
        track = among[track]
        weight = balanced_sample_weight(
            genre, self.artist[track], 1 / self.genres[track].sum(axis=1)
        )
        return self.places[track], genre, weight

    def main_genres(self, among: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rarest genre of each of some tracks, by index, where there can be but one.

        Of "Electronic; House" the first is what tracks have in common, the second what they are.
        """
        rarity = np.where(self.genres, self.genres.sum(axis=0), np.inf)
        return rarity[among].argmin(axis=1)


@lru_cache(maxsize=1)
def bundled_nonmusic() -> NDArray[np.float64]:
    """Return what tells the bundled model noise and speech from music, see `Novelty`."""
    return bundled_heads().novelty.nonmusic
