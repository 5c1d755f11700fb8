from __future__ import annotations

import os
import struct
import wave
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import cast

import av
import mutagen
import mutagen.apev2
import mutagen.flac
import mutagen.id3
import mutagen.mp4
import numpy as np
import pytest
from av.audio.stream import AudioStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mediafile import Image, MediaFile
from numpy.typing import NDArray

from genremodel.audio.digest import Sampling, audio_digest
from tests.sounds import CONTAINERS, KEPT, RATE, Sound, drums, make, melody, write
from tests.variants import variants

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000
MADE = [kind for kind in CONTAINERS if kind not in KEPT]


def silence(seconds: float, seed: int) -> NDArray[np.float32]:
    return np.zeros((2, int(seconds * RATE)), np.float32)


WHOLE = Sampling()
SAMPLED = Sampling(whole=1 << 12, sample=1 << 9, max_end=1 << 15)  # treats short files as long ones
EITHER = pytest.mark.parametrize(
    "sampling", variants([WHOLE, SAMPLED], default=[SAMPLED]), ids=["whole", "sampled"]
)


def of_kind(kind: str, sampling: Sampling) -> Sampling:
    """Return sampling that leaves out parts of the kept files too, which are short."""
    if kind in KEPT and sampling == SAMPLED:
        return replace(sampling, max_end=1 << 11)
    return sampling


@EITHER
@pytest.mark.parametrize("kind", CONTAINERS)
def test_tags_and_names_keep_digest(kind: str, sampling: Sampling, tmp_path: Path) -> None:
    sampling = of_kind(kind, sampling)
    path = make(tmp_path / f"a.{kind}", seconds=12)
    before = audio_digest(path, sampling)
    media = MediaFile(path)
    media.update({"title": "x" * 3000, "genres": ["jazz"], "images": [Image(PICTURE)]})
    media.save()
    assert audio_digest(path, sampling) == before
    media.delete()
    assert audio_digest(path.rename(tmp_path / f"b.{kind}"), sampling) == before


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=200)
TAGS = st.fixed_dictionaries(
    {},
    optional={
        "title": TEXTS,
        "artist": TEXTS,
        "comments": st.integers(0, 20_000).map("x".__mul__),
        "genres": st.lists(TEXTS, max_size=3),
        "year": st.integers(1, 2100),
        "track": st.integers(1, 99),
        "images": st.integers(0, 300_000).map(lambda size: [Image(PICTURE[:16] + bytes(size))]),
    },
)


@pytest.mark.parametrize("kind", CONTAINERS)
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(edits=st.lists(TAGS, min_size=1, max_size=3))
def test_any_tags_keep_digest(kind: str, edits: list[dict[str, object]], tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=3)
    before = audio_digest(path)
    for tags in edits:
        media = MediaFile(path)
        media.update(tags)
        media.save()
        assert audio_digest(path) == before


@pytest.mark.parametrize("kind", ["mp3", "vbr.mp3", "aac", "wv", "mpc", "ape", "flac"])
def test_tags_around_stream_keep_digest(kind: str, tmp_path: Path) -> None:
    """Nothing but tags stands around these, in front and behind, of several kinds at once."""
    path = tmp_path / f"a.{kind}"
    if kind == "aac":
        _write_adts(path, melody(5))
    else:
        make(path, seconds=5)
    before, content = audio_digest(path), path.read_bytes()
    leading = mutagen.id3.ID3()
    leading.add(mutagen.id3.APIC(data=PICTURE))
    leading.save(path, padding=lambda _: 5000)
    assert len(path.read_bytes()) > len(content) + 5000
    assert audio_digest(path) == before
    leading.save(path, padding=lambda _: 0, v1=2)
    assert audio_digest(path) == before
    ape = mutagen.apev2.APEv2()
    ape["Title"] = "x" * 2000
    ape.save(path)
    assert audio_digest(path) == before
    v1 = b"TAG" + bytes(125)
    lyrics = b"LYRICSBEGININD0000200"
    lyrics += f"{len(lyrics):06}".encode() + b"LYRICS200"
    old_lyrics = b"LYRICSBEGIN" + b"la " * 100 + b"LYRICSEND"
    for tags in (v1, b"TAG+" + bytes(223) + v1, lyrics + v1, old_lyrics + v1):
        path.write_bytes(path.read_bytes() + tags)
        assert audio_digest(path) == before
    ape.save(tmp_path / "only.ape")
    path.write_bytes((tmp_path / "only.ape").read_bytes() + content)
    assert audio_digest(path) == before


