from __future__ import annotations

import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from genremodel.audio.transcode import transcode
from genremodel.errors import AudioError
from tests.faults import small_disk
from tests.memory import peak_growth
from tests.platforms import linux
from tests.sounds import CONTAINERS, RATE, drums, long_track, make, melody, write
from tests.variants import variant

HEADER = 44  # bytes


def read(path: Path) -> tuple[wave._wave_params, NDArray[np.int16]]:
    """Return parameters and samples of a WAV file, (samples, channels)."""
    with wave.open(str(path)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
        return wav.getparams(), samples.reshape(-1, wav.getnchannels())


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_becomes_wav(kind: str, tmp_path: Path) -> None:
    target = tmp_path / "a.wav"
    seconds = transcode(make(tmp_path / f"b.{kind}", seconds=5.5), target)
    params, samples = read(target)
    assert params.sampwidth == 2
    assert seconds == params.nframes / params.framerate
    assert seconds == pytest.approx({"ape": 1, "mpc": 5}.get(kind, 5.5), abs=0.1)
    assert target.stat().st_size == HEADER + samples.nbytes
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", f"b.{kind}"]


@pytest.mark.parametrize("kind", ["alac.m4a", "aiff"])
def test_samples_are_those_of_a_lossless_file(kind: str, tmp_path: Path) -> None:
    sound = melody(12)
    transcode(write(tmp_path / f"b.{kind}", sound), tmp_path / "a.wav")
    params, samples = read(tmp_path / "a.wav")
    assert params[:3] == (2, 2, RATE)
    expected = sound[:, 10 * RATE : 11 * RATE].T * 0x7FFF
    # What a browser gets that asks for a range of bytes
    start = HEADER + 10 * RATE * 4
    part = (tmp_path / "a.wav").read_bytes()[start : start + RATE * 4]
    found = np.frombuffer(part, "<i2").reshape(-1, 2)
    assert np.abs(found - expected).max() < 4
    assert samples.shape == (12 * RATE, 2)


@pytest.mark.parametrize(("rate", "kept"), [(22_050, 22_050), (96_000, 44_100)])
def test_high_sample_rates_are_reduced(rate: int, kept: int, tmp_path: Path) -> None:
    path = write(tmp_path / "b.flac", melody(2)[:, : 2 * rate // 3], rate=rate)
    seconds = transcode(path, tmp_path / "a.wav")
    assert read(tmp_path / "a.wav")[0].framerate == kept
    assert seconds == pytest.approx(2 / 3, abs=0.01)


def test_channels_are_at_most_two(tmp_path: Path) -> None:
    for number, channels in enumerate((1, 2)):
        path = write(tmp_path / f"{number}.flac", melody(1)[:channels])
        transcode(path, tmp_path / "a.wav")
        assert read(tmp_path / "a.wav")[0].nchannels == channels
    transcode(surround(tmp_path / "six.wav"), tmp_path / "a.wav")
    assert read(tmp_path / "a.wav")[0].nchannels == 2


def surround(path: Path) -> Path:
    samples = np.zeros((RATE, 6), "<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 6, RATE, RATE * 12, 12, 16)
    data = struct.pack("<4sI", b"data", len(samples)) + samples
    path.write_bytes(struct.pack("<4sI4s", b"RIFF", 4 + len(form + data), b"WAVE") + form + data)
    return path


def test_sample_rate_may_change_midway(tmp_path: Path) -> None:
    """Concatenated MP3s play on, with the rate of the first."""
    first = make(tmp_path / "a.mp3", seconds=3).read_bytes()
    second = write(tmp_path / "b.mp3", drums(3, 0)[:, : 3 * 22_050], rate=22_050).read_bytes()
    (tmp_path / "c.mp3").write_bytes(first + second)
    assert transcode(tmp_path / "c.mp3", tmp_path / "a.wav") == pytest.approx(6, abs=0.2)
    assert read(tmp_path / "a.wav")[0].framerate == RATE


def test_long_track_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genremodel.audio.transcode._MAX_STEREO_SECONDS", 5)
    seconds = transcode(make(tmp_path / "a.flac", seconds=8), tmp_path / "a.wav")
    params = read(tmp_path / "a.wav")[0]
    assert params[:3] == (1, 2, 22_050)
    assert params.nframes / params.framerate == seconds == pytest.approx(8, abs=0.01)


@variant  # of the test above, and of the memory that a picture of a spectrogram needs
@linux
def test_long_track_is_small_and_needs_little_memory(tmp_path: Path) -> None:
    path, target = long_track(tmp_path / "a.mp3"), tmp_path / "a.wav"
    growth, seconds = peak_growth("genremodel.audio.transcode", "transcode", path, target)
    assert growth < 100
    params = read(target)[0]
    assert params[:3] == (1, 2, 22_050)
    assert params.nframes / params.framerate == seconds == pytest.approx(3606, abs=1)


def test_size_is_limited(tmp_path: Path) -> None:
    path, target = make(tmp_path / "a.wma", seconds=20), tmp_path / "a.wav"
    with pytest.raises(AudioError, match="too long to be converted"):
        transcode(path, target, max_bytes=1_000_000)
    assert [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("content", [b"", bytes(50_000), b"la la la\n" * 1000, None])
def test_undecodable_file_leaves_nothing(content: bytes | None, tmp_path: Path) -> None:
    path, target = tmp_path / "a.wma", tmp_path / "a.wav"
    if content is not None:
        path.write_bytes(content)
    target.write_bytes(b"as before")
    with pytest.raises(AudioError):
        transcode(path, target)
    assert target.read_bytes() == b"as before"
    assert not (tmp_path / "a.wav.part").exists()


def test_full_disk_is_an_audio_error(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wma", seconds=20)
    with small_disk(tmp_path / "disk", "1m") as disk:
        with pytest.raises(AudioError, match="No space left"):
            transcode(path, disk / "a.wav")
        assert [*disk.iterdir()] == []
