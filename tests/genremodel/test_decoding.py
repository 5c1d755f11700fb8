from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import cast

import av
import mutagen
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.windows import read_windows, scan_windows
from genremodel.errors import AudioError
from tests.platforms import byte_names
from tests.sounds import CONTAINERS, RATE, make, melody, write
from tests.variants import variants


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_taggable_container_decodes(kind: str, tmp_path: Path) -> None:
    windows = read_windows(make(tmp_path / f"a.{kind}", seconds=5.5))
    expected = 1 if kind == "ape" else 3  # of one second, and of five or more
    assert windows.samples.shape == (expected, WINDOW_SAMPLES)
    assert windows.samples.dtype == np.float32
    if kind != "ape":
        assert windows.audible.all()
        reference = melody(5).mean(axis=0)
        assert windows.samples.std() == pytest.approx(reference.std(), rel=0.15)


def test_channels_are_averaged(tmp_path: Path) -> None:
    tone = np.sin(np.arange(5 * RATE) * 0.1).astype(np.float32)
    path = write(tmp_path / "a.flac", np.stack([tone, 0 * tone]))
    peak = np.abs(read_windows(path).samples).max()
    assert peak == pytest.approx(0.5, abs=0.01)  # FFmpeg's own down-mix would give 0.71


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e25])
def test_invalid_float_samples_become_zero(bad: float, tmp_path: Path) -> None:
    samples = melody(5)
    samples[0, 1000], samples[1, 2000] = bad, bad
    path = _float_wav(tmp_path / "a.wav", samples)
    windows = read_windows(path)
    assert np.abs(windows.samples).max() < 1
    assert windows.audible.all()


def test_file_of_invalid_samples_is_silent(tmp_path: Path) -> None:
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


def test_absurd_sample_rate_is_refused(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 24, 1)
    path.write_bytes(content)
    with pytest.raises(AudioError, match="unsupported sample rate: 1 Hz"):
        read_windows(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"not music at all\n" * 100, "Invalid data"), (b"", "Invalid data"), (None, "No such file")],
)
def test_error_message_gives_the_reason(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=reason):
        read_windows(path)


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus", "wav", "aiff", "wv"])
def test_truncated_file_is_decoded_up_to_its_end(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=16)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    windows = read_windows(path, 5)
    assert len(windows.starts) == 5
    assert windows.starts[-1] < 9


@pytest.mark.parametrize("kind", ["mp3", "flac", "opus", "m4a", "alac.m4a", "wma", "wv"])
def test_damaged_packets_are_skipped(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=16)
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    rng = np.random.default_rng(0)
    places = rng.integers(len(content) // 10, len(content) * 8 // 10, 32)
    content[places] = rng.integers(256, size=32)
    path.write_bytes(content.tobytes())
    assert read_windows(path, 5).audible.all()


@byte_names
@pytest.mark.parametrize("name", ["ü 🎵.wav", "a\nb.wav", "%d.wav", "a:b.wav", b"\xff.wav"])
def test_unusual_file_names(
    name: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "a.wav").rename(tmp_path / os.fsdecode(name))
    monkeypatch.chdir(tmp_path)
    assert read_windows(name).audible.all()


PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile other.wav\n",
    "itself": "ffconcat version 1.0\nfile list.mp3\n",
    "pipe": "ffconcat version 1.0\nfile pipe\n",  # which would be waited for
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nother.wav\n#EXT-X-ENDLIST\n",
    "sdp": "v=0\no=- 0 0 IN IP4 0.0.0.0\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "ffmetadata": ";FFMETADATA1\ntitle=x\n",
    "subtitles": "1\n00:00:00,000 --> 00:00:09,000\nla la la\n",
}


@pytest.mark.parametrize("suffix", variants(["mp3", "m3u8", "txt", "sdp"], default=["mp3"]))
@pytest.mark.parametrize("text", PLAYLISTS.values(), ids=PLAYLISTS)
def test_playlists_are_refused(text: str, suffix: str, tmp_path: Path) -> None:
    make(tmp_path / "other.wav")
    if "pipe" in text and hasattr(os, "mkfifo"):
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


def test_urls_are_not_opened() -> None:
    with pytest.raises(AudioError, match="No such file"):
        read_windows("http://127.0.0.1/a.mp3")


def test_tags_that_are_not_utf8_are_ignored(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac")
    tagged = mutagen.File(path)
    tagged["title"] = "xxxx"
    tagged.save()
    path.write_bytes(path.read_bytes().replace(b"xxxx", b"\xff\xfe\xe4x"))
    assert read_windows(path).audible.all()


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
def test_sample_rates_formats_and_layouts(
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


def test_video_needs_an_audio_stream(tmp_path: Path) -> None:
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


def test_format_may_change_within_a_stream(tmp_path: Path) -> None:
    stereo = write(tmp_path / "a.mp3", melody(10)).read_bytes()
    mono = write(tmp_path / "b.mp3", melody(10)[:1], rate=32_000).read_bytes()
    (tmp_path / "c.mp3").write_bytes(stereo + mono)
    windows = scan_windows(tmp_path / "c.mp3", 10)
    assert windows.starts[-1] > 15
    assert windows.audible.all()
