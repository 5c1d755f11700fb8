from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.genres.labels import (
    Vocabulary,
    genre_parts,
    is_placeholder,
    labels,
    split,
)
from beetsplug.genreclf.genres.normalize import normalize
from tests.variants import variants

# Texts of what separates values and parts, numbers of ID3v1, placeholders and genres.
TEXTS = st.lists(
    st.sampled_from(
        ["/", ",", "|", ";", "\\␀", "\0", " ", "(17)", "(12)", "17", "((", "(RX)", "Other", "Soul",
         "Jazz", "Singer/Songwriter", "Death/Doom", "& Country", "Hip", "Hop", "x", "\u200b"]
    )
    | st.text(max_size=3),
    max_size=8,
).map("".join)  # fmt: skip
NAMES = st.sampled_from(["Hip-Hop", "hip hop", "HipHop", "Drum & Bass", "drum and bass", "Soul"])


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (None, []),
        ("", []),
        ("Jazz", ["Jazz"]),
        ("Jazz; Soul;", ["Jazz", "Soul"]),
        ("Jazz\\␀Soul", ["Jazz", "Soul"]),
        ("Jazz\0Soul", ["Jazz", "Soul"]),
        ("Soul/Jazz", ["Soul/Jazz"]),
        ("---; \u200b", []),
        (["Jazz", "Soul; Funk"], ["Jazz", "Soul", "Funk"]),
        ("Folk, World, & Country", ["Folk, World, & Country"]),
        ("  ", []),
        ("🎸", ["🎸"]),
        (1980, ["1980"]),
        (0, []),
        (b"/a/path", []),
    ],
)
def test_split(value: object, texts: list[str]) -> None:
    assert split(value) == texts
    assert labels(value) == texts


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("17", ["Rock"]),
        ("(17)", ["Rock"]),
        (["(17)(20)", "Jazz"], ["Rock", "Alternative", "Jazz"]),
        ("(17)Rock", ["Rock"]),
        ("(17) Hard Rock", ["Rock", "Hard Rock"]),
        ("(RX)(8)", ["Remix", "Jazz"]),
        ("(17)/(20)", ["Rock", "Alternative"]),
        ("(17), (8) Dub", ["Rock", "Jazz", "Dub"]),
        ("12", ["Other"]),
        ("255", ["Unknown"]),
        ("1980", ["1980"]),
        ("(Rock)", ["(Rock)"]),
        ("80s", ["80s"]),
    ],
)
def test_numbers_of_id3v1_become_names(value: object, names: list[str]) -> None:
    assert labels(value) == names
    assert genre_parts(value) == names


def test_bare_numbers_stay_in_other_fields() -> None:
    assert labels("5; 1", numbers=False) == ["5", "1"]
    assert labels("(17)5", numbers=False) == ["Rock", "5"]


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("Soul/Jazz", ["Soul", "Jazz"]),
        ("Hip-Hop/Rap", ["Hip-Hop", "Rap"]),
        ("R&B/Soul", ["R&B", "Soul"]),
        ("Pop/Rock", ["Pop", "Rock"]),
        ("Folk, World, & Country", ["Folk", "World", "& Country"]),
        ("Funk | Soul;Ska, ", ["Funk", "Soul", "Ska"]),
        ("Drum & Bass", ["Drum & Bass"]),
        ("Singer/Songwriter", ["Singer/Songwriter"]),
        ("Singer / Songwriter / Folk", ["Singer / Songwriter", "Folk"]),
        ("hip/hop", ["hip/hop"]),
        ("New/Age/Ambient", ["New/Age", "Ambient"]),
        ("Death/Doom", ["Death/Doom"]),  # in the tree of lastgenre
        ("Rock, Progressive House/Trance", ["Rock", "Progressive House/Trance"]),
        ("/Ska//Dub/", ["Ska", "Dub"]),
        ("17/20|Ska", ["Rock", "Alternative", "Ska"]),
        ("Ska/(8)", ["Ska", "Jazz"]),
    ],
)
def test_genre_parts(value: str, parts: list[str]) -> None:
    assert genre_parts(value) == parts


def test_genres_of_the_user_are_not_split() -> None:
    own = frozenset({"Soul/Jazz", "A/B", "B, C, D", "Tango"})
    assert genre_parts("soul / jazz", own) == ["soul / jazz"]
    assert genre_parts("Soul, Jazz", own) == ["Soul", "Jazz"]
    assert genre_parts("A/B, C, D", own) == ["A", "B, C, D"]
    assert genre_parts("A/B/Tango", own) == ["A/B", "Tango"]


