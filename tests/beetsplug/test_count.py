"""`count: 2`: a style follows the predicted genre in `genres`."""

from __future__ import annotations

import json

import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.tags import every_tag, plain_tags


def import_one_track(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add("a.flac", seconds=12)
    beets.import_music()
    beets("genreclf", "--pretend")  # it is in the cache


@pytest.fixture
def untagged(prepared: Prepared) -> Beets:
    """Return a library of one track that is predicted as electronic, with the style electronica."""
    beets = prepared(import_one_track)
    beets.settings["genreclf"]["count"] = 2
    return beets


def genres(beets: Beets) -> str:
    """Return the genres of the track, its file and its album, which are the same."""
    (of_track,) = beets.field("genres")
    (path,) = beets.files()
    assert "; ".join(plain_tags(path).get("genre", [])) == of_track
    (of_album,) = beets("ls", "-a", "-f", "$genres").splitlines()
    assert of_album == of_track
    return of_track


def test_style_is_written_and_undone(untagged: Beets) -> None:
    (path,) = untagged.files()
    before = every_tag(path)
    untagged("genreclf")
    assert genres(untagged) == "Electronic; Electronica"
    assert untagged.field("predicted_genre") == ["electronic"]
    assert untagged.field("predicted_styles")[0].startswith("electronica; ")
    untagged("genreclf-undo")
    assert every_tag(path) == before
    assert genres(untagged) == ""


def test_count_applies_to_new_predictions_or_by_force(untagged: Beets) -> None:
    for count, option, expected in (
        (1, [], "Electronic"),
        (2, [], "Electronic"),
        (2, ["-f"], "Electronic; Electronica"),
        (2, ["-f"], "Electronic; Electronica"),
        (1, ["-f"], "Electronic"),
    ):
        untagged.settings["genreclf"]["count"] = count
        untagged("genreclf", *option)
        assert genres(untagged) == expected
    untagged.settings["genreclf"] |= {"count": 2, "max_styles": 0}
    untagged("genreclf", "-f")
    assert genres(untagged) == "Electronic", "it is one of the styles that the track has"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("fill", "Old"),
        ("append", "Old; Electronic; Electronica"),
        ("prepend", "Electronic; Electronica; Old"),
        ("never", "Old"),
    ],
)
def test_policy_applies_to_both(policy: str, expected: str, untagged: Beets) -> None:
    untagged("modify", "--yes", "genres=Old")
    untagged("modify", "--yes", "--album", "genres=Old")
    untagged.settings["genreclf"]["policy"] = policy
    for _ in range(2):
        untagged("genreclf", "-f")
        assert genres(untagged) == expected
    untagged("genreclf-undo")
    assert genres(untagged) == "Old"


def test_both_are_spelled_as_the_user_does(untagged: Beets) -> None:
    names = untagged.settings["genreclf"]["names"] = {"electronica": "Elektronika"}
    untagged("genreclf")
    assert genres(untagged) == "Electronic; Elektronika"
    names["electronic"] = "elektronika"
    untagged("genreclf", "-f")
    assert genres(untagged) == "elektronika", "once"
    names["ambient"] = "Ambient"
    assert "genreclf.names: unknown genre 'ambient'" in untagged.run("genreclf").stderr


def test_accepting_a_prediction_gives_both(untagged: Beets) -> None:
    done = untagged.run("genreclf", "--review", stdin="a\n")
    assert done.returncode == 0, done.stderr
    assert genres(untagged) == "Electronic; Electronica"
    assert untagged.field("genre_review") == ["accepted"]
    explained = json.loads(untagged("genreclf-explain", "--json", "title:a"))
    assert explained["genres"]["then"] == ["Electronic", "Electronica"]
    untagged("genreclf-undo", "--last")
    assert genres(untagged) == ""


def test_style_counts_for_agreement(untagged: Beets) -> None:
    untagged.settings["genreclf"]["policy"] = "append"
    untagged("modify", "--yes", "genres=Dance")
    untagged("genreclf", "-f")
    assert untagged.field("genre_agreement") == ["agrees"]
    assert untagged.field("genres") == ["Dance; Electronic; Electronica"]


def test_models_are_not_trained_on_styles_that_the_plugin_wrote(untagged: Beets) -> None:
    untagged("genreclf")
    done = untagged.run("genreclf-train", "--min-tracks", "2")
    assert "Electronic" not in done.stdout + done.stderr
    (untagged.root / "library.genre-journal.db").unlink()
    untagged("modify", "--yes", "genre_journal_id!")  # as in another library
    done = untagged.run("genreclf-train", "--min-tracks", "2")
    assert "Electronic" not in done.stdout + done.stderr
    untagged("modify", "--yes", "genres=Electronica")
    done = untagged.run("genreclf-train", "--min-tracks", "2")
    assert "Electronica" in done.stdout + done.stderr, "without its genre, it is the user's"


def test_styles_from_files_are_used(untagged: Beets) -> None:
    """A prediction that is imported from tags is not made again."""
    untagged.settings["genreclf"]["policy"] = "never"
    untagged("genreclf")
    (path,) = untagged.files()
    untagged("remove", "--force")
    media = MediaFile(path)
    assert media.genres is None
    untagged.settings["genreclf"] |= {"policy": "fill", "auto": True}
    (untagged.root / "genreclf-cache.db").unlink()
    untagged("import", "--quiet", "--noautotag", str(path.parent))
    assert untagged.field("genres") == ["Electronic; Electronica"]
