"""`beet genreclf --review --field mood`: decisions about moods, which are labels of the user."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from genremodel.custom.store import ModelStore
from tests.conftest import Beets, Prepared
from tests.moods import predict_moods

NEW = "artist::[678]"
# Sets a field of a track while the user is asked.
MEANWHILE = """
    from beets import plugins, ui

    class Meanwhile(plugins.BeetsPlugin):
        def __init__(self):
            super().__init__()
            self.register_listener("library_opened", self.opened)

        def opened(self, lib):
            input_options = ui.input_options

            def ask(*arguments):
                for item in lib.items("title:tune 6"):
                    item["mood"] = "mine"
                    item.store()
                return input_options(*arguments)

            ui.input_options = ask
"""
ALL = "$title|$mood|$mood_review|$predicted_mood"


@pytest.fixture
def predicted(prepared: Prepared) -> Beets:
    return prepared(predict_moods)


def review(beets: Beets, answers: str, *query: str) -> tuple[str, str]:
    done = beets.run("genreclf", "--review", "--field", "mood", *query, stdin=answers)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def shown(beets: Beets, *query: str) -> list[str]:
    return beets("ls", "-f", ALL, *(query or (NEW, "title+"))).splitlines()


def test_moods_are_applied_kept_and_edited(predicted: Beets) -> None:
    files = {path: path.read_bytes() for path in predicted.files()}
    output, log = review(predicted, "a\nk\ne\nodd; calm\n", "artist+")
    assert output.count("artist 6 - album 6 - loop 6: wild (0.") == 1
    assert output.count("artist 8 - album 8 - tune 8: calm (0.") == 1
    assert "artist 1" not in output, "it has a mood"
    assert "genreclf: 2 tracks updated, 2 kept, 2 edited\n" in log
    assert shown(predicted) == [
        "loop 6|wild|accepted|wild",
        "loop 7|$mood|kept|wild",
        "loop 8|odd; calm|corrected|wild",
        "tune 6|calm|accepted|calm",
        "tune 7|$mood|kept|calm",
        "tune 8|odd; calm|corrected|calm",
    ]
    assert predicted.field("title", "mood_review:kept") == ["loop 7", "tune 7"]
    assert {path: path.read_bytes() for path in predicted.files()} == files
    assert "nothing to review" in review(predicted, "")[1]


def test_skipped_and_later_albums_are_asked_about_again(predicted: Beets) -> None:
    before = predicted.rows()
    output, log = review(predicted, "s\ne\n\nq\n", "artist+")
    assert output.count("mood, separated by semicolons; none to go back:") == 1
    assert "0 tracks updated, 2 skipped\n" in log
    assert predicted.rows() == before
    output, log = review(predicted, "q\n")
    assert "artist 6" in output
    assert log == "genreclf: 0 tracks updated\n"


def test_only_matching_tracks_with_a_prediction_are_shown(predicted: Beets) -> None:
    predicted("modify", "--yes", "title:loop 6", "predicted_mood=")
    predicted("modify", "--yes", "artist:artist 7", "predicted_mood=")
    output, log = review(predicted, "a\n", "artist::[67]")
    assert output.count("artist") == 2
    assert "artist 6 - album 6 - loop 6: none, " in output
    assert "1 track updated, 1 abstained\n" in log
    assert predicted.field("mood", "artist:artist 6") == ["$mood", "calm"]
    assert review(predicted, "q\n", "title:loop 8")[0].count(": wild (0.") == 1


def test_decisions_are_undone_by_run_and_survive_other_undos(predicted: Beets) -> None:
    before = predicted.rows()
    review(predicted, "a\nk\ne\nodd\n", "artist+")
    decided = shown(predicted)
    assert "mood: odd" in predicted("genreclf-undo", "--last", "--pretend")
    assert shown(predicted) == decided
    predicted("genreclf-undo", "--last")
    assert predicted.rows() == before
    review(predicted, "a\nk\ne\nodd\n", "artist+")
    predicted("genreclf", "--force", NEW)
    assert shown(predicted) == decided
    done = predicted.run("genreclf-undo", NEW)
    assert "6 tracks and 3 albums restored, 0 failed" in done.stderr
    assert "not restored" not in done.stderr
    assert predicted.field("mood_review", "mood_review::.", "title+") == [
        line.split("|")[2] for line in decided
    ]
    assert predicted.field("mood", "title:tune 8") == ["odd"]
    assert predicted.field("title", "predicted_mood::.", NEW) == []
    predicted("genreclf-undo", "--last")
    assert predicted.field("title", "mood_review::.") == []
    assert predicted.field("mood", NEW) == ["$mood"] * 6
    assert predicted.field("title", "genre_journal_id::.", NEW) == []


def test_undo_restores_an_emptied_mood(predicted: Beets) -> None:
    predicted("modify", "--yes", "title:tune 6", "mood=")
    before = predicted.rows()
    review(predicted, "a\n" * 3)
    assert predicted.field("mood", "title:tune 6") == ["calm"]
    predicted("genreclf-undo", "--last")
    assert predicted.rows() == before


def test_moods_of_albums_are_moods_of_their_tracks(predicted: Beets) -> None:
    predicted("modify", "--yes", "--album", "--noinherit", "album:album 6", "mood=mine")
    output, _ = review(predicted, "a\n" * 3)
    assert "album 6" not in output
    assert predicted.field("mood", "artist:artist 6") == ["mine"] * 2
    assert "$mood" not in predicted.field("mood", NEW)
    assert predicted.field("title", "mood_review::.", "artist:artist 6") == []


def test_decisions_are_undone_after_the_model_was_deleted(predicted: Beets) -> None:
    before = predicted.rows()
    review(predicted, "a\n" * 3)
    predicted("genreclf-train", "--delete", "mood")
    predicted.settings["genreclf"]["other_models"] = []
    done = predicted.run("genreclf-undo", "--last")
    assert "6 tracks restored, 0 failed" in done.stderr
    assert "not restored" not in done.stderr
    assert predicted.rows() == before


def test_decisions_are_undone_where_older_changes_are_forgotten(predicted: Beets) -> None:
    predicted("genreclf-undo", "--forget-older-than", "0")
    before = predicted.rows()
    review(predicted, "a\nk\ne\nodd\n")
    predicted("genreclf-undo", "--last")
    assert predicted.rows() == before


def test_decision_that_was_never_made_is_undone_with_predictions(predicted: Beets) -> None:
    """The process was killed between the journal and the database."""
    predicted("genreclf-undo", NEW)
    before = predicted.rows()
    predicted("genreclf", NEW)
    review(predicted, "a\n" * 3)
    predicted("modify", "--yes", NEW, "mood!", "mood_review!")
    predicted("genreclf-undo", NEW)
    assert predicted.rows() == before
    assert "nothing to undo" in predicted.run("genreclf-undo", "--last").stderr


def test_moods_that_are_set_meanwhile_stay(predicted: Beets) -> None:
    predicted.install(meanwhile=MEANWHILE)
    _, log = review(predicted, "a\nq\n")
    assert "tune 6.mp3: skipped: changed by another command in the meantime\n" in log
    assert "1 track updated, 1 skipped\n" in log
    assert predicted.field("mood", "artist:artist 6") == ["wild", "mine"]
    assert predicted.field("title", "mood_review::.") == ["loop 6"]


def test_undo_leaves_moods_that_were_changed_since(predicted: Beets) -> None:
    review(predicted, "a\n", "title:tune 6")
    predicted("modify", "--yes", "title:tune 6", "mood=mine")
    done = predicted.run("genreclf-undo", "--last")
    assert "not restored, changed since: mood\n" in done.stderr
    assert predicted.field("mood", "title:tune 6") == ["mine"]


def test_genres_can_be_decided_on_beside_moods(predicted: Beets) -> None:
    predicted("modify", "--yes", NEW, "genres=")
    predicted.settings["genreclf"]["min_confidence"] = 0
    review(predicted, "a\n", "artist:artist 6")
    predicted.run("genreclf", "--review", "artist:artist 6", stdin="e\nTango\n")
    assert predicted.field("mood", "artist:artist 6") == ["wild", "calm"]
    assert predicted.field("genres", "artist:artist 6") == ["Tango"] * 2
    predicted("genreclf-undo", "artist:artist 6")
    assert predicted.field("mood", "artist:artist 6") == ["wild", "calm"]
    assert predicted.field("genres", "artist:artist 6") == ["Tango"] * 2
    predicted("genreclf-undo", "--last")
    predicted("genreclf-undo", "--last")
    assert shown(predicted, "artist:artist 6") == [
        f"{title}|$mood|$mood_review|$predicted_mood" for title in ("loop 6", "tune 6")
    ]
    assert predicted.field("genres", NEW) == [""] * 6


def test_accepted_moods_are_trained_on_and_not_tested(predicted: Beets) -> None:
    review(predicted, "a\nk\ne\nwild\n", "artist+")
    output = predicted("genreclf-train", "--min-tracks", "4", "--field", "mood", "--force")
    assert "16 tracks by 8 artists" in output
    assert "tested on 14 tracks: the others are accepted predictions" in output


@pytest.mark.parametrize(
    ("arguments", "settings", "problem"),
    [
        (["--field", "mood"], {}, "--field needs --review"),
        (
            ["--review", "--field", "era"],
            {},
            "era cannot be reviewed: there is no model of this field",
        ),
        (["--review", "--field", "genre"], {}, "genre cannot be reviewed: genre is predicted by"),
        (["--review", "--pretend", "--field", "mood"], {}, "--review and --pretend cannot be com"),
        (
            ["--review", "--field", "grouping"],
            {},
            "grouping cannot be reviewed: beets writes it to files; set it by `beet modify`",
        ),
        (
            ["--review", "--field", "mood"],
            {"types": {"mood": "int"}},
            "mood cannot be reviewed: its values are not text",
        ),
        (
            ["--review", "--field", "mood"],
            {"item_fields": {"mood": "''"}},
            "mood cannot be reviewed: another plugin computes it",
        ),
        (["--review", "--field", "mood", "--force"], {}, "--field and --force cannot be combined"),
        (["--review", "--field", "mood", "-w"], {}, "--field and --write cannot be combined"),
    ],
)
def test_invalid_reviews_change_nothing(
    predicted: Beets, arguments: list[str], settings: dict[str, Any], problem: str
) -> None:
    models = ModelStore(predicted.root / "library.genre-models")
    models.save(replace(models.load("mood"), name="groups", field="grouping"))
    predicted.install("types", "inline")
    predicted.settings |= settings
    before = predicted.rows()
    done = predicted.run("genreclf", *arguments, stdin="a\n" * 3)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert problem in line
    assert predicted.rows() == before
