from __future__ import annotations

from pathlib import Path

import pytest
from mediafile import Image, MediaFile

from genremodel.digest import audio_digest
from tests.sounds import CONTAINERS, KEPT, make

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 1000


@pytest.mark.parametrize("kind", CONTAINERS)
def test_a_recording_is_the_same_whatever_its_tags_say(kind: str, tmp_path: Path) -> None:
    path = make(tmp_path / f"a.{kind}", seconds=70)
    before = audio_digest(path)
    media = MediaFile(path)
    media.update({"title": "x" * 3000, "genres": ["jazz"], "images": [Image(PICTURE)]})
    media.save()
    assert audio_digest(path) == before
    media.delete()
    moved = path.rename(tmp_path / f"b.{kind}")
    assert audio_digest(moved) == before


@pytest.mark.parametrize("kind", [kind for kind in CONTAINERS if kind not in KEPT])
def test_recordings_differ(kind: str, tmp_path: Path) -> None:
    paths = [make(tmp_path / f"{seed}.{kind}", seconds=3, seed=seed) for seed in range(3)]
    assert len({audio_digest(path) for path in paths}) == 3


def test_what_is_no_audio_has_a_digest_of_its_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "a.mp3", tmp_path / "b.mp3"
    one.write_bytes(b"no music")
    other.write_bytes(b"no music")
    assert audio_digest(one) == audio_digest(other)
    other.write_bytes(b"no music either")
    assert audio_digest(one) != audio_digest(other)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        audio_digest(tmp_path / "a.mp3")