LASTGENRE_FILES = {
    "none": {},
    "broken YAML": {"genres-tree.yaml": b"- a: [", "aliases.yaml": b"a: ["},
    "no text": {"genres-tree.yaml": b"\xff", "aliases.yaml": b"\xff"},
    "of other types": {
        "genres-tree.yaml": b"- death: [{1: 2}, null]\n",
        "aliases.yaml": b"- 1\n",
    },
    "broken patterns": {"aliases.yaml": b"a: ['(']\nb: 5\n'\\9': ['death']\n"},
}


@pytest.mark.parametrize(
    "files",
    variants(
        LASTGENRE_FILES.values(),
        default=[LASTGENRE_FILES["none"], LASTGENRE_FILES["broken patterns"]],
    ),
    ids=LASTGENRE_FILES,
)
def test_lastgenre_may_lack_its_files(files: dict[str, bytes], tmp_path: Path) -> None:
    """In a process of its own, because the files are read once."""
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    code = (
        "import importlib.util, importlib.machinery as machinery, sys\n"
        "spec = machinery.ModuleSpec('beetsplug.lastgenre', None)\n"
        "spec.submodule_search_locations = sys.argv[1:]\n"
        "importlib.util.find_spec = lambda name: spec\n"
        "from beetsplug.genreclf.genres.agreement import agreement\n"
        "from beetsplug.genreclf.genres.labels import genre_parts\n"
        "print(genre_parts('Death/Doom, Singer/Songwriter'), agreement(['Death'], 'metal'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['Death', 'Doom', 'Singer/Songwriter'] agrees\n"


def test_lastgenre_is_not_imported() -> None:
    code = (
        "import sys; from beetsplug.genreclf.genres.labels import genre_parts; "
        "print(genre_parts('Death/Doom'), 'beetsplug.lastgenre' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['Death/Doom'] False\n"


def test_many_separators_are_split_quickly() -> None:
    assert len(genre_parts("hip/hop," * 5000)) == 5000
    assert labels("(17) " * 5000) == ["Rock"]


@pytest.mark.parametrize(
    "text",
    ["", " ", "---", "Other", "unknown", "<Unknown>", "Unknown Genre", "Misc.", "Genre", "NONE",
     "N/A", "12", "(12)", "(255)", "Other/Misc", "12/255"],
)  # fmt: skip
def test_placeholders_are_recognized(text: str) -> None:
    assert is_placeholder(text)


@pytest.mark.parametrize("text", ["Rock", "Other Worlds", "🎸", "Other/Rock", "(17)", "A"])
def test_other_texts_are_no_placeholders(text: str) -> None:
    assert not is_placeholder(text)
    assert is_placeholder(text, frozenset({text.lower(), "x"}))


@given(TEXTS)
def test_labels_are_idempotent(text: str) -> None:
    once = labels(text)
    assert labels(once) == labels("; ".join(once)) == labels("\\␀".join(once)) == once
    assert split(split(text)) == split(text)


@given(TEXTS, st.frozensets(TEXTS, max_size=3))
def test_parts_keep_all_letters(text: str, own: frozenset[str]) -> None:
    for label in labels(re.sub("[0-9()]", "", text)):  # numbers become names
        rest = label
        for part in genre_parts(label, own):
            assert part == part.strip()
            assert not set(part) <= set("/,| ")
            before, _, rest = rest.partition(part)
            assert not any(map(str.isalnum, before))
        assert not any(map(str.isalnum, rest))


def test_normalize_unicode() -> None:
    assert normalize("Rai\u0308") == normalize("Ra\u00ef")


def test_vocabulary_merges_spellings() -> None:
    tracks = [["Hip-Hop"], ["Hip-Hop"], ["hip hop"], ["HipHop", "Hip Hop"], ["Ska"]]
    vocabulary = Vocabulary.from_tracks(tracks, 2)
    assert vocabulary.left_out == {"Ska": 1}
    assert vocabulary.canonical(["hiphop", "ska", "HIP HOP"]) == ("Hip-Hop",)
    assert vocabulary.canonical(["polka"]) == ()


@given(st.lists(st.lists(NAMES, max_size=3), max_size=20), st.integers(1, 5))
def test_vocabulary_keeps_or_leaves_out_each_label(tracks: list[list[str]], least: int) -> None:
    vocabulary = Vocabulary.from_tracks(tracks, least)
    learned = Counter(name for labels in tracks for name in vocabulary.canonical(labels))
    assert all(count >= least for count in learned.values())
    assert all(count < least for count in vocabulary.left_out.values())
    assert not learned.keys() & vocabulary.left_out.keys()
    assert learned.keys() == set(vocabulary.spelled.values())
    left_out = {name.casefold() for name in vocabulary.left_out}
    assert all(vocabulary.canonical(labels) or left_out for labels in tracks if labels)
