"""Plans of updates, made without a database."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beets.library import Album, Item
from confuse import ConfigSource, RootView
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.config import DEFAULTS, Config
from beetsplug.genreclf.decisions import Decision, DecisionError, decide, version
from beetsplug.genreclf.genres.policy import POLICIES
from beetsplug.genreclf.storage.snapshot import Snapshot
from beetsplug.genreclf.updates import (
    Predicted,
    Rules,
    Update,
    describe,
    plan_nothing,
    plan_rewrite,
    plan_tags,
    plan_update,
)
from genremodel import Prediction
from genremodel.style_hierarchy import fitting_styles

JAZZ = Prediction("jazz", 0.91239, None, {"jazz": 7, "pop": 3}, {"jazz": 0.7}, 1.0, (), (), "model")
UNSURE = Prediction(
    None, 0.4, "low confidence", {"jazz": 5}, {"pop": 0.1, "jazz": 0.5, "rock": 0.4}, 1.0, (),
    (), "model",
)  # fmt: skip


def rules(**options: Any) -> Rules:
    view = RootView([ConfigSource.of({"x": options}), ConfigSource.of({"x": DEFAULTS})])
    return Rules(
        Config.read(view["x"]),
        ("jazz", "pop", "rock"),
        False,
        dict[str, str]().get,
        lambda track, genre: fitting_styles(track.detected_styles, [genre]) if genre else (),
    )


def snapshot(*genres: str, before: tuple[str, ...] | None = None, **values: Any) -> Snapshot:
    item = Item(title="title", artist="artist", album="album", genres=[*genres])
    known = {"genres": [*genres], **values}
    old = [*(genres if before is None else before)]
    return Snapshot(item, known, old, old, False, True)


def plan(existing: Snapshot, prediction: Prediction, **options: Any) -> Update:
    return plan_update(existing, Predicted(prediction), rules(**options))


def test_prediction_becomes_fields() -> None:
    update = plan(snapshot(), JAZZ, names={"jazz": "Jazz!"})
    assert update.values == {
        "genres": ["Jazz!"],
        "predicted_genre": "jazz",
        "genre_confidence": 0.912,
        "genre_model": "model",
        "predicted_styles": None,
        "genre_reason": None,
        "genre_votes": "jazz 7, pop 3",
        "genre_scope": None,
        "genre_agreement": None,
        "genre_review": None,
    }
    assert update.changes_genres
    assert not update.has_applied_genre, "not before it is stored"
    assert describe(update) == "artist - album - title: jazz (0.912)"


@pytest.mark.parametrize(
    ("genres", "before", "respell", "expected"),
    [
        (["jazz"], (), False, ["jazz"]),
        (["jazz"], (), True, ["Jazz"]),
        (["Mine", "jazz"], ("Mine",), False, ["Mine", "jazz"]),
        (["Mine", "jazz"], ("Mine",), True, ["Mine", "Jazz"]),
        (["jazz"], ("jazz",), True, ["jazz"]),  # the user's
        (["blues"], (), False, ["Jazz"]),  # another genre
    ],
)
def test_given_genres_are_respelled_only_on_request(
    genres: list[str], before: tuple[str, ...], respell: bool, expected: list[str]
) -> None:
    existing = snapshot(*genres, before=before)
    update = plan_update(existing, Predicted(JAZZ), rules(policy="append"), respell=respell)
    assert update.values["genres"] == expected


def test_abstention_changes_no_genres() -> None:
    update = plan(snapshot("Old"), UNSURE, policy="replace")
    assert (update.given, update.values["genres"]) == ((), ["Old"])
    assert (update.values["predicted_genre"], update.values["genre_reason"]) == (
        None,
        "low confidence",
    )
    assert describe(update).endswith(
        "title: no genre, low confidence (0.400): jazz 0.50, rock 0.40"
    )


@pytest.mark.parametrize(
    ("policy", "genres"),
    [
        ("fill", ["Mine", "pop"]),
        ("append", ["Mine", "Jazz"]),
        ("prepend", ["Jazz", "Mine"]),
        ("replace", ["Jazz"]),
        ("never", ["Mine", "pop"]),
    ],
)
def test_policy_sees_which_genres_are_the_users(policy: str, genres: list[str]) -> None:
    existing = snapshot("Mine", "pop", before=("Mine",))
    assert plan(existing, JAZZ, policy=policy).values["genres"] == genres


def test_all_tracks_get_the_genre_of_the_album() -> None:
    album = Album(album="album", genres=[])
    of_album = Snapshot(album, {"genres": []}, [], [], False, False)
    joint = Predicted(JAZZ)
    track = plan_update(snapshot(), Predicted(UNSURE), rules(), joint)
    whole = plan_update(of_album, Predicted(JAZZ), rules(), joint)
    assert track.joint == JAZZ
    assert track.values["genres"] == whole.values["genres"] == ["Jazz"]
    assert track.values["predicted_genre"] == whole.values["predicted_genre"] == "jazz"
    assert (track.values["genre_scope"], track.values["genre_votes"]) == ("album", "jazz 5")
    assert "genre_scope" not in whole.values


def test_styles_fit_the_genre_of_the_album() -> None:
    track = replace(UNSURE, detected_styles=("indie", "ambient", "punk"))
    assert plan(snapshot(), track).values["predicted_styles"] is None
    pop = Predicted(replace(JAZZ, genre="pop", styles=("dance",)))
    update = plan_update(snapshot(), Predicted(track), rules(count=2), pop)
    assert update.values["predicted_styles"] == ["indie"]
    assert update.values["genres"] == ["Pop", "Indie"]
    assert plan(snapshot(), track, count=2).values["genres"] == []
    kept: Any = {"predicted_genre": "pop", "predicted_styles": ["mine"]}
    again = plan_update(snapshot(**kept), Predicted(track, kept), rules(), pop)
    assert again.values["predicted_styles"] == ["mine"]


def test_agreement_counts_the_style() -> None:
    track = replace(JAZZ, genre="pop", styles=("r&b",))
    for count, agreement in ((1, "related"), (2, "agrees")):
        update = plan(snapshot("R&B"), track, count=count)
        assert update.values["genre_agreement"] == agreement


def test_genre_of_an_album_that_decides_no_more_is_taken_back() -> None:
    given = snapshot("Mine", "Jazz", before=("Mine",), genre_scope="album")
    append, never = rules(policy="append"), rules(policy="never")
    update = plan_update(given, Predicted(UNSURE), append)
    assert (update.values["genres"], update.values["genre_scope"]) == (["Mine"], None)
    assert update.changes_scope
    update.obj.genres = ["Mine"]  # as the update stores them
    assert plan_tags(update, ["In File", "Jazz"], ["In File"], append)["genres"] == ["In File"]
    for scope, options, joint in (
        (None, append, None),
        ("album", never, None),
        ("album", append, Predicted(JAZZ)),
    ):
        given = snapshot("Mine", "Jazz", before=("Mine",), genre_scope=scope)
        unchanged = plan_update(given, Predicted(UNSURE), options, joint)
        assert unchanged.values["genres"] == ["Mine", "Jazz"]


def test_kept_fields_of_a_recalled_prediction_stay() -> None:
    kept = {"predicted_genre": "jazz", "genre_confidence": 0.5, "genre_model": "older"}
    update = plan_update(snapshot(), Predicted(JAZZ, kept), rules())
    assert update.values["genres"] == ["Jazz"]
    assert update.values.items() >= kept.items()


@given(
    st.lists(st.sampled_from(["jazz", "Mine", "Other"]), unique=True),
    st.sampled_from(POLICIES),
    st.sampled_from([JAZZ, UNSURE]),
    st.none() | st.sampled_from([JAZZ, UNSURE]),
    st.booleans(),
)
def test_decided_genres_stay(
    genres: list[str], policy: str, own: Prediction, joint: Prediction | None, respell: bool
) -> None:
    existing = snapshot(*genres, genre_review="accepted")
    of_others = Predicted(joint) if joint else None
    update = plan_update(existing, Predicted(own), rules(policy=policy), of_others, respell=respell)
    assert (update.values["genres"], update.values["genre_review"]) == (genres, "accepted")
    genre = (joint and joint.genre) or own.genre
    assert (update.values["predicted_genre"], update.decided) == (genre, ())
    assert plan_tags(update, ["In File"], ["In File"], rules(policy=policy)).get("genres") is None


@pytest.mark.parametrize(
    ("decision", "policy", "review", "genres"),
    [
        ("accept", "fill", "accepted", ["Jazz"]),
        ("accept", "replace", "accepted", ["Jazz"]),
        ("accept", "append", "accepted", ["Mine", "Jazz"]),
        ("accept", "prepend", "accepted", ["Jazz", "Mine"]),
        ("accept", "never", "accepted", ["Mine"]),
        ("keep", "replace", "kept", ["Mine"]),
        ("correct", "replace", "corrected", ["Ska", "Dub"]),
    ],
)
def test_decisions(decision: Decision, policy: str, review: str, genres: list[str]) -> None:
    open_ = plan_nothing(snapshot("Mine", predicted_genre="jazz"), rules())
    decided = decide(open_, decision, rules(policy=policy), "Ska; Dub; Ska")
    assert decided.decided == ("genres", "genre_review")
    assert decided.values == {
        "genres": genres, "predicted_genre": "jazz", "genre_review": review
    }  # fmt: skip


def test_keeping_genres_of_the_plugin_accepts_them() -> None:
    open_ = plan_nothing(snapshot("pop", before=(), predicted_genre="jazz"), rules())
    decided = decide(open_, "keep", rules())
    assert (decided.values["genres"], decided.values["genre_review"]) == (["pop"], "accepted")


def test_invalid_decisions_are_refused() -> None:
    open_ = plan_nothing(snapshot("Mine"), rules())
    with pytest.raises(DecisionError, match="no predicted genre"):
        decide(open_, "accept", rules())
    for genres in ("", " ; ", [], ["a\x07"]):
        with pytest.raises(DecisionError):
            decide(open_, "correct", rules(), genres)


def test_version_changes_with_the_values_of_a_track() -> None:
    item = Item(genres=["Mine"])
    before = version(item)
    item.title = "other"
    item.genre_review = None
    assert version(item) == before
    item.genre_review = "kept"
    assert version(item) != before


def test_rewrite_has_the_genre_that_the_plugin_gave() -> None:
    update = plan_rewrite(snapshot("Mine", "jazz", before=("Mine",), predicted_genre="jazz"))
    assert update.given == ("jazz",)
    assert update.values["genres"] == ["Mine", "jazz"]


def test_tags_respect_what_database_and_file_do_not_share() -> None:
    stored = plan_rewrite(snapshot("jazz", before=(), predicted_genre="jazz"))
    append = rules(policy="append")
    assert plan_tags(stored, [], [], append)["genres"] == ["jazz"]
    assert plan_tags(stored, ["In File"], ["In File"], append)["genres"] == ["In File", "jazz"]
    stored.obj.genres = ["By Another Plugin"]
    assert "genres" not in plan_tags(stored, [], [], append)
    assert plan_tags(stored, [], [], append)["predicted_genre"] == "jazz"


def test_nothing_here_reads_a_file(tmp_path: Path) -> None:
    update = plan(snapshot(), JAZZ)
    assert update.with_item(Item(path=str(tmp_path / "gone.mp3"))).values == update.values
