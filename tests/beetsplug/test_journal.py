from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.genres.policy import POLICIES, Policy, new_genres
from beetsplug.genreclf.storage.errors import JournalError
from beetsplug.genreclf.storage.journal import Journal, revert
from beetsplug.genreclf.storage.paths import library_file
from beetsplug.genreclf.storage.value_comparison import diff

GENRES = st.lists(st.sampled_from(["Rock", "Jazz", "jazz", "pop"]), unique=True)
PREDICTIONS = st.tuples(
    st.sampled_from(POLICIES), st.none() | st.sampled_from(["jazz", "pop", "metal"])
)


def run(journal: Journal, values: dict[str, Any], policy: Policy, genre: str | None) -> int:
    """Do to the values of a track what a run does."""
    id_ = journal.begin("test")
    before, _ = revert(values, journal.changes("track"))
    new = {
        "genres": new_genres(values["genres"], before["genres"], genre, policy),
        "predicted_genre": genre or "",
        "genre_confidence": None if genre is None else 0.5,
    }
    journal.record(id_, "track", "database", "a.mp3", *diff(values, new))
    values.clear()
    values.update(new)
    return id_


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
