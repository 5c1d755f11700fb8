from __future__ import annotations

import os
import struct
import tracemalloc
import wave
from pathlib import Path
from typing import cast

import av
import librosa
import mutagen
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from genremodel.audio import windows as audio
from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.windows import read_windows
from genremodel.errors import AudioError
from tests.sounds import CONTAINERS, KEPT, RATE, make, melody, write

# Kept files are short. FFmpeg's Vorbis and WMA encoders write timestamps that do not fit the sound,
# and making half a minute of DSD takes long.
SEEKABLE = [kind for kind in CONTAINERS if kind not in (*KEPT, "ogg", "wma", "dsf")]


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_that_beets_tags_decodes(kind: str, tmp_path: Path) -> None:
    windows = read_windows(make(tmp_path / f"a.{kind}", seconds=5.5))
    expected = 1 if kind == "ape" else 3  # of one second, and of five or more
    assert windows.samples.shape == (expected, WINDOW_SAMPLES)
    assert windows.samples.dtype == np.float32
    if kind != "ape":
        assert windows.audible.all()
        reference = melody(5).mean(axis=0)
        assert windows.samples.std() == pytest.approx(reference.std(), rel=0.15)


@pytest.mark.parametrize("kind", SEEKABLE)
def test_seeking_finds_the_same_sound_as_decoding_all(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=31)
    windows = audio.seek_windows(str(path), 10)
    assert windows is not None, "the seek was not trusted"
    whole = librosa.resample(melody(31).mean(axis=0), orig_sr=RATE, target_sr=16_000)
    for start, window in zip(windows.starts, windows.samples, strict=True):
        first = round(start * 16_000)
        expected = whole[first : first + WINDOW_SAMPLES]
        # Encoders delay the sound by up to some thousand samples.
        overlap = np.fft.irfft(np.fft.rfft(expected).conj() * np.fft.rfft(window))
        similarity = overlap.max() / (np.linalg.norm(expected) * np.linalg.norm(window))
        assert similarity > 0.9


def test_windows_are_spread_evenly(tmp_path: Path) -> None:
    starts = read_windows(make(tmp_path / "a.flac", seconds=63), 10).starts
    assert starts == pytest.approx(3 + 6 * np.arange(10), abs=0.05)


def test_a_sequential_pass_agrees_with_seeking_on_a_long_track(tmp_path: Path) -> None:
    path = str(make(tmp_path / "a.wav", seconds=200))  # longer than the pass holds in full
    held = audio.scan_windows(path, 10)
    sought = audio.seek_windows(path, 10)
    assert sought is not None
    assert np.abs(held.starts - sought.starts).max() < 6.1
    whole = librosa.resample(melody(200).mean(axis=0), orig_sr=RATE, target_sr=16_000)
    for start, window in zip(held.starts, held.samples, strict=True):
        first = round(start * 16_000)
        similarity = np.corrcoef(whole[first : first + WINDOW_SAMPLES], window)[0, 1]
        assert similarity > 0.99


def test_vbr_without_a_header_is_not_trusted(tmp_path: Path) -> None:
    """FFmpeg takes the bitrate of its first frames, here near silence, for that of the whole."""
    quiet = np.zeros((2, 10 * RATE), np.float32)
    loud = melody(60)
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


def test_channels_are_averaged(tmp_path: Path) -> None:
    tone = np.sin(np.arange(5 * RATE) * 0.1).astype(np.float32)
    path = write(tmp_path / "a.flac", np.stack([tone, 0 * tone]))
    peak = np.abs(read_windows(path).samples).max()
    assert peak == pytest.approx(0.5, abs=0.01)  # FFmpeg's own down-mix would give 0.71


def test_a_short_track_is_repeated(tmp_path: Path) -> None:
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
    """Return silence with music from one second to another."""
    samples = np.zeros((2, seconds * RATE), np.float32)
    for first, last in passages:
        samples[:, first * RATE : last * RATE] = melody(last - first, first)
    return samples


