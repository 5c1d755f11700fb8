"""Terminals that cannot show every name."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from mediafile import MediaFile

from tests.conftest import Beets
from tests.platforms import byte_names
from tests.sounds import make
from tests.variants import variants

# What Python otherwise replaces by UTF-8.
ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_training_report_in_any_locale(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add_collection(range(4))
    for path in beets.music.rglob("*.mp3"):
        media = MediaFile(path)
        media.genres = [media.genres[0].replace("My", "Mü")]
        media.save()
    beets.import_music()
    beets.environment = ASCII
    output = beets("genreclf-train", "-f", "--min-tracks", "2")
    assert "Tunes" in output
    assert "saved as mine" in output


@byte_names
@pytest.mark.parametrize(
    "environment",
    variants([ASCII, {"PYTHONIOENCODING": "ascii"}], default=[ASCII]),
    ids=["C", "ascii"],
)
def test_explanation_in_any_locale(beets: Beets, environment: dict[str, str]) -> None:
    beets.settings["import"] = {"copy": False}
    beets.music.mkdir()
    names = [b"[red]:smile: \xc3\xbc.flac", b"a\nb\x1b[31m.flac", b"\xff\xfe.flac"]
    paths = [os.fsencode(beets.music) + b"/" + name for name in names]
    for path in paths:
        os.rename(make(beets.root / "a.flac"), path)  # noqa: PTH104  # bytes
    beets.import_music()
    beets.environment = environment
    output = beets("genreclf-explain", "-p", "id:1..")
    assert output.count("votes") == len(names)
    assert "[red]:smile: " in output
    assert r"a\nb\x1b[31m.flac" in output
    explained: list[dict[str, Any]] = [
        json.loads(line) for line in beets("genreclf-explain", "--json", "id:1..").splitlines()
    ]
    found = {track["path"].encode("utf-8", "surrogateescape") for track in explained}
    assert found == {*paths}
