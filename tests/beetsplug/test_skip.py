"""The option `skip`: tracks that are not classified unless it is forced."""

from __future__ import annotations

import pytest

from tests.conftest import Beets, Prepared


def import_tracks_to_skip(beets: Beets) -> None:
    for number, title in enumerate(("book", "song", "talk"), start=1):
        beets.add(f"{title}.flac", seed=number)
    beets.settings["genreclf"] |= {"auto": False, "skip": ["title:book", "year:0 path::talk"]}
    beets.import_music()
    beets("genreclf", "--force", "--pretend")  # all of it is in the cache


@pytest.fixture
def skipping(prepared: Prepared) -> Beets:
    """Return a library of three tracks without predictions; two of them are skipped."""
    return prepared(import_tracks_to_skip)


def test_matching_tracks_are_classified_only_by_force(skipping: Beets) -> None:
    done = skipping.run("genreclf")
    assert "1 track updated, 0 unchanged, 0 abstained, 0 failed, 2 skipped, 1 file" in done.stderr
    assert [bool(genre) for genre in skipping.field("genres")] == [False, True, False]
    (votes,) = skipping("ls", "-a", "-f", "$album_genre_votes").splitlines()
    assert votes.split()[-1] == "1", "the others do not vote"
    done = skipping.run("genreclf")
    assert "nothing to do: 1 matching track already classified, 2 skipped;" in done.stderr
    done = skipping.run("genreclf", "--review")
    assert (
        "nothing to review: all matching tracks have genres or a decision, or are skipped"
        in done.stderr
    )
    skipping("genreclf", "--force")
    assert all(skipping.field("genres"))


def test_matching_tracks_are_not_classified_at_import(skipping: Beets) -> None:
    skipping("remove", "--force", "--delete")
    skipping.settings["genreclf"]["auto"] = True
    skipping.import_music()
    assert [bool(genre) for genre in skipping.field("genres")] == [False, True, False]
    assert len(skipping("ls", "genre_model::.").splitlines()) == 1
    (votes,) = skipping("ls", "-a", "-f", "$album_genre_votes").splitlines()
    assert votes.split()[-1] == "1"


def test_explanations_show_that_a_track_is_skipped(skipping: Beets) -> None:
    explained = skipping("genreclf-explain", "title:book")
    assert "  skip           matched: only `beet genreclf -f` classifies the track\n" in explained
    assert "  skip  " not in skipping("genreclf-explain", "title:song")