def test_tags_before_mp4_audio_keep_digest(tmp_path: Path) -> None:
    """The table of offsets changes with them."""
    path = tmp_path / "a.m4a"
    _write_m4a(path, {"movflags": "faststart"})
    content = path.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")
    before = audio_digest(path)
    tagged = mutagen.mp4.MP4(path)
    tagged["covr"] = [mutagen.mp4.MP4Cover(PICTURE)]
    tagged.save()
    assert audio_digest(path) == before
    assert path.read_bytes().find(b"mdat") > len(PICTURE)


def test_mp4_fragments(tmp_path: Path) -> None:
    path, other = tmp_path / "a.m4a", tmp_path / "b.m4a"
    flags = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "1000000"}
    _write_m4a(path, flags)
    _write_m4a(other, flags, melody(5, seed=5))
    assert path.read_bytes().count(b"mdat") > 3
    before = audio_digest(path)
    assert before != audio_digest(other)
    tagged = mutagen.mp4.MP4(path)
    tagged["\xa9nam"] = ["x" * 20_000]
    tagged.save()
    assert audio_digest(path) == before


def test_flac_padding_keeps_digest(tmp_path: Path) -> None:
    path = make(tmp_path / "a.flac")
    before = audio_digest(path)
    for padding in (0, 100_000):
        tagged = mutagen.flac.FLAC(path)
        tagged.save(padding=lambda _, size=padding: size)
        assert audio_digest(path) == before


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_ogg_page_numbers_keep_digest(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=16)
    before, last = audio_digest(path), path.read_bytes().rfind(b"OggS")
    tagged = mutagen.File(path)
    tagged["title"] = "x" * 300_000
    tagged.save()
    content = path.read_bytes()
    assert content[content.rfind(b"OggS") :] != path.read_bytes()[last : last + 18]
    assert audio_digest(path) == before


@pytest.fixture(scope="module")
def sharing_two_thirds(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Path]]:
    """Return a function of a kind: two files that are encoded once."""
    folder, shared = tmp_path_factory.mktemp("two thirds"), melody(4)
    sounds = [np.hstack([shared, melody(2, seed)]) for seed in (1, 2)]

    @cache
    def of(kind: str) -> list[Path]:
        return [_write(folder / f"{i}.{kind}", sound) for i, sound in enumerate(sounds)]

    return of


@EITHER
@pytest.mark.parametrize("kind", MADE)
def test_recordings_that_share_two_thirds_differ(
    kind: str, sampling: Sampling, sharing_two_thirds: Callable[[str], list[Path]]
) -> None:
    files = sharing_two_thirds(kind)
    assert len({audio_digest(file, sampling) for file in files}) == 2


@EITHER
@pytest.mark.parametrize("kind", KEPT)
def test_stored_recordings_that_share_two_thirds_differ(
    kind: str, sampling: Sampling, tmp_path: Path
) -> None:
    """No encoder for these formats is available: the last third is replaced."""
    sampling = of_kind(kind, sampling)
    path = make(tmp_path / f"a.{kind}")
    before, content = audio_digest(path, sampling), path.read_bytes()
    shared = len(content) * 2 // 3
    path.write_bytes(content[:shared] + content[shared:][::-1])
    assert audio_digest(path, sampling) != before


@pytest.mark.parametrize("kind", variants(["mp3", "wav"], default=["mp3"]))
@pytest.mark.parametrize(
    ("first", "last"),
    [(5, 6), (11, 12), (11.85, 11.95), (1, 12)],
    ids=["middle", "end", "shortly before the end", "all but a jingle"],
)
@pytest.mark.parametrize(
    "around", variants([melody, silence], default=[silence]), ids=["music", "silence"]
)
def test_recordings_of_one_length_that_differ_in_part(
    kind: str, first: float, last: float, around: Sound, tmp_path: Path
) -> None:
    digests = set()
    for seed in (1, 2):
        sound = around(12, 0)[:1]  # mono is encoded in half the time
        sound[:, round(first * RATE) : round(last * RATE)] = drums(last - first + 1e-9, seed)[:1]
        digests.add(audio_digest(write(tmp_path / f"{seed}.{kind}", sound), SAMPLED))
    assert len(digests) == 2


def test_short_passage_in_long_silence_differs(tmp_path: Path) -> None:
    digests = set()
    for seed in (1, 2):
        samples = np.zeros((1800 * 8000, 1), "<i2")
        sound = np.random.default_rng(seed).normal(0, 3000, (10 * 8000, 1))
        samples[1234 * 8000 : 1244 * 8000] = sound.astype("<i2")
        path = tmp_path / f"{seed}.wav"
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(samples.tobytes())
        digests.add(audio_digest(path))
    assert len(digests) == 2


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("prefix", variants(["silence", "jingle"], default=["silence"]))
def test_recordings_with_same_start_differ(kind: str, prefix: str, tmp_path: Path) -> None:
    """0.7 s of silence fill the first 24 packets of an MP3."""
    start = (silence if prefix == "silence" else drums)(0.7, 0)
    digests = {
        audio_digest(_write(tmp_path / f"{seed}.{kind}", np.hstack([start, melody(2, seed)])))
        for seed in (1, 2)
    }
    assert len(digests) == 2


