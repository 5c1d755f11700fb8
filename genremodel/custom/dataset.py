"""Labeled tracks that custom models are trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from genremodel.analysis import Analysis, NetworkOutputs
from genremodel.evaluation import rarest_genre
from genremodel.models.bundled import bundled_nonmusic
from genremodel.models.heads import balanced_sample_weight, window_logits
from genremodel.models.nonmusic import is_nonmusic


class LabeledTrack:
    """A track with its genres, to train a custom model on.

    Only the tag logits of the analysis are kept.

    Parameters
    ----------
    analysis : Analysis
        By the CNN, with at least one audible window.
    genres : iterable of str
        At least one genre.
    artist : str
        Tracks of one artist are never divided between training and evaluation.
    is_tested : bool
        False for genres that a model predicted and the user accepted: the model is trained on them,
        but not tested, because they favor the model that predicted them.

    Raises
    ------
    ValueError
        If no window is audible, or there is no genre.

    Examples
    --------
    >>> from genremodel.analysis import Analysis
    >>> values = np.full((2, 500), 0.5, np.float16)
    >>> analysis = Analysis(np.array([0.0, 3.0]), np.array([True, True]), values)
    >>> track = LabeledTrack(analysis, genres=["Electro Rock"], artist="someone")
    >>> track.genres, track.logits.shape
    (('Electro Rock',), (2, 100))
    """

    def __init__(
        self,
        analysis: Analysis,
        genres: Iterable[str],
        artist: str,
        *,
        is_tested: bool = True,
    ) -> None:
        if not analysis.audible.any():
            raise ValueError("the track has no audible window")
        outputs = NetworkOutputs.split(analysis.values[analysis.audible])
        self.logits = window_logits(outputs).astype(np.float16)
        self.is_music = not is_nonmusic(bundled_nonmusic(), outputs.both_embeddings)
        self.artist = artist
        self.is_tested = is_tested
        self.genres = _checked(genres)

    def with_genres(self, genres: Iterable[str]) -> LabeledTrack:
        """Return the track with other genres."""
        track = copy(self)
        track.genres = _checked(genres)
        return track


def _checked(genres: Iterable[str]) -> tuple[str, ...]:
    genres = tuple(genres)
    if not genres:
        raise ValueError("the track has no genre")
    return genres


@dataclass(frozen=True)
class LabeledDataset:
    """Labeled tracks as arrays.

    Parameters
    ----------
    names
        Names of the genres, sorted.
    is_music : (tracks,)
        False if the bundled model rejects the track as non-music.
    logits : tracks x (windows, LOGITS)
        See `window_logits`.
    mean_logits : (tracks, LOGITS)
        Mean of the windows.
    genres : (tracks, genres)
        True if the track has the genre.
    artist : (tracks,)
    is_tested : (tracks,)
        False if the model is only trained on the track.
    """

    names: tuple[str, ...]
    is_music: NDArray[np.bool_]
    logits: list[NDArray[np.float16]]
    mean_logits: NDArray[np.float64]
    genres: NDArray[np.bool_]
    artist: NDArray[np.str_]
    is_tested: NDArray[np.bool_]

    @classmethod
    def from_tracks(cls, tracks: Sequence[LabeledTrack]) -> LabeledDataset:
        """Return labeled tracks as arrays."""
        names = tuple(sorted({genre for track in tracks for genre in track.genres}))
        return cls(
            names,
            np.array([track.is_music for track in tracks]),
            [track.logits for track in tracks],
            np.stack([track.logits.mean(axis=0, dtype=np.float64) for track in tracks]),
            np.array([np.isin(names, track.genres) for track in tracks]),
            np.array([track.artist for track in tracks]),
            np.array([track.is_tested for track in tracks]),
        )

    @cached_property
    def rarest_genre(self) -> NDArray[np.intp]:
        """(tracks,) index of each track's rarest genre, for where only one can be used."""
        return rarest_genre(self.genres)

    def samples(
        self, among: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64]]:
        """Return mean logits, genre and weight of each pair of a track and one of its genres.

        among: indices of the tracks.
        """
        track, genre = np.nonzero(self.genres[among])
        track = among[track]
        weight = balanced_sample_weight(
            genre, self.artist[track], 1 / self.genres[track].sum(axis=1)
        )
        return self.mean_logits[track], genre, weight
