from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.genres.policy import POLICIES, Policy, new_genres
from beetsplug.genreclf.storage.authorship import after_decision, split_by_author
from beetsplug.genreclf.storage.compaction import compact
from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.journal import Change, Journal, revert
from beetsplug.genreclf.storage.paths import library_file
from beetsplug.genreclf.storage.value_comparison import diff

GENRES = st.lists(st.sampled_from(["Rock", "Jazz", "jazz", "pop"]), unique=True)
MOODS = st.sampled_from(["calm", "wild"])
PREDICTIONS = st.tuples(
    st.sampled_from(POLICIES), st.none() | st.sampled_from(["jazz", "pop", "metal"])
)


def run(journal: Journal, values: dict[str, Any], policy: Policy, genre: str | None) -> int:
    """Do to the values of a track what a run does."""
    id_ = journal.begin("test")
    before, _ = revert(values, journal.changes("track"))
    names = ["mood", "mood_review"]
    if "genre_review" in values:
        names += ["genres", "genre_review"]
    decided = {name: values[name] for name in names if name in values}
    new = {
        "genres": new_genres(values["genres"], before["genres"], (genre,) if genre else (), policy),
        "predicted_genre": genre or "",
        "genre_confidence": None if genre is None else 0.5,
        "genre_journal_id": "track",
        **decided,
    }
    journal.record(id_, "track", "database", "a.mp3", *diff(values, new))
    values.clear()
    values.update(new)
    return id_


def decide(journal: Journal, values: dict[str, Any], genres: list[str]) -> None:
    """Do to the values of a track what a decision of the user does."""
    _decide(journal, values, {"genres": genres, "genre_review": f"decided {genres}"})


def decide_on_mood(journal: Journal, values: dict[str, Any], mood: str) -> None:
    """Do to the values of a track what a decision about another field does, if it is open."""
    if "mood_review" not in values:
        _decide(journal, values, {"mood": mood, "mood_review": "corrected"})


def _decide(journal: Journal, values: dict[str, Any], new: dict[str, Any]) -> None:
    old = {name: values[name] for name in new if name in values}
    if old == new:
        return
    run = journal.begin("test")
    if "genre_journal_id" not in values:
        values["genre_journal_id"] = "track"
        journal.record(run, "track", "database", "", {}, {"genre_journal_id": "track"})
    journal.record(run, "track", "database", "", old, new, author="user")
    values.update(new)


@given(GENRES, st.lists(PREDICTIONS | GENRES | MOODS, max_size=6), st.integers(0, 6))
def test_undo_of_the_plugin_and_of_decisions(
    genres: list[str], steps: list[Any], undone_after: int
) -> None:
    """Whenever the changes by the plugin are undone, those of the user stay until they are."""
    journal = Journal(Path(":memory:"))
    values: dict[str, Any] = {"genres": genres}

    def undo(changes: Sequence[Change], kept: Sequence[Change] = ()) -> None:
        nonlocal values
        has_id = "genre_journal_id" in values
        values, conflicts = revert(values, changes)
        journal.mark_undone(changes, kept)
        assert conflicts == set()
        if has_id and journal.changes("track"):
            values["genre_journal_id"] = "track"

    def undo_plugin() -> None:
        decided = values.get("genre_review"), values["genres"]
        mood = values.get("mood")
        undo(*split_by_author(journal, journal.changes("track"), values))
        assert "predicted_genre" not in values
        if decided[0]:
            assert (values["genre_review"], values["genres"]) == decided
        assert values.get("mood") == mood

    for number, step in enumerate(steps):
        if isinstance(step, list):
            decide(journal, values, step)
        elif isinstance(step, str):
            decide_on_mood(journal, values, step)
        else:
            run(journal, values, *step)
        if number == undone_after:
            undo_plugin()
    undo_plugin()
    while changes := journal.changes("track"):
        undo([change for change in changes if change.run == changes[0].run])
    assert values == {"genres": genres}
    journal.close()


@given(GENRES, st.lists(PREDICTIONS | GENRES, min_size=1, max_size=6))
def test_compaction_keeps_the_newest_decision(genres: list[str], steps: list[Any]) -> None:
    journal = Journal(Path(":memory:"))
    values: dict[str, Any] = {"genres": genres}
    undecided: list[str] | None = None  # the genres before the newest decision
    for step in steps:
        if isinstance(step, list):
            number, before = len(journal.runs()), values["genres"]
            decide(journal, values, step)
            undecided = before if len(journal.runs()) > number else undecided
        else:
            run(journal, values, *step)
    own, _ = revert(values, after_decision(journal, journal.changes("track"), values))
    compact(journal, time.time() + 9)
    changes = journal.changes("track")
    assert revert(values, after_decision(journal, changes, values))[0]["genres"] == own["genres"]
    decisions = [change for change in changes if change.author == "user" and change.run]
    assert len(decisions) == (undecided is not None)
    if decisions:
        journal.mark_undone(changes[: changes.index(decisions[0])])
        assert revert(values, decisions)[0]["genres"] == undecided
    journal.close()