@pytest.mark.parametrize("kind", ["flac", "wav", "opus", "alac.m4a"])
def test_windows_of_mostly_silent_tracks_are_audible(kind: str, tmp_path: Path) -> None:
    """Music, a long silence and a hidden track: of evenly spaced windows two would be audible."""
    path = write(tmp_path / f"a.{kind}", sparse(260, (0, 20), (235, 251)))
    for windows in (read_windows(path), audio.scan_windows(path, 10)):
        assert windows.audible.all()
        assert len(windows.starts) == 10
        assert (np.diff(windows.starts) > 2.9).all()
        in_first = windows.starts < 20
        assert 4 <= in_first.sum() <= 6
        assert ((windows.starts > 231) & (windows.starts < 255))[~in_first].all()


@pytest.mark.parametrize("offset", [0.01, -1 / 256])
def test_silence_with_an_offset_is_silence(offset: float, tmp_path: Path) -> None:
    sound = sparse(260, (0, 20), (235, 251))
    sound[:, 20 * RATE : 235 * RATE] += np.float32(offset)
    windows = read_windows(write(tmp_path / "a.wav", sound))
    assert windows.audible.all()
    assert ((windows.starts < 20) | (windows.starts > 231)).all()


def test_constant_signal_is_silence(tmp_path: Path) -> None:
    sound = np.full((2, 100 * RATE + 1000), 0.3, np.float32)
    windows = audio.scan_windows(write(tmp_path / "a.wav", sound), 10)
    assert len(windows.starts) == 10
    assert windows.audible.sum() <= 1  # the resampler overshoots where the signal begins


@pytest.mark.parametrize("begin", [0.3, 120.5, 121.7, 249.9])
def test_windows_of_passages_begin_with_the_sound_and_hold_no_silence(
    begin: float, tmp_path: Path
) -> None:
    sound = np.zeros((2, 260 * RATE), np.float32)
    first = int(begin * RATE)
    sound[:, first : first + 10 * RATE] = melody(10)
    windows = read_windows(write(tmp_path / "a.flac", sound))
    assert windows.starts == pytest.approx(begin + np.array([0, 3, 6]), abs=0.21)
    silent = np.abs(windows.samples).reshape(3, 30, -1).max(axis=2) < 1e-4
    assert silent.sum(axis=1).max() <= 3


def test_windows_hold_the_sound_of_their_place(tmp_path: Path) -> None:
    sound = sparse(260, (100, 130))
    windows = read_windows(write(tmp_path / "a.flac", sound))
    whole = librosa.resample(sound.mean(axis=0), orig_sr=RATE, target_sr=16_000)
    assert len(windows.starts) == 10
    for start, window in zip(windows.starts, windows.samples, strict=True):
        first = round(start * 16_000)
        assert np.corrcoef(whole[first : first + WINDOW_SAMPLES], window)[0, 1] > 0.99


@pytest.mark.parametrize("place", [0, 120, 257])
def test_a_single_passage_in_silence_is_found(place: int, tmp_path: Path) -> None:
    windows = read_windows(write(tmp_path / "a.flac", sparse(260, (place, place + 2))))
    assert windows.audible.all()
    assert 1 <= len(windows.starts) <= 2
    assert np.abs(windows.starts - place).max() <= 3


@pytest.mark.parametrize("seconds", [40, 260])
def test_windows_of_silence_stay_evenly_spaced(seconds: int, tmp_path: Path) -> None:
    windows = read_windows(write(tmp_path / "a.wav", sparse(seconds)))
    assert not windows.audible.any()
    assert len(windows.starts) == 10
    assert windows.starts[-1] > seconds * 0.8


@pytest.mark.parametrize("music", [(0, 31), (30, 60)])
def test_tracks_that_are_half_audible_are_not_decoded_twice(
    music: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.flac", sparse(60, music))
    monkeypatch.delattr(audio, "scan_windows")
    assert read_windows(path).audible.sum() == 5


def test_short_tracks_are_covered_as_they_are(tmp_path: Path) -> None:
    windows = read_windows(write(tmp_path / "a.wav", sparse(25, (0, 4))))
    assert windows.audible.tolist() == [True] * 2 + [False] * 8


def test_hours_of_silence_are_searched_in_bounded_memory(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e25])
def test_samples_that_are_no_sound_do_not_spread(bad: float, tmp_path: Path) -> None:
    samples = melody(5)
    samples[0, 1000], samples[1, 2000] = bad, bad
    path = _float_wav(tmp_path / "a.wav", samples)
    windows = read_windows(path)
    assert np.abs(windows.samples).max() < 1
    assert windows.audible.all()


