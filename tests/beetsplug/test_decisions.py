"""Genres that the user has decided on last until the decision is undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mediafile import MediaFile

from tests.conftest import Beets, Prepared
from tests.tags import our_tags
from tests.variants import variant, variants

# Decides like the review page: `beet decide DECISION QUERY [GENRE...]`.
DECIDE = """
    from beets import plugins, ui
    from beetsplug.genreclf.decisions import decide
    from beetsplug.genreclf.planner import Planner

    class Decide(plugins.BeetsPlugin):
        def commands(self):
            command = ui.Subcommand("decide")
            command.func = run
            return [command]

    def run(lib, options, arguments):
        decision, query, *genres = arguments
        context = next(x.context for x in plugins.find_plugins() if x.name == "genreclf")
        with context.predictor(lib) as predictor:
            planner = Planner(predictor, context.journal(lib))
            writer = context.writer(lib, predictor, decision)
            for item in lib.items(query):
                with writer.lock():
                    undecided = planner.plan_nothing(item)
                    update = decide(undecided, decision, predictor.rules, genres)
                    writer.make(update, write=predictor.config.writes())
"""


def decidable(beets: Beets) -> None:
    beets.settings["genreclf"] |= {"auto": False, "min_confidence": 0}
    beets.install(decide=DECIDE)
    for seed, title in enumerate(("one", "two")):
        media = MediaFile(beets.add(f"album/{title}.mp3", seed=seed))
        media.artist, media.album = "artist", "album"
        media.save()
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def beets(prepared: Prepared) -> Beets:
    """Return an album of two tracks without genres and predictions."""
    return prepared(decidable)


def review(beets: Beets, answers: str) -> None:
    done = beets.run("genreclf", "--review", stdin=answers)
    assert done.returncode == 0, done.stderr


def genres(beets: Beets) -> tuple[list[str], list[list[str]]]:
    """Return the genres of the tracks in the database and in their files."""
    return beets.field("genres"), [MediaFile(path).genres or [] for path in beets.files()]


def reclassify(beets: Beets, **options: object) -> None:
    """Predict all genres again, other than those predicted before."""
    known = {*beets.field("predicted_genre")} - {""}
    beets.settings["genreclf"] |= {"exclude": sorted(known), **options}
    beets("genreclf", "--force")
    assert known.isdisjoint(beets.field("predicted_genre"))


@pytest.mark.parametrize(
    ("answers", "decision"),
    [
        pytest.param("a\n", "accepted", marks=variant),
        ("k\n", "kept"),
        pytest.param("e\nTango; Ska\n", "corrected", marks=variant),
    ],
)
def test_decided_genres_outlast_all_but_undo(beets: Beets, answers: str, decision: str) -> None:
    before = beets.rows()
    review(beets, answers)
    decided = genres(beets)
    assert any(decided[0]) == (decision != "kept")
    assert beets.field("genre_review", f"genre_review:{decision}") == [decision] * 2
    assert beets("ls", "-a", f"album_genre_review:{decision}") == "artist - album\n"
    reclassify(beets, policy="replace")
    reclassify(beets, policy="append", scope="album")
    reclassify(beets, policy="prepend", scope="artist")
    beets("genreclf", "--write")
    assert genres(beets) == decided
    assert "nothing to review" in beets.run("genreclf", "--review").stderr
    beets("genreclf-undo")
    assert genres(beets) == decided
    assert beets.field("genre_review") == [decision] * 2
    assert not beets("ls", "predicted_genre::.")
    assert not any(our_tags(path) for path in beets.files())
    assert "nothing to undo" in beets.run("genreclf-undo").stderr
    beets("genreclf-undo", "--last")
    assert beets.rows() == before
    assert genres(beets)[1] == [[], []]


@pytest.mark.parametrize("answers", variants(["a\n", "e\nTango\n"], default=["e\nTango\n"]))
def test_decided_genres_outlast_imports(beets: Beets, answers: str) -> None:
    review(beets, answers)
    decided = genres(beets)
    reviews = beets.field("genre_review")
    beets.settings["genreclf"] |= {"auto": True, "policy": "replace"}
    beets.settings["genreclf"]["exclude"] = sorted({*beets.field("predicted_genre")})
    beets.settings["import"] = {"copy": False}
    for path in beets.files():  # another program has changed the tag
        media = MediaFile(path)
        media.genres = ["Polka"]
        media.save()
    beets("import", "--quiet", "--noautotag", str(beets.library))
    assert (beets.field("genres"), beets.field("genre_review")) == (decided[0], reviews)
    beets("write")
    assert genres(beets) == decided

    beets("remove", "--force")
    beets("import", "--quiet", "--noautotag", str(beets.library))
    assert (genres(beets), beets.field("genre_review")) == (decided, reviews), "found again"
    beets("genreclf-undo")
    assert genres(beets) == decided
    beets("genreclf-undo", "--last")
    assert genres(beets) == (["", ""], [["Polka"]] * 2)


def test_lost_decision_is_found_without_an_import_stage(beets: Beets) -> None:
    review(beets, "a\n")
    decided = genres(beets)
    beets("remove", "--force")
    beets.settings["import"] = {"copy": False}
    beets("import", "--quiet", "--noautotag", str(beets.library))
    assert not beets("ls", "genre_review::.")
    reclassify(beets, policy="replace")
    assert genres(beets) == decided
    assert beets.field("genre_review") == ["accepted"] * 2


def test_decisions_on_genres_of_the_plugin(beets: Beets) -> None:
    before = beets.rows()
    beets("genreclf")
    given = genres(beets)
    beets("decide", "accept", "title:one")
    beets("decide", "keep", "title:two")
    assert genres(beets) == given
    assert beets.field("genre_review") == ["accepted"] * 2, "the plugin's own genres"
    explained = json.loads(beets("genreclf-explain", "--json", "title:one"))
    assert explained["genres"]["before"] == explained["genres"]["now"]
    assert explained["genres"]["review"] == "accepted"
    beets("genreclf-undo")
    assert genres(beets) == given
    beets("decide", "correct", "title:one", "Ska", "Dub")
    assert genres(beets)[0] == ["Ska; Dub", given[0][1]]
    refused = beets.run("genreclf-undo", "--run", "2", "title:one")
    assert "changed by a later run; undo run 4 first" in refused.stderr
    for _ in range(3):
        beets("genreclf-undo", "--last")
    assert beets.rows() == before
    assert genres(beets)[1] == [[], []]


def test_decisions_survive_compaction(beets: Beets) -> None:
    beets("genreclf")
    given = genres(beets)
    beets("decide", "correct", "title:one", "Ska")
    beets("decide", "correct", "title:one", "Tango")
    beets("genreclf-undo", "--forget-older-than", "0")
    reclassify(beets, policy="replace")
    assert (beets.field("genres")[0], beets.field("genre_review")) == ("Tango", ["corrected", ""])
    beets("genreclf-undo")
    beets("genreclf-undo", "--last")
    assert beets.field("genres")[0] == "Ska"
    assert genres(beets)[1][0] == ["Ska"]
    assert beets.field("genres")[1] == given[0][1], "can no longer be undone"


def test_decisions_without_tags_are_written_later(beets: Beets) -> None:
    beets.settings["genreclf"]["write"] = False
    review(beets, "e\nTango\n")
    assert genres(beets) == (["Tango"] * 2, [[], []])
    beets.settings["genreclf"] |= {"write": True, "policy": "replace"}
    beets("genreclf", "--write")
    assert genres(beets) == (["Tango"] * 2, [["Tango"]] * 2)
    beets("genreclf-undo")
    assert genres(beets) == (["Tango"] * 2, [["Tango"]] * 2)
    assert not any(our_tags(path) for path in beets.files())


def test_decided_tag_that_another_program_changed_stays(beets: Beets) -> None:
    review(beets, "a\n")
    path = Path(beets.files()[0])
    media = MediaFile(path)
    media.genres = ["Polka"]
    media.save()
    reclassify(beets, policy="replace")
    assert MediaFile(path).genres == ["Polka"]
    assert our_tags(path)["predicted_genre"] == beets.field("predicted_genre")[0]


def test_decided_spelling_counts(beets: Beets) -> None:
    beets("genreclf", "--nowrite")
    (predicted, *_) = beets.field("predicted_genre")
    spelled = predicted.upper()
    beets("decide", "correct", "title:one", spelled)
    beets.settings["genreclf"]["policy"] = "replace"
    beets("genreclf", "--force", f"predicted_genre:={predicted}")
    assert {*beets.field("genres", f"predicted_genre:={predicted}")} == {spelled}
