from __future__ import annotations

import pytest
from mutagen._constants import GENRES as ID3_GENRES

from beetsplug.genreclf.genres.agreement import agreement

BUNDLED = (
    "blues", "classical", "country", "disco", "electronic", "hip hop", "jazz", "metal", "pop",
    "reggae", "rock",
)  # fmt: skip


@pytest.mark.parametrize(
    ("before", "heard", "expected"),
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
def test_agreement(before: list[str], heard: str, expected: str) -> None:
    assert agreement(before, heard) == expected


def test_a_spelling_and_a_genre_of_ones_own() -> None:
    assert agreement(["Elektronische Musik"], "electronic", "Elektronische Musik") == "agrees"
    assert agreement(["zeuhl"], "Zeuhl") == "agrees"
    assert agreement(["Techno"], "synthwave") == "related"


@pytest.mark.parametrize("genre", BUNDLED)
def test_every_genre_agrees_with_itself_and_with_nothing_that_is_far(genre: str) -> None:
    assert agreement([genre.title()], genre) == "agrees"
    assert agreement(["Spoken Word"], genre) == "differs"


def test_the_id3_list_is_known() -> None:
    unknown = {name for name in ID3_GENRES if not any(agreement([name], g) for g in BUNDLED)}
    assert unknown == {
        "A Cappella", "Abstract", "Avantgarde", "Cabaret", "Chorus", "Crossover", "Cult", "Dream",
        "Drum Solo", "Duet", "Eclectic", "Experimental", "Instrumental", "Noise", "Other", "Pranks",
        "Primus", "Retro", "Revival", "Satire", "Sound Clip",
    }, "names that say nothing of the sound"  # fmt: skip
