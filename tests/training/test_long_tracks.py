"""Long tracks of music, silence, speech and noise, assembled from real recordings."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from genremodel import GenreClassifier
from training import corpus
from training.datasets.nonmusic_recordings import SPEECH
from training.datasets.track import Track
from training.evaluation.long_tracks import (
    NOT_MUSIC,
    ROWS,
    TRACKS,
    Songs,
    Sound,
    count_outcomes,
    read_sounds,
)

FEW_TRACKS, FEW_SONGS, FEW_SENTENCES = 2, 2, 10


@pytest.fixture(scope="module")
def tracks(request: pytest.FixtureRequest) -> int:
    """Return the number of tracks of each row."""
    return TRACKS if request.config.getoption("--full-matrix") else FEW_TRACKS


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier()


@pytest.fixture(scope="module")
def sounds(data: Path, classifier: GenreClassifier, tracks: int) -> tuple[Songs, list[Sound]]:
    """Return songs by genre and speech, few of them for few tracks."""
    known = corpus.load(data)
    if tracks == FEW_TRACKS:
        train = _first([track for track in known.files if ".flac" not in track.name])
        speech = [track for track in known.recordings if track.genre == SPEECH]
        known = replace(known, train=train, valid=[], recordings=speech[:FEW_SENTENCES])
    return read_sounds(known, classifier)


def _first(tracks: list[Track]) -> list[Track]:
    """Return the first tracks of each genre."""
    seen: Counter[str] = Counter()
    chosen = []
    for track in tracks:
        seen[track.genre] += 1
        if seen[track.genre] <= FEW_SONGS:
            chosen.append(track)
    return chosen


@pytest.mark.parametrize("name", ROWS)
def test_long_tracks_have_the_expected_outcomes(
    name: str, sounds: tuple[Songs, list[Sound]], classifier: GenreClassifier, tracks: int
) -> None:
    row, counts = ROWS[name], count_outcomes(name, *sounds, classifier, tracks)
    assert row.expected(counts) >= int(row.bar * tracks), counts
    if NOT_MUSIC not in row.outcomes:
        assert not counts[NOT_MUSIC], counts