def test_a_file_of_nothing_but_such_samples_is_silent(tmp_path: Path) -> None:
    assert not read_windows(_float_wav(tmp_path / "a.wav", melody(5) * 1e30)).audible.any()


def _float_wav(path: Path, samples: NDArray[np.float32]) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=RATE, layout="stereo")
        packed = np.ascontiguousarray(samples.T.reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(packed, "flt", "stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_a_sampling_rate_of_no_music(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 24, 1)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="unsupported sample rate: 1 Hz"):
        read_windows(path)


@pytest.mark.parametrize("count", [10, 32, 50])
def test_a_sequential_pass_hears_no_window_twice(count: int, tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", np.zeros((1, 8000 * 600), np.float32), rate=8000)
    for seconds in (195, 200, 390, 600):
        content = path.read_bytes()[: 44 + 16_000 * seconds]
        (tmp_path / "b.wav").write_bytes(content)
        starts = audio.scan_windows(tmp_path / "b.wav", count).starts
        assert len(set(starts)) == count


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"not music at all\n" * 100, "Invalid data"), (b"", "Invalid data"), (None, "No such file")],
)
def test_what_is_no_audio_gives_a_reason(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.mp3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=reason):
        read_windows(path)


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus", "wav", "aiff", "wv"])
def test_a_truncated_file_is_heard_as_far_as_it_goes(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    windows = read_windows(path)
    assert len(windows.starts) == 10
    assert windows.starts[-1] < 35


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus", "m4a", "alac.m4a", "wma", "wv"])
def test_a_damaged_file_is_heard_where_it_is_not(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=31)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(0)
    places = rng.integers(len(content) // 10, len(content) * 8 // 10, 64)
    content[places] = rng.integers(256, size=64)
    path.write_bytes(content.tobytes())
    assert read_windows(path).audible.all()


@pytest.mark.parametrize("name", ["ü 🎵.wav", "a\nb.wav", "%d.wav", "a:b.wav", b"\xff.wav"])
def test_odd_names(name: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "a.wav").rename(tmp_path / os.fsdecode(name))
    monkeypatch.chdir(tmp_path)
    assert read_windows(name).audible.all()


LISTS = {
    "ffconcat": "ffconcat version 1.0\nfile other.wav\n",
    "itself": "ffconcat version 1.0\nfile list.mp3\n",
    "pipe": "ffconcat version 1.0\nfile pipe\n",  # which would be waited for
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.wav\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "ffmetadata": ";FFMETADATA1\ntitle=x\n",
    "subtitles": "1\n00:00:00,000 --> 00:00:09,000\nla la la\n",
}


@pytest.mark.parametrize("suffix", ["mp3", "m3u8", "txt", "sdp"])
@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
def test_files_that_name_others_are_refused(text: str, suffix: str, tmp_path: Path) -> None:
    make(tmp_path / "other.wav")
    if "pipe" in text:
        os.mkfifo(tmp_path / "pipe")
    path = tmp_path / f"list.{suffix}"
    path.write_text(text)
    with pytest.raises(AudioError, match=r"not one of the audio formats|Invalid data"):
        read_windows(path)


@pytest.mark.parametrize(
    ("form", "codec"), [("matroska", "pcm_s16le"), ("caf", "pcm_s16be"), ("w64", "pcm_s16le")]
)
def test_formats_that_beets_cannot_tag_are_refused(form: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    with av.open(str(path), "w", format=form) as container:
        stream = cast(AudioStream, container.add_stream(codec, rate=RATE, layout="stereo"))
        samples = (melody(2) * 0x7FFF).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.T.reshape(1, -1).copy(), "s16", "stereo")
        frame.sample_rate = RATE
        fifo = av.AudioFifo()
        fifo.write(frame)
        for part in fifo.read_many(4096):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="not one of the audio formats that can be read"):
        read_windows(path)


def test_the_network_is_never_asked() -> None:
    with pytest.raises(AudioError, match="No such file"):
        read_windows("http://127.0.0.1/a.mp3")


def test_tags_that_are_not_utf8_do_not_matter(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac")
    tagged = mutagen.File(path)
    tagged["title"] = "xxxx"
    tagged.save()
    path.write_bytes(path.read_bytes().replace(b"xxxx", b"\xff\xfe\xe4x"))
    assert read_windows(path).audible.all()


def test_a_folder_and_no_windows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="directory"):
        read_windows(tmp_path)
    with pytest.raises(ValueError, match="at least one"):
        read_windows(tmp_path, 0)


@pytest.mark.parametrize(
    ("codec", "rate", "layout", "suffix"),
    [
        ("pcm_u8", 44_100, "stereo", "wav"),
        ("pcm_s24le", 44_100, "stereo", "wav"),
        ("pcm_s16le", 8_000, "mono", "wav"),
        ("pcm_s32le", 192_000, "stereo", "wav"),
        ("pcm_f64le", 48_000, "stereo", "wav"),
        ("pcm_s16le", 48_000, "5.1", "wav"),
        ("flac", 96_000, "5.1", "flac"),
        ("aac", 48_000, "5.1", "m4a"),
    ],
)
def test_rates_depths_and_channels(
    codec: str, rate: int, layout: str, suffix: str, tmp_path: Path
) -> None:
    """The average of channels that all hold the same is what each of them holds."""
    tone = (0.3 * np.sin(np.arange(5 * rate) * 2 * np.pi * 440 / rate)).astype(np.float32)
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as container:
        stream = cast(AudioStream, container.add_stream(codec, rate=rate, layout=layout))
        frame = av.AudioFrame.from_ndarray(
            np.tile(tone, (av.AudioLayout(layout).nb_channels, 1)), "fltp", layout
        )
        frame.sample_rate = rate
        resampler = av.AudioResampler(stream.format.name, layout, rate, stream.frame_size or 4096)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    samples = read_windows(path).samples
    # AAC takes the tone out of the channel for the lowest frequencies, one of six.
    assert samples.std() == pytest.approx(
        0.3 * 0.5**0.5 * (5 / 6 if codec == "aac" else 1), rel=0.05
    )


def test_a_video_is_heard_and_one_without_sound_is_not(tmp_path: Path) -> None:
    for name, sound in (("loud.mp4", True), ("mute.mp4", False)):
        with av.open(str(tmp_path / name), "w") as container:
            picture = container.add_stream("mpeg4", rate=5)
            picture.width = picture.height = 64
            track = container.add_stream("aac", rate=RATE, layout="stereo") if sound else None
            for _ in range(20):
                image = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8))
                container.mux(picture.encode(image))
            container.mux(picture.encode(None))
            if track:
                frame = av.AudioFrame.from_ndarray(melody(4), "fltp", "stereo")
                frame.sample_rate = RATE
                resampler = av.AudioResampler("fltp", "stereo", RATE, track.frame_size)
                for part in (*resampler.resample(frame), *resampler.resample(None)):
                    container.mux(track.encode(part))
                container.mux(track.encode(None))
    assert read_windows(tmp_path / "loud.mp4").audible.all()
    with pytest.raises(AudioError, match="no audio stream"):
        read_windows(tmp_path / "mute.mp4")


def test_a_stream_that_changes_its_form(tmp_path: Path) -> None:
    stereo = write(tmp_path / "a.mp3", melody(10)).read_bytes()
    mono = write(tmp_path / "b.mp3", melody(10)[:1], rate=32_000).read_bytes()
    (tmp_path / "c.mp3").write_bytes(stereo + mono)
    windows = audio.scan_windows(tmp_path / "c.mp3", 10)
    assert windows.starts[-1] > 15
    assert windows.audible.all()


def test_a_file_of_ten_hours(tmp_path: Path) -> None:
    """Without a header, so that its length is guessed and every seek reads."""
    content = write(tmp_path / "a.mp3", melody(20)[:1, ::5], rate=8000).read_bytes()
    first = content.find(b"\xff\xe3", max(content.find(b"Info"), content.find(b"Xing")))
    assert first > 0
    (tmp_path / "a.mp3").write_bytes(content[first:] * 1640)
    starts = read_windows(tmp_path / "a.mp3").starts
    assert len(starts) == 10
    assert 9 < starts[-1] / 3600 < 10
