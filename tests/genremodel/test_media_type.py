from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genremodel.audio.media_type import media_type
from genremodel.errors import AudioError
from tests.sounds import CONTAINERS, RATE, make, write

PLAYED = {
    "mp3": "audio/mpeg",
    "vbr.mp3": "audio/mpeg",
    "flac": "audio/flac",
    "ogg": 'audio/ogg; codecs="vorbis"',
    "opus": 'audio/ogg; codecs="opus"',
    "m4a": 'audio/mp4; codecs="mp4a.40.2"',
    "wav": "audio/wav",
}


@pytest.mark.parametrize("kind", CONTAINERS)
def test_type_of_every_container(kind: str, tmp_path: Path) -> None:
    assert media_type(make(tmp_path / f"a.{kind}")) == PLAYED.get(kind)


@pytest.mark.parametrize(("kind", "name"), [("alac.m4a", "a.m4a"), ("flac", "a.mp3"), ("mp3", "a")])
def test_name_does_not_matter(kind: str, name: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"b.{kind}").rename(tmp_path / name)
    assert media_type(path) == PLAYED.get(kind)


def test_mp3_of_varying_bitrate_needs_its_header(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 5 * RATE))
    sound = np.hstack([noise, np.zeros((2, 15 * RATE))]).astype(np.float32)
    path = write(tmp_path / "a.vbr.mp3", sound)
    assert media_type(path) == "audio/mpeg"
    content = path.read_bytes()
    header = content.find(b"\xff\xfb")
    assert content.find(b"Xing", header) < header + 100
    path.write_bytes(content[content.find(b"\xff\xfb", header + 4) :])
    assert media_type(path) is None


def test_truncated_mp3_is_not_played_as_it_is(tmp_path: Path) -> None:
    """Its header has the length that it had before."""
    path = make(tmp_path / "a.mp3", seconds=20)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert media_type(path) is None


@pytest.mark.parametrize("content", [b"", bytes(50_000), b"la la la\n" * 1000])
def test_file_without_audio_has_none(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(content)
    with pytest.raises(AudioError):
        media_type(tmp_path / "a.mp3")
