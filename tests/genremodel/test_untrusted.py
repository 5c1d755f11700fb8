"""Files from strangers, without a name: none makes FFmpeg open another file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genremodel import AudioError, GenreClassifier
from genremodel.audio.media_type import media_type
from genremodel.audio.spectrogram_image import spectrogram_image
from genremodel.audio.transcode import transcode
from genremodel.batch.cache import Cache
from genremodel.batch.pool import Pool
from genremodel.batch.worker import analyze_uncached
from tests.faults import HOPELESS, TRUNCATED
from tests.platforms import posix
from tests.sounds import CONTAINERS, make
from tests.variants import variants

# Playlists of FFmpeg's demuxers, which name another file
PLAYLISTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{}'\n",
    "concat": "file '{}'\n",
    "m3u": "#EXTM3U\n#EXTINF:5,song\n{}\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{}\n#EXT-X-ENDLIST\n",
    "hls url": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile:{}\n#EXT-X-ENDLIST\n",
    "hls key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n#EXTINF:5,\n{0}\n#EXT-X-ENDLIST\n',
    "pls": "[playlist]\nFile1={}\nNumberOfEntries=1\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="a" bandwidth="1">'
    "<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\na=control:{}\n",
    "asx": '<asx version="3.0"><entry><ref href="{}"/></entry></asx>',
    "reference": "[Reference]\nRef1=file://{}\n",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "cache.db"


@pytest.fixture(scope="module")
def pool(cache: Path) -> Iterator[Pool]:
    with GenreClassifier().pool(workers=1, cache=cache) as pool:
        yield pool


def assert_refused(pool: Pool, upload: Path) -> None:
    wav = upload.with_name("a.wav")
    for future in (
        pool.run(analyze_uncached, upload),
        pool.run(spectrogram_image, upload),
        pool.run(media_type, upload),
        pool.run(transcode, upload, wav),
    ):
        reason = str(future.exception())
        assert isinstance(future.exception(), AudioError)
        assert "crashed" not in reason
        assert "not finished" not in reason
    assert not wav.exists()


@pytest.mark.parametrize("name", PLAYLISTS)
@pytest.mark.parametrize("suffix", variants(["wav", "mp3"], default=["mp3"]))
def test_playlists_open_no_other_file(name: str, suffix: str, pool: Pool, tmp_path: Path) -> None:
    song = make(tmp_path / f"song.{suffix}")
    os.utime(song, (0, song.stat().st_mtime))  # reading it would set the first of these
    upload = tmp_path / "upload"
    for target in (song, song.name):
        upload.write_text(PLAYLISTS[name].format(target))
        assert_refused(pool, upload)
    assert song.stat().st_atime == 0


@pytest.mark.parametrize("damage", HOPELESS.values(), ids=HOPELESS)
def test_files_without_audio_are_refused(
    damage: Callable[[bytes], bytes], pool: Pool, tmp_path: Path
) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(damage(make(tmp_path / "a.mp3").read_bytes()))
    assert_refused(pool, upload)


def test_zeros_folders_and_missing_files_are_refused(pool: Pool, tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    assert_refused(pool, upload)
    upload.write_bytes(bytes(1 << 20))
    assert_refused(pool, upload)
    assert_refused(pool, tmp_path)


@posix
def test_pipe_is_refused(pool: Pool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "upload")
    with pytest.raises(AudioError, match="not a file"):
        pool.run(analyze_uncached, tmp_path / "upload").result()


@pytest.mark.parametrize("kind", CONTAINERS)
def test_every_container_is_recognized_without_its_name(
    kind: str, pool: Pool, cache: Path, tmp_path: Path
) -> None:
    upload = make(tmp_path / f"a.{kind}", seconds=5.5).rename(tmp_path / "upload")
    analysis = pool.run(analyze_uncached, upload).result()
    assert len(analysis.starts) == (1 if kind == "ape" else 3)
    with Cache(cache) as stored:
        assert stored.statistics().files == 0


@pytest.mark.parametrize(
    "damage", variants(TRUNCATED.values(), default=[TRUNCATED["truncated at 50%"]]), ids=TRUNCATED
)
@pytest.mark.parametrize("kind", CONTAINERS)
def test_truncated_file_is_decoded_or_refused(
    kind: str, damage: Callable[[bytes], bytes], pool: Pool, tmp_path: Path
) -> None:
    upload, wav = tmp_path / "upload", tmp_path / "a.wav"
    upload.write_bytes(damage(make(tmp_path / f"b.{kind}").read_bytes()))
    image, converted = pool.run(spectrogram_image, upload), pool.run(transcode, upload, wav)
    error = converted.exception()
    if error is None:
        assert image.result().seconds == pytest.approx(converted.result(), abs=0.01)
    else:
        assert isinstance(error, AudioError)
        assert str(image.exception()) == str(error)
        assert "crashed" not in str(error)
