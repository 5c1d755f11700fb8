from __future__ import annotations

import tracemalloc
import wave
from pathlib import Path

import av
import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from genremodel.audio import windows as windows_module
from genremodel.audio.params import SAMPLE_RATE, WINDOW_SAMPLES
from genremodel.audio.places import chosen_places, evenly_spaced
from genremodel.audio.windows import read_windows, scan_windows, seek_windows
from genremodel.errors import AudioError
from tests.sounds import CONTAINERS, KEPT, RATE, make, melody, write
from tests.variants import variants

# Kept files are short. FFmpeg's Vorbis and WMA encoders write timestamps that do not fit the sound,
# and encoding 16 seconds of DSD is slow.
SEEKABLE = [kind for kind in CONTAINERS if kind not in (*KEPT, "ogg", "wma", "dsf")]


LOW_RATE = RATE // 2


@pytest.fixture(scope="module")
def reference() -> NDArray[np.float32]:
    """Return what files of 16 seconds hold, mono at `SAMPLE_RATE`."""
    return resampled(melody(16))


def resampled(sound: NDArray[np.float32], rate: int = RATE) -> NDArray[np.float32]:
    mono: NDArray[np.float32] = sound.mean(axis=0)
    return soxr.resample(mono, rate, SAMPLE_RATE)  # as librosa does, which is slow to import


@pytest.mark.parametrize("kind", SEEKABLE)
def test_seeking_finds_the_right_samples(
    kind: str, reference: NDArray[np.float32], tmp_path: Path
) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=16)
    windows = seek_windows(str(path), 5)
    assert windows is not None, "the seek was not trusted"
    for start, window in zip(windows.starts, windows.samples, strict=True):
        first = round(start * SAMPLE_RATE)
        expected = reference[first : first + WINDOW_SAMPLES]
        # Encoders delay the sound by up to some thousand samples.
        overlap = np.fft.irfft(np.fft.rfft(expected).conj() * np.fft.rfft(window))
        similarity = overlap.max() / (np.linalg.norm(expected) * np.linalg.norm(window))
        assert similarity > 0.9


def test_windows_are_evenly_spaced(tmp_path: Path) -> None:
    starts = read_windows(make(tmp_path / "a.flac", seconds=63), 10).starts
    assert starts == pytest.approx(3 + 6 * np.arange(10), abs=0.05)


def test_scan_agrees_with_seek_on_long_track(tmp_path: Path) -> None:
    sound = melody(100)[:1]  # 200 s: longer than the pass holds in full
    path = str(write(tmp_path / "a.wav", sound, LOW_RATE))
    held = scan_windows(path, 10)
    sought = seek_windows(path, 10)
    assert sought is not None
    assert np.abs(held.starts - sought.starts).max() < 6.1
    whole = resampled(sound, LOW_RATE)
    for start, window in zip(held.starts, held.samples, strict=True):
        first = round(start * SAMPLE_RATE)
        similarity = np.corrcoef(whole[first : first + WINDOW_SAMPLES], window)[0, 1]
        assert similarity > 0.99


def test_vbr_without_header_is_scanned(tmp_path: Path) -> None:
    """FFmpeg takes the bitrate of its first frames, here near silence, for that of the whole."""
    quiet = np.zeros((1, 10 * RATE), np.float32)
    loud = melody(60)[:1]
    path = write(tmp_path / "a.vbr.mp3", np.concatenate([quiet, loud], axis=1))
    content = path.read_bytes()
    header = content.find(b"Xing")
    assert header > 0
    frame = content.rfind(b"\xff\xfb", 0, header)
    following = content.find(b"\xff\xfb", header)
    path.write_bytes(content[:frame] + content[following:])
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1e6 - 70) > 5
    windows = read_windows(path)
    assert windows.starts[-1] == pytest.approx(63.6, abs=3)
    assert len(windows.starts) == 10