@given(GENRES, st.lists(PREDICTIONS, max_size=6))
def test_revert_restores_values_before_all_runs(
    genres: list[str], predictions: list[tuple[Policy, str | None]]
) -> None:
    journal = Journal(Path(":memory:"))
    values: dict[str, Any] = {"genres": genres}
    for policy, genre in predictions:
        run(journal, values, policy, genre)
    assert revert(values, journal.changes("track")) == ({"genres": genres}, set())
    journal.close()


@given(GENRES, st.lists(PREDICTIONS, min_size=1, max_size=6))
def test_revert_run_by_run(genres: list[str], predictions: list[tuple[Policy, str | None]]) -> None:
    journal = Journal(Path(":memory:"))
    values: dict[str, Any] = {"genres": genres}
    states = []
    for policy, genre in predictions:
        states.append((dict(values), run(journal, values, policy, genre)))
    for state, id_ in reversed(states):
        last = [change for change in journal.changes("track") if change.run == id_]
        values, conflicts = revert(values, last)
        journal.mark_undone(last)
        assert (values, conflicts) == (state, set())
    journal.close()


def test_revert_keeps_later_changes() -> None:
    journal = Journal(Path(":memory:"))
    values: dict[str, Any] = {"genres": ["Rock"]}
    run(journal, values, "replace", "jazz")
    values["genres"] = ["Bebop"]
    assert revert(values, journal.changes("track")) == ({"genres": ["Bebop"]}, {"genres"})
    run(journal, values, "replace", "metal")
    assert revert(values, journal.changes("track")) == ({"genres": ["Bebop"]}, {"genres"})
    journal.close()


def test_revert_ignores_unapplied_changes() -> None:
    journal = Journal(Path(":memory:"))
    journal.record(journal.begin("test"), "track", "database", "", {}, {"genres": ["jazz"]})
    assert revert({}, journal.changes("track")) == ({}, set())
    journal.close()


def test_tags_are_compared_by_their_text() -> None:
    journal = Journal(Path(":memory:"))
    old = {"genres": {"text": ["Rock"], "encoding": 0}}
    new = {"genres": {"text": ["jazz"], "encoding": 3}}
    journal.record(journal.begin("test"), "track", "file", "", old, new)
    found = {"genres": {"text": ["jazz"], "encoding": 1}}
    assert revert(found, journal.changes("track")) == (old, set())
    journal.close()


def test_first_change_creates_the_journal(tmp_path: Path) -> None:
    journal = Journal.for_library(tmp_path / "library.db")
    assert (journal.runs(), journal.changes("track")) == ([], [])
    assert [*tmp_path.iterdir()] == []
    journal.record(journal.begin("import"), "track", "database", "", {}, {"genres": []})
    journal.close()
    assert [path.name for path in tmp_path.iterdir()] == ["library.genre-journal.db"]
    assert [(run.id, run.command, run.objects, run.undone) for run in journal.runs()] == [
        (1, "import", 1, False)
    ]
    journal.close()


def test_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "library.genre-journal.db").write_text("no database" * 100)
    with pytest.raises(JournalError, match=r"genre-journal\.db: file is not a database; .*move it"):
        Journal.for_library(tmp_path / "library.db").begin("import")


def test_library_file_named_memory_has_a_journal_file() -> None:
    """Only `:memory:` itself is a library in memory."""
    assert Journal.for_library("/home/:memory:").path == Path("/home/:memory:.genre-journal.db")


def test_library_file_keeps_unknown_extensions() -> None:
    names = ("library.db", "musiclibrary.blb", "music.2019", "music.2020", "vol. 1.db", "music")
    assert [library_file(Path("/home") / name, ".genre-models").name for name in names] == [
        "library.genre-models",
        "musiclibrary.genre-models",
        "music.2019.genre-models",
        "music.2020.genre-models",
        "vol. 1.genre-models",
        "music.genre-models",
    ]


def test_journal_lock_is_fair(tmp_path: Path) -> None:
    stopped = threading.Event()

    def hog() -> None:
        journal = Journal(tmp_path / "library.genre-journal.db")
        while not stopped.is_set():
            with journal.lock():
                time.sleep(0.05)

    thread = threading.Thread(target=hog)
    thread.start()
    try:
        journal = Journal(tmp_path / "library.genre-journal.db")
        began = time.monotonic()
        for _ in range(5):
            with journal.lock():
                pass
        assert time.monotonic() - began < 50  # without a queue it gets in every 20 seconds or so
    finally:
        stopped.set()
        thread.join()


def test_pending_write_survives_undo_of_another_run(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "library.genre-journal.db")
    for genre in ("jazz", "pop"):
        journal.mark_write_pending("track")
        journal.record(
            journal.begin("test"), "track", "database", "a.mp3", {"genres": []}, {"genres": [genre]}
        )
    newest, oldest = journal.changes("track")
    journal.mark_undone([newest])
    assert journal.is_write_pending("track")
    journal.mark_undone([oldest])
    assert not journal.is_write_pending("track")
    journal.close()
