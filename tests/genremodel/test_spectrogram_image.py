from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.audio import spectrogram_image as image
from genremodel.audio.spectrogram_image import COLUMNS, ROWS, SpectrogramImage, spectrogram_image
from genremodel.errors import AudioError
from tests.memory import peak_growth
from tests.platforms import linux
from tests.sounds import CONTAINERS, RATE, long_track, make, write


def draw(path: Path) -> SpectrogramImage:
    image = spectrogram_image(path)
    assert image.levels.shape == (ROWS, COLUMNS)
    assert image.levels.dtype == np.uint8
    return image


def tone(frequency: float, seconds: float) -> NDArray[np.float32]:
    time = np.arange(int(seconds * RATE)) / RATE
    return np.stack([0.5 * np.sin(2 * np.pi * frequency * time)] * 2).astype(np.float32)


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_is_drawn(kind: str, tmp_path: Path) -> None:
    image = draw(make(tmp_path / f"a.{kind}", seconds=5.5))
    assert image.seconds == pytest.approx({"ape": 1, "mpc": 5}.get(kind, 5.5), abs=0.1)
    assert image.levels.any() == (kind != "ape")  # which is silent


def test_rows_are_frequencies_and_columns_are_time(tmp_path: Path) -> None:
    sound = np.hstack([tone(110, 5), tone(880, 10), 0 * tone(1, 5)])
    levels = draw(write(tmp_path / "a.flac", sound)).levels
    bass, treble = levels[:, 100].argmax(), levels[:, 400].argmax()
    assert ROWS > bass > treble > 0
    edge = COLUMNS // 4
    assert (levels[:, 1 : edge - 1].argmax(axis=0) == bass).all()
    assert (levels[:, edge + 1 : 3 * edge - 1].argmax(axis=0) == treble).all()
    assert not levels[:, 3 * edge + 1 :].any()


def test_steady_tone_has_no_seams(tmp_path: Path) -> None:
    levels = draw(write(tmp_path / "a.flac", tone(440, 30))).levels[:, 1:-1].astype(int)
    assert np.ptp(levels, axis=1).max() <= 4


@pytest.mark.parametrize("samples", [441, 700, 44_100])
def test_short_track_is_stretched(samples: int, tmp_path: Path) -> None:
    image = draw(write(tmp_path / "a.wav", tone(440, 1)[:, :samples] + 0.25))
    assert image.seconds == pytest.approx(samples / RATE, abs=0.001)
    assert image.levels.any(axis=0).all()


@linux
def test_long_track_needs_little_memory(tmp_path: Path) -> None:
    path = long_track(tmp_path / "a.mp3")
    module = "genremodel.audio.spectrogram_image"
    growth, image = peak_growth(module, "spectrogram_image", path)
    assert growth < 350
    assert image.levels.shape == (ROWS, COLUMNS)
    assert image.seconds == pytest.approx(3606, abs=1)
    assert image.levels.any(axis=0).all()


def test_long_track_that_cannot_be_sought_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MP3 whose length FFmpeg underestimates."""
    monkeypatch.setattr(image, "_MAX_DECODED_SECONDS", 6)
    loud = long_track(tmp_path / "loud.mp3").read_bytes()
    quiet = write(tmp_path / "quiet.mp3", 0 * tone(1, 4)).read_bytes()
    (tmp_path / "a.mp3").write_bytes(loud[: len(loud) // 600] + quiet)
    assert image._draw_sparsely(tmp_path / "a.mp3") is None
    assert draw(tmp_path / "a.mp3").seconds == pytest.approx(3606 / 600 + 4, abs=0.5)


@pytest.mark.parametrize("content", [b"", bytes(50_000), b"la la la\n" * 1000])
def test_undecodable_file_is_an_audio_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError):
        spectrogram_image(tmp_path / "a.mp3")