@pytest.mark.parametrize("kind", MADE)
def test_silence_of_other_length_differs(kind: str, tmp_path: Path) -> None:
    digests = {audio_digest(_write(tmp_path / f"{n}.{kind}", silence(n, 0))) for n in (1, 2)}
    assert len(digests) == 2


def test_other_sample_format_differs(tmp_path: Path) -> None:
    path = make(tmp_path / "a.wav")
    before, content = audio_digest(path), bytearray(path.read_bytes())
    struct.pack_into("<I", content, 24, 22_050)
    path.write_bytes(content)
    assert audio_digest(path) != before


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_wav_without_length_extends_to_its_end(size: int, tmp_path: Path) -> None:
    """As of a WAV file that was written to a pipe."""
    digests = set()
    for seed in (1, 2):
        path = make(tmp_path / f"{seed}.wav", 5, seed)
        content = bytearray(path.read_bytes())
        struct.pack_into("<I", content, content.find(b"data") + 4, size)
        path.write_bytes(content)
        digests.add(audio_digest(path))
    assert len(digests) == 2


def test_rf64(tmp_path: Path) -> None:
    """Its tags stand behind audio whose chunk has no size."""
    content = bytearray(make(tmp_path / "a.wav").read_bytes())
    data = content.find(b"data")
    large = struct.pack("<4sIQQQI", b"ds64", 28, 0, len(content) - data - 8, 0, 0)
    struct.pack_into("<I", content, data + 4, 0xFFFFFFFF)
    path = tmp_path / "b.wav"
    path.write_bytes(b"RF64" + b"\xff" * 4 + b"WAVE" + large + content[12:])
    before = audio_digest(path)
    path.write_bytes(path.read_bytes() + b"id3 " + struct.pack("<I", 100) + bytes(100))
    assert audio_digest(path) == before


def test_files_without_audio_have_digest_of_all_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "a.mp3", tmp_path / "b.mp3"
    one.write_bytes(b"not audio")
    other.write_bytes(b"not audio")
    assert audio_digest(one) == audio_digest(other)
    other.write_bytes(b"not audio either")
    assert audio_digest(one) != audio_digest(other)
    head = os.urandom(1 << 17)
    one.write_bytes(head + b"a" * (1 << 22))
    other.write_bytes(head + b"b" * (1 << 22))
    assert audio_digest(one) != audio_digest(other)


@pytest.mark.parametrize("kind", CONTAINERS)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_damaged_containers_have_digest(kind: str, data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(make(tmp_path / f"a.{kind}", seconds=1).read_bytes())
    places = st.integers(0, min(len(content), 2000) - 1)
    for place, value in data.draw(st.dictionaries(places, st.integers(0, 255))).items():
        content[place] = value
    path = tmp_path / f"b.{kind}"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    assert len(audio_digest(path)) == 16


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x18ftypM4A "
        + bytes(12)
        + struct.pack(">I4sQ", 1, b"moov", 2**64 - 1)
        + struct.pack(">I4sQ", 1, b"trak", 2**63 + 5)
        + bytes(100),
        struct.pack(">I4s", 3, b"moov") + bytes(100),
        b"DSD " + struct.pack("<Q", 28) + bytes(16) + b"fmt " + struct.pack("<Q", 3) + bytes(100),
    ],
    ids=["larger than any file", "atom smaller than its header", "chunk smaller than its header"],
)
def test_impossible_sizes_have_digest(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(content)
    assert len(audio_digest(path)) == 16


def test_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        audio_digest(tmp_path / "a.mp3")


def _write(path: Path, samples: NDArray[np.float32]) -> Path:
    """Write a file; DSD only in part, because it is slow."""
    return write(path, samples[:, ::4] if path.suffix == ".dsf" else samples)


def _write_m4a(
    path: Path, options: dict[str, str], sound: NDArray[np.float32] | None = None
) -> None:
    _mux(path, "aac", None, options, melody(5) if sound is None else sound)


def _write_adts(path: Path, sound: NDArray[np.float32]) -> None:
    _mux(path, "aac", "adts", {}, sound)


def _mux(
    path: Path, codec: str, form: str | None, options: dict[str, str], sound: NDArray[np.float32]
) -> None:
    with av.open(str(path), "w", format=form, options=options) as container:
        stream = cast(AudioStream, container.add_stream(codec, RATE, layout="stereo"))
        resampler = av.AudioResampler("fltp", "stereo", RATE, 1024)
        frame = av.AudioFrame.from_ndarray(sound, "fltp", "stereo")
        frame.sample_rate = RATE
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