def test_short_track_is_repeated(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav", seconds=1)
    windows = read_windows(path)
    assert windows.samples.shape == (1, WINDOW_SAMPLES)
    assert np.array_equal(windows.samples[0, :16_000], windows.samples[0, 16_000:32_000])


def test_silence_is_not_audible(tmp_path: Path) -> None:
    samples = melody(40)
    samples[:, 20 * RATE :] = 0
    windows = read_windows(write(tmp_path / "a.flac", samples))
    assert windows.audible.tolist() == [True] * 5 + [False] * 5


def sparse(seconds: int, *passages: tuple[int, int]) -> NDArray[np.float32]:
    """Return silence with music from one second to another, mono at `LOW_RATE`, for speed."""
    samples = np.zeros((1, seconds * LOW_RATE), np.float32)
    for first, last in passages:
        samples[:, first * LOW_RATE : last * LOW_RATE] = melody(last - first, first)[:1, ::2]
    return samples


@pytest.mark.parametrize("kind", variants(["flac", "wav", "opus", "alac.m4a"], default=["flac"]))
def test_windows_of_mostly_silent_tracks_are_audible(kind: str, tmp_path: Path) -> None:
    """Music, a long silence and a hidden track: of evenly spaced windows two would be audible."""
    path = write(tmp_path / f"a.{kind}", sparse(260, (0, 20), (235, 251)), LOW_RATE)
    for windows in (read_windows(path), scan_windows(path, 10)):
        assert windows.audible.all()
        assert len(windows.starts) == 10
        assert (np.diff(windows.starts) > 2.9).all()
        in_first = windows.starts < 20
        assert 4 <= in_first.sum() <= 6
        assert ((windows.starts > 231) & (windows.starts < 255))[~in_first].all()


@pytest.mark.parametrize("offset", variants([0.01, -1 / 256], default=[-1 / 256]))
def test_silence_with_offset_is_silence(offset: float, tmp_path: Path) -> None:
    sound = sparse(260, (0, 20), (235, 251))
    sound[:, 20 * LOW_RATE : 235 * LOW_RATE] += np.float32(offset)
    windows = read_windows(write(tmp_path / "a.wav", sound, LOW_RATE))
    assert windows.audible.all()
    assert ((windows.starts < 20) | (windows.starts > 231)).all()


def test_constant_signal_is_silence(tmp_path: Path) -> None:
    sound = np.full((1, 100 * RATE + 1000), 0.3, np.float32)
    windows = scan_windows(write(tmp_path / "a.wav", sound), 10)
    assert len(windows.starts) == 10
    assert windows.audible.sum() <= 1  # the resampler overshoots where the signal begins


@pytest.mark.parametrize("begin", variants([0.3, 120.5, 121.7, 249.9], default=[121.7]))
def test_windows_of_passage_start_with_sound(begin: float, tmp_path: Path) -> None:
    sound = np.zeros((1, 260 * RATE), np.float32)
    first = int(begin * RATE)
    sound[:, first : first + 10 * RATE] = melody(10)[:1]
    windows = read_windows(write(tmp_path / "a.flac", sound))
    assert windows.starts == pytest.approx(begin + np.array([0, 3, 6]), abs=0.21)
    silent = np.abs(windows.samples).reshape(3, 30, -1).max(axis=2) < 1e-4
    assert silent.sum(axis=1).max() <= 3


def test_windows_of_passage_have_right_samples(tmp_path: Path) -> None:
    sound = sparse(260, (100, 130))
    windows = read_windows(write(tmp_path / "a.flac", sound, LOW_RATE))
    whole = resampled(sound, LOW_RATE)
    assert len(windows.starts) == 10
    for start, window in zip(windows.starts, windows.samples, strict=True):
        first = round(start * SAMPLE_RATE)
        assert np.corrcoef(whole[first : first + WINDOW_SAMPLES], window)[0, 1] > 0.99


@pytest.mark.parametrize("place", variants([0, 120, 257], default=[257]))
def test_single_passage_in_silence_is_found(place: int, tmp_path: Path) -> None:
    windows = read_windows(write(tmp_path / "a.flac", sparse(260, (place, place + 2)), LOW_RATE))
    assert windows.audible.all()
    assert 1 <= len(windows.starts) <= 2
    assert np.abs(windows.starts - place).max() <= 3


@pytest.mark.parametrize("seconds", [40, 260])
def test_windows_of_silence_are_evenly_spaced(seconds: int, tmp_path: Path) -> None:
    windows = read_windows(write(tmp_path / "a.wav", sparse(seconds), LOW_RATE))
    assert not windows.audible.any()
    assert len(windows.starts) == 10
    assert windows.starts[-1] > seconds * 0.8


@pytest.mark.parametrize("music", variants([(0, 31), (30, 60)], default=[(30, 60)]))
def test_half_audible_track_is_not_scanned(
    music: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.flac", sparse(60, music), LOW_RATE)
    monkeypatch.delattr(windows_module, "scan_windows")
    assert read_windows(path).audible.sum() == 5


def test_mostly_silent_short_track_keeps_evenly_spaced_windows(tmp_path: Path) -> None:
    windows = read_windows(write(tmp_path / "a.wav", sparse(25, (0, 4)), LOW_RATE))
    assert windows.audible.tolist() == [True] * 2 + [False] * 8


def test_scan_needs_bounded_memory(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        for part in range(300):  # of 20 s, every third of them noise
            samples = np.random.default_rng(part).normal(0, 3000, 8000 * 20).astype("<i2")
            file.writeframes((samples * (part % 3 == 0)).tobytes())
    tracemalloc.start()
    windows = read_windows(tmp_path / "a.wav")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 << 20
    assert len(windows.starts) == 10
    assert windows.audible.all()
    assert np.ptp(windows.starts) > 4500


@pytest.mark.parametrize("count", variants([10, 32, 50], default=[32]))
def test_scan_chooses_no_window_twice(count: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros((1, 8000 * 600), np.float32), rate=8000)
    for seconds in (195, 200, 390, 600):
        content = path.read_bytes()[: 44 + 16_000 * seconds]
        (tmp_path / "b.wav").write_bytes(content)
        starts = scan_windows(tmp_path / "b.wav", count).starts
        assert len(set(starts)) == count


def test_folder_and_zero_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="directory"):
        read_windows(tmp_path)
    with pytest.raises(ValueError, match="at least one"):
        read_windows(tmp_path, 0)


def test_file_of_ten_hours(tmp_path: Path) -> None:
    """Without a header, so that its length is guessed and every seek reads."""
    content = write(tmp_path / "a.mp3", melody(20)[:1, ::5], rate=8000).read_bytes()
    first = content.find(b"\xff\xe3", max(content.find(b"Info"), content.find(b"Xing")))
    assert first > 0
    (tmp_path / "a.mp3").write_bytes(content[first:] * 1640)
    starts = read_windows(tmp_path / "a.mp3").starts
    assert len(starts) == 10
    assert 9 < starts[-1] / 3600 < 10


@given(st.integers(0, 30), st.integers(1, 12))
def test_evenly_spaced(total: int, count: int) -> None:
    chosen = evenly_spaced(np.arange(total), count)
    assert len(chosen) == min(total, count)
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_fewer_windows_are_some_of_the_ten(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=63)
    ten = read_windows(path, 10)
    for count in (1, 2, 3, 5):
        few, chosen = read_windows(path, 10, count), chosen_places(count, 10)
        np.testing.assert_array_equal(few.starts, ten.starts[chosen])
        np.testing.assert_allclose(few.samples, ten.samples[chosen], atol=1e-3)
        assert np.flatnonzero(few.places).tolist() == chosen.tolist()


def test_all_windows_are_returned_if_a_chosen_one_is_silent(tmp_path: Path) -> None:
    sound = sparse(100, (0, 50), (60, 100))  # the window in the middle is silent
    windows = read_windows(write(tmp_path / "a.flac", sound, LOW_RATE), 10, 3)
    assert len(windows.starts) == 10
    assert windows.audible.sum() == 9
