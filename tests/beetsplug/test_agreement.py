from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from mutagen._constants import GENRES as ID3_GENRES

from beetsplug.genreclf.genres.agreement import agreement

LASTGENRE = find_spec("beetsplug.lastgenre")
assert LASTGENRE
assert LASTGENRE.origin
ALIASES = Path(LASTGENRE.origin).with_name("aliases.yaml")
BUNDLED = (
    "blues", "classical", "country", "disco", "electronic", "hip hop", "jazz", "metal", "pop",
    "reggae", "rock",
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "predicted", "expected"),
    [
        (["Hip-Hop"], "hip hop", "agrees"),
        (["HipHop"], "hip hop", "agrees"),
        (["Hip-Hop/Rap"], "hip hop", "agrees"),
        (["rap"], "hip hop", "agrees"),
        (["Rock & Roll"], "rock", "agrees"),
        (["rock 'n' roll"], "rock", "agrees"),
        (["Drum & Bass"], "electronic", "agrees"),
        (["Drum n Bass"], "electronic", "agrees"),
        (["Norwegian Black Metal"], "metal", "agrees"),
        (["progressive_trance"], "electronic", "agrees"),
        (["Folk, World, & Country"], "country", "agrees"),
        (["Pop Music"], "pop", "agrees"),
        (["R&B"], "disco", "related"),
        (["Heavy Metal"], "rock", "related"),
        (["Bebop"], "metal", "differs"),
        (["Classical"], "metal", "differs"),
        (["Polka", "Bebop"], "jazz", "agrees"),
        (["Zeuhl"], "jazz", ""),
        ([], "jazz", ""),
        (["Other"], "jazz", ""),
        (["(8)"], "jazz", "agrees"),
        (["17"], "rock", "agrees"),
        (["Soul|Jazz"], "jazz", "agrees"),
        (["Zeuhl;Bebop"], "jazz", "agrees"),
        (["Cowboy/Western Music"], "country", "agrees"),
        (["Soul/Jazz"], "soul jazz", "agrees"),
    ],
)
def test_agreement(before: list[str], predicted: str, expected: str) -> None:
    assert agreement(before, predicted) == expected


@pytest.mark.parametrize(
    ("before", "predicted"),
    [("Isicathamiya", "world"), ("Chimurenga", "world")],
)
def test_lastgenre_tree_extends_the_families(before: str, predicted: str) -> None:
    assert agreement([before], predicted) == "agrees"


@pytest.mark.skipif(not ALIASES.exists(), reason="beets 2.12 has no aliases")
def test_spellings_by_aliases_of_lastgenre() -> None:
    assert agreement(["drumnbass"], "electronic") == "agrees"
    assert agreement(["rhythmblues"], "soul") == "agrees"


def test_users_spelling_and_users_genre() -> None:
    assert agreement(["Elektronische Musik"], "electronic", "Elektronische Musik") == "agrees"
    assert agreement(["zeuhl"], "Zeuhl") == "agrees"
    assert agreement(["Techno"], "synthwave") == "related"


@pytest.mark.parametrize("genre", BUNDLED)
def test_bundled_genre_agrees_with_itself_only(genre: str) -> None:
    assert agreement([genre.title()], genre) == "agrees"
    assert agreement(["Spoken Word"], genre) == "differs"


def test_id3_genres_are_known() -> None:
    unknown = {name for name in ID3_GENRES if not any(agreement([name], g) for g in BUNDLED)}
    assert unknown == {
        "A Cappella", "Abstract", "Avantgarde", "Cabaret", "Chorus", "Crossover", "Cult", "Dream",
        "Drum Solo", "Duet", "Eclectic", "Experimental", "Instrumental", "Noise", "Other", "Pranks",
        "Primus", "Retro", "Revival", "Satire", "Sound Clip",
    }, "names that say nothing of the sound"  # fmt: skip
