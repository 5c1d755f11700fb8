from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from beets.library import Item
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.labels import Vocabulary, artist, split

NAMES = st.sampled_from(["Hip-Hop", "hip hop", "HipHop", "Drum & Bass", "drum and bass", "Soul"])


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (None, []),
        ("", []),
        ("Jazz", ["Jazz"]),
        ("Jazz; Soul;", ["Jazz", "Soul"]),
        ("Jazz\\␀Soul", ["Jazz", "Soul"]),
        (["Jazz", "Soul; Funk"], ["Jazz", "Soul", "Funk"]),
        ("Folk, World, & Country", ["Folk, World, & Country"]),
        ("  ", []),
        ("🎸", ["🎸"]),
        (1980, ["1980"]),
        (0, []),
        (b"/a/path", []),
    ],
)
def test_values_hold_labels(value: object, labels: list[str]) -> None:
    assert split(value) == labels


def test_spellings_are_one_label_by_the_commonest() -> None:
    tracks = [["Hip-Hop"], ["Hip-Hop"], ["hip hop"], ["HipHop", "Hip Hop"], ["Ska"]]
    vocabulary = Vocabulary.of(tracks, 2)
    assert vocabulary.left_out == {"Ska": 1}
    assert vocabulary(["hiphop", "ska", "HIP HOP"]) == ("Hip-Hop",)
    assert vocabulary(["polka"]) == ()


@given(st.lists(st.lists(NAMES, max_size=3), max_size=20), st.integers(1, 5))
def test_every_label_is_learned_or_left_out(tracks: list[list[str]], least: int) -> None:
    vocabulary = Vocabulary.of(tracks, least)
    learned = Counter(name for labels in tracks for name in vocabulary(labels))
    assert all(count >= least for count in learned.values())
    assert all(count < least for count in vocabulary.left_out.values())
    assert not learned.keys() & vocabulary.left_out.keys()
    assert learned.keys() == set(vocabulary.spelled.values())
    left_out = {name.casefold() for name in vocabulary.left_out}
    assert all(vocabulary(labels) or left_out for labels in tracks if labels)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"albumartist": "The Band", "artist": "The Band feat. X"}, "the band"),
        ({"albumartist": "", "artist": "Solo"}, "solo"),
        ({"albumartist": "", "artist": "Solo (feat. Another)"}, "solo"),
        ({"albumartist": "V.A.", "artist": "Solo ft. One & Two"}, "solo"),
        ({"albumartist": "Featherweight", "artist": ""}, "featherweight"),
        ({"albumartist": "Various Artists", "artist": "Solo"}, "solo"),
        ({"albumartist": "A Label", "artist": "Solo", "comp": True}, "solo"),
        ({"albumartist": "", "artist": "", "album_id": 7, "id": 3}, "track 3"),
    ],
)
def test_who_made_a_track(fields: dict[str, Any], name: str) -> None:
    assert artist(Item(**fields)) == name
