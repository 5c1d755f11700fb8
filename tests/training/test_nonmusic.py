"""The detector of non-music: its fit, its threshold, and how it is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.calibration import Calibration
from genremodel.models.base import WindowProbabilities
from genremodel.models.nonmusic import is_nonmusic
from genremodel.prediction import DecisionParams
from training.datasets import nonmusic_recordings
from training.datasets.track import DataError
from training.evaluation.nonmusic_rejection import measure_nonmusic
from training.nonmusic_detector import Examples, fit_nonmusic, unseen_music
from training.window_table import WindowTable

PARAMS = DecisionParams(
    ("jazz", "rock"), (0.5, 0.5), Calibration(0.0, 1.0, 0.0, 0.0, 1.0), 0.7, "m"
)
TRACKS = 600
LOST = 0.005


def table(
    level: float, names: list[str], groups: list[str], role: str, spread: float = 1.0
) -> WindowTable:
    """Return tracks of two windows with values around a level."""
    rng = np.random.default_rng(len(names))
    track, group = np.repeat(names, 2), np.repeat(groups, 2)
    values = rng.normal(level, spread, (len(track), 4)).astype(np.float32)
    return WindowTable.from_rows(values, track, group, group, np.array(role))


def examples(other: float = 3.0) -> Examples:
    """Return music, and two kinds of sounds."""
    names = [str(number) for number in range(TRACKS)]
    artists = [f"artist {number % 60}" for number in range(TRACKS)]
    music = table(0.0, names, artists, "train")
    altered = table(0.0, [f"{name} altered" for name in names], artists, "altered")
    sounds = [
        table(level, [f"{kind} {i}" for i in range(40)], [kind] * 40, "recorded", spread=0.3)
        for kind, level in (("one", 3.0), ("other", other))
    ]
    return Examples(music + altered, sounds[0] + sounds[1], LOST, c=0.1)


def test_threshold_is_that_of_music_by_unseen_artists() -> None:
    unseen = unseen_music(examples())
    assert len(unseen) == 3 * TRACKS  # augmented windows are not scored
    for shuffle in range(3):
        assert ((unseen.shuffle == shuffle).sum(), len({*unseen.fold})) == (TRACKS, 5)
    assert (unseen.odds > unseen.threshold).mean() == pytest.approx(LOST, abs=1e-3)
    assert unseen.rejected.mean() == pytest.approx(LOST, abs=0.005)
    for artist in np.unique(unseen.artist):
        of_artist = unseen[unseen.artist == artist]
        assert len(np.unique(np.stack([of_artist.shuffle, of_artist.fold]), axis=1).T) == 3


def test_detector_keeps_music() -> None:
    known = examples()
    weights = fit_nonmusic(known)
    _, _, members = known.music.by_track(known.music.has_role("train"))
    lost = [is_nonmusic(weights, known.music.values[rows]) for rows in members]
    assert np.mean(lost) < 2 * LOST
    assert is_nonmusic(weights, known.sounds.values[:2])


@pytest.mark.parametrize(("other", "rejected"), [(3.2, 1.0), (-3.0, 0.0)])
def test_kinds_are_rejected_by_their_likeness_to_other_kinds(other: float, rejected: float) -> None:
    known = examples(other)

    def classify(values: NDArray[np.floating]) -> WindowProbabilities:
        return WindowProbabilities(np.tile([0.8, 0.2], (len(values), 1)), 1.0)

    figures = measure_nonmusic(known, known.sounds, classify, PARAMS)
    for kind in ("one", "other"):
        shares = figures["kinds"][kind]
        assert shares["sounds"] == 40
        assert shares["recorded"]
        assert shares["rejected"] == rejected
        assert shares["abstained"] == shares["rejected"]  # the confidence is high enough
    assert figures["environment"]["sounds"] == 80
    assert figures["environment"]["lowest"] == rejected
    music = figures["music"]
    assert (music["tracks"], music["artists"]) == (TRACKS, 60)
    assert music["lower"] <= music["rejected"] <= music["upper"]


def test_recordings(data: Path) -> None:
    recordings = nonmusic_recordings.load(data)
    kinds = {track.genre for track in recordings}
    assert len(kinds) == 11
    assert nonmusic_recordings.SPEECH in kinds
    assert len(recordings) == 470
    assert sum("470" not in source.part for source in nonmusic_recordings.sources(data)) == 2


def test_missing_recordings_are_reported(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        nonmusic_recordings.load(tmp_path)
