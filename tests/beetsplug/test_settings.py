"""Options: their effects, and the errors of invalid ones."""

from __future__ import annotations

import os
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest
from confuse import ConfigError, ConfigSource, RootView
from mediafile import MediaFile

from beetsplug.genreclf.config import DEFAULTS, Config
from beetsplug.genreclf.loading import load
from genremodel.custom.store import ModelStore
from tests.conftest import Beets, Prepared
from tests.platforms import posix
from tests.tags import every_tag, plain_tags
from tests.variants import variant

ALL_BUT_BLUES = (
    "classical", "country", "disco", "electronic", "hip hop", "jazz", "metal", "pop", "reggae",
    "rock",
)  # fmt: skip


def import_with_genres(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add("a.flac")
    beets.import_music()
    beets("modify", "--yes", "genres=Old")
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def tagged_library(prepared: Prepared) -> Beets:
    """Return a library of one track, which has a genre of the user's."""
    return prepared(import_with_genres)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "fil"}, "genreclf.policy: must be one of"),
        (
            {"scope": "disc"},
            "genreclf.scope: must be one of ['auto', 'track', 'album', 'artist'], not 'disc'",
        ),
        ({"min_confidence": 7}, "genreclf.min_confidence: must be a number from 0 to 1, not 7"),
        ({"min_confidence": "x"}, "genreclf.min_confidence: must be a number from 0 to 1, not 'x'"),
        ({"min_confidence": nan}, "genreclf.min_confidence: must be a number from 0 to 1, not nan"),
        ({"timeout": nan}, "genreclf.timeout: must be a number of seconds, not nan"),
        ({"timeout": inf}, "genreclf.timeout: must be a number of seconds, not inf"),
        ({"timeout": 10**400}, "genreclf.timeout: must be a number of seconds, not 1000"),
        (
            {"windows": nan},
            "genreclf.windows: must be auto, or a whole number of 1 or more, not nan",
        ),
        ({"windows": 0}, "genreclf.windows: must be auto, or a whole number of 1 or more, not 0"),
        ({"max_styles": 11}, "genreclf.max_styles: must be a whole number from 0 to 10, not 11"),
        ({"max_styles": -1}, "genreclf.max_styles: must be a whole number from 0 to 10, not -1"),
        (
            {"max_styles": True},
            "genreclf.max_styles: must be a whole number from 0 to 10, not True",
        ),
        (
            {"max_styles": None},
            "genreclf.max_styles: must be a whole number from 0 to 10, not None",
        ),
        ({"write": "yes"}, "genreclf.write: must be auto, yes or no, without quotes, not 'yes'"),
        (
            {"exclude": ["discoo"]},
            "genreclf.exclude: unknown genre 'discoo'; genres of the model: blues, class",
        ),
        ({"names": {"hiphop": "Hip-Hop"}}, "genreclf.names: unknown genre"),
        ({"names": ["Hip-Hop"]}, "genreclf.names must be a dict"),
        ({"title_case": True}, "genreclf.title_case: unknown option"),
        ({"auto": "maybe"}, "genreclf.auto: must be"),
        ({"model": 7}, "genreclf.model: must be a string"),
        ({"genre": "replace"}, "genreclf.genre: unknown option"),
        ({"names": {"rock": " "}}, "genreclf.names.rock: must be a name, not ' '"),
        ({"names": {"rock": "a; b"}}, "genreclf.names.rock: must be a name, not 'a; b'"),
        ({"names": {"rock": "\x07"}}, "genreclf.names.rock: must be a name, not '\\x07'"),
        ({"placeholders": 7}, "genreclf.placeholders: must be"),
        ({"placeholders": {"a": 1}}, "genreclf.placeholders: must be a list of strings"),
        ({"exclude": {"pop": 1}}, "genreclf.exclude: must be a list of strings"),
        ({"skip": 7}, "genreclf.skip: must be"),
        ({"skip": [{"title": "x"}]}, "genreclf.skip: must be a list of strings"),
        ({"skip": [" "]}, "genreclf.skip: ' ' matches every track"),
        ({"skip": ["artist+"]}, "genreclf.skip: 'artist+' matches every track"),
        ({"skip": ["title:a , "]}, "genreclf.skip: 'title:a , ' matches every track"),
        ({"skip": "title:\n'x"}, "genreclf.skip: 'title: 'x': No closing quotation"),
        ({"skip": ["year:abc"]}, "genreclf.skip: 'year:abc': 'abc' is not an int or a float"),
        ({"skip": ["title::("]}, "genreclf.skip: 'title::(': '(' is not a regular expression"),
        ({"names": {80: "Eighties"}}, "genreclf.names: unknown genre"),
    ],
)
def test_invalid_config(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    view = RootView(
        [ConfigSource.of({"genreclf": options}), ConfigSource.of({"genreclf": DEFAULTS})]
    )
    with pytest.raises(ConfigError) as error:
        load(Config.read(view["genreclf"]), ModelStore(tmp_path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_spaces_around_names_are_removed() -> None:
    options = {"names": {"Rock": " Rock \u2019n\u2019 Roll "}}
    view = RootView(
        [ConfigSource.of({"genreclf": options}), ConfigSource.of({"genreclf": DEFAULTS})]
    )
    assert Config.read(view["genreclf"]).names == {"rock": "Rock \u2019n\u2019 Roll"}


def test_unknown_genre_stops_commands_and_imports(beets: Beets) -> None:
    beets.add("a.flac")
    beets.settings["genreclf"] |= {"exclude": ["discoo"]}
    for command in (("genreclf",), ("import", "-qA", "music")):
        done = beets.run(*command)
        assert done.returncode == 1
        printed = [line for line in done.stderr.splitlines() if "backup" not in line]
        assert len(printed) == 1, done.stderr
        assert (
            "genreclf.exclude: unknown genre 'discoo'; genres of the model: blues, class"
            in printed[0]
        )
    assert beets("ls") == "", "nothing is imported half"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("write", "maybe", "genreclf.write: must be auto, yes or no, without quotes, not 'maybe'"),
        ("skip", ["year:abc"], "genreclf.skip: 'year:abc': 'abc' is not an int or a float"),
        ("model", "nope", "genreclf.model: there is no model 'nope'; custom models: none"),
    ],
)
def test_invalid_config_stops_commands_and_imports(
    option: str, value: str | list[str], message: str, beets: Beets
) -> None:
    beets.add("a.flac")
    beets.settings["genreclf"][option] = value
    for command in (("genreclf",), ("import", "-qA", "music")):
        done = beets.run(*command)
        assert done.returncode == 1
        assert message in done.stderr
    assert beets("ls") == ""


@posix
def test_only_automatic_models_are_replaced(tagged_library: Beets) -> None:
    folder = tagged_library.root / "library.genre-models"
    folder.mkdir()
    os.mkfifo(folder / "mine.json")
    reason = f"{folder / 'mine.json'}: not a regular file; train it again"
    done = tagged_library.run("genreclf")
    assert done.returncode == 0
    assert f"genreclf: using the bundled genres: {reason}" in done.stderr
    assert all(tagged_library.field("genre_model"))
    tagged_library.settings["genreclf"]["model"] = "mine"
    done = tagged_library.run("genreclf")
    assert done.returncode == 1
    assert f"configuration error: genreclf.model: {reason}" in done.stderr


def test_all_genres_but_one_excluded(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    beets.settings["genreclf"]["exclude"] = ["Blues", *ALL_BUT_BLUES]
    assert "genreclf.exclude: no genre is left" in beets.run("genreclf").stderr
    beets.settings["genreclf"]["exclude"] = [*ALL_BUT_BLUES]
    beets.import_music()
    assert beets.field("predicted_genre") == ["blues"]
    assert beets.field("genre_confidence") == ["1.000"]


def test_excluded_genre_is_never_predicted(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    beets.settings["genreclf"]["min_confidence"] = 0
    beets.import_music()
    (first,) = beets.field("predicted_genre")
    beets.settings["genreclf"]["exclude"] = first
    beets("genreclf", "-f")
    (second,) = beets.field("predicted_genre")
    assert second not in ("", first)
    assert first not in beets.field("genre_votes")[0]


@pytest.mark.parametrize(
    ("policy", "options", "expected"),
    [
        pytest.param("fill", [], ["Old"], marks=variant),
        ("fill", ["-f"], ["Old"]),
        pytest.param("never", ["-f"], ["Old"], marks=variant),
        ("append", [], ["Old", "blues"]),
        pytest.param("prepend", ["-f"], ["blues", "Old"], marks=variant),
        ("replace", [], ["blues"]),
    ],
)
def test_policy_and_force(
    policy: str, options: list[str], expected: list[str], tagged_library: Beets
) -> None:
    tagged_library.settings["genreclf"] |= {"policy": policy, "min_confidence": 0}
    tagged_library.settings["genreclf"]["names"] = dict.fromkeys(ALL_BUT_BLUES, "blues")
    for _ in range(2):
        tagged_library("genreclf", *options)
        assert tagged_library.field("genres") == ["; ".join(expected)]
        assert plain_tags(tagged_library.files()[0])["genre"] == expected


@pytest.mark.parametrize(
    ("name", "genres", "expected"),
    [
        ("jazz", "Soul/Jazz", ["Soul/Jazz"]),
        pytest.param(
            "songwriter", "Singer/Songwriter", ["Singer/Songwriter", "songwriter"], marks=variant
        ),
        pytest.param("rock", "(17)", ["(17)"], marks=variant),
        pytest.param("jazz", "Unknown", ["Unknown", "jazz"], marks=variant),
    ],
)
def test_append_compares_parts_of_genres(
    name: str, genres: str, expected: list[str], tagged_library: Beets
) -> None:
    tagged_library("modify", "--yes", f"genres={genres}")
    tagged_library.settings["genreclf"] |= {"policy": "append", "min_confidence": 0}
    tagged_library.settings["genreclf"]["names"] = dict.fromkeys(("blues", *ALL_BUT_BLUES), name)
    for _ in range(2):
        tagged_library("genreclf", "-f")
        assert tagged_library.field("genres") == ["; ".join(expected)]
        assert plain_tags(tagged_library.files()[0])["genre"] == expected


def test_placeholders_are_replaced_and_restored(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"min_confidence": 0, "auto": False, "placeholders": ["To Do"]}
    texts = {"a.mp3": ["(12)"], "b.flac": ["12"], "c.ogg": ["to-do", "misc"], "d.m4a": ["Ska"]}
    for number, (name, genres) in enumerate(texts.items()):
        media = MediaFile(beets.add(name, seed=number))
        media.genres = genres
        media.save()
    beets.import_music("--singletons")
    rows, tags = beets.rows(), {path: every_tag(path) for path in beets.files()}
    beets("genreclf")
    assert [genre == "Ska" for genre in beets.field("genres")] == [False, False, False, True]
    given = beets.field("predicted_genre")
    assert beets.field("genres")[:3] == [genre.title() for genre in given[:3]]
    assert set(beets.field("genre_agreement")[:3]) == {""}
    for path, genre in zip(sorted(beets.files())[:3], given, strict=False):
        assert plain_tags(path)["genre"] == [genre.title()]
    beets("genreclf-undo")
    assert beets.rows() == rows
    assert {path: every_tag(path) for path in beets.files()} == tags


def test_agreement_with_earlier_genres(beets: Beets) -> None:
    beets.add("a.flac", seconds=12)
    beets.settings["genreclf"] |= {"auto": False, "policy": "replace", "min_confidence": 0}
    beets.import_music()
    beets("genreclf")
    assert beets.field("genre_agreement") == [""]
    (predicted,) = beets.field("predicted_genre")
    for genres, expected in ((predicted.upper(), "agrees"), ("Spoken Word", "differs")):
        beets("modify", "--yes", f"genres={genres}")
        beets("genreclf", "-f")
        assert beets.field("genre_agreement") == [expected]
    beets("genreclf", "-f")
    assert beets.field("genres") == [predicted.title()]
    assert beets.field("genre_agreement", "genre_agreement:differs") == ["differs"]


def test_empty_options_have_defaults(beets: Beets) -> None:
    beets.add("a.flac")
    beets.settings["genreclf"] |= {"names": None, "exclude": None, "min_confidence": None}
    beets.import_music()


def test_other_commands_ignore_invalid_config(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": "maybe", "genre": "replace"}
    assert "genreclf" not in beets.run("ls").stderr
