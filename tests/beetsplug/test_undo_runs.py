"""Which runs and albums `beet genreclf-undo` restores, and what it shows of them."""

from __future__ import annotations

from mediafile import MediaFile

from tests.conftest import Beets
from tests.tagged_music import add_tags, tags_of
from tests.tags import every_tag, our_tags


def test_runs_are_undone_one_by_one(library: Beets) -> None:
    path = library.add("a.flac")
    add_tags(path)
    library.import_music()
    states = []
    for policy in ("append", "prepend", "replace"):
        library.settings["genreclf"]["policy"] = policy
        states.append((tags_of(library), library.rows()))
        library("genreclf", "--force")
    listed = library("genreclf-undo", "--list").splitlines()
    assert [line.split(":")[0] for line in listed] == ["1", "2", "3"]
    assert all(line.endswith("genreclf, 2 tracks and albums") for line in listed)

    refused = library.run("genreclf-undo", "--run", "1")
    assert refused.returncode == 1
    assert "changed by a later run; undo run 3 first" in refused.stderr
    for state in reversed(states):
        library("genreclf-undo", "--last")
        assert (tags_of(library), library.rows()) == state
    assert all("(undone)" in line for line in library("genreclf-undo", "--list").splitlines())
    nothing = library.run("genreclf-undo", "--last")
    assert (nothing.returncode, "nothing to undo" in nothing.stderr) == (0, True)
    unknown = library.run("genreclf-undo", "--run", "9")
    assert (unknown.returncode, "there is no run 9" in unknown.stderr) == (1, True)


def test_last_skips_runs_of_removed_tracks(library: Beets) -> None:
    for name in ("a.flac", "b.flac"):
        library.add(name)
    library.import_music("--singletons")
    library("genreclf", "title:a")
    library("genreclf", "title:b")
    done = library.run("genreclf-undo", "--last", "--run", "1")
    assert (done.returncode, "--last and --run cannot be combined" in done.stderr) == (1, True)
    library("remove", "--force", "title:b")
    library("genreclf-undo", "--last")
    assert not library("ls", "predicted_genre::.")
    assert "nothing to undo" in library.run("genreclf-undo", "--last").stderr


def test_import_can_be_undone(library: Beets) -> None:
    library.settings["genreclf"]["auto"] = True
    add_tags(library.add("a.flac"))
    tags = every_tag(library.music / "a.flac")
    library.import_music()
    assert library("genreclf-undo", "--list").endswith("import, 2 tracks and albums\n")
    (path,) = library.files()
    assert our_tags(path)
    library("genreclf-undo")
    assert every_tag(path) == tags
    assert library.field("genres") == ["Old School; Polka"]


def test_pretend_shows_changes_and_makes_none(library: Beets) -> None:
    for name in ("a.flac", "b.mp3"):
        add_tags(library.add(name))
    library.import_music()
    library("genreclf")
    journal = library.root / "library.genre-journal.db"
    state = tags_of(library), library.rows(), journal.read_bytes()
    done = library.run("genreclf-undo", "--pretend")
    assert done.returncode == 0
    assert "+ Old School" in done.stdout
    for title in ("a", "b"):
        assert f" - {title}: tags to restore: genres, predicted_genre" in done.stdout
    assert "2 tracks and 1 album would be restored, 0 failed" in done.stderr
    assert (tags_of(library), library.rows(), journal.read_bytes()) == state
    restored = library.run("genreclf-undo")
    assert "2 tracks and 1 album restored, 0 failed" in restored.stderr
    shown = [line for line in done.stdout.splitlines() if "tags to restore" not in line]
    assert shown == restored.stdout.splitlines()


def test_album_option_selects_albums(library: Beets) -> None:
    for number in range(2):
        media = MediaFile(library.add(f"{number}/a.flac"))
        media.album = f"album {number}"
        media.save()
    library.import_music()
    library("genreclf")
    done = library.run("genreclf-undo", "-a", "album:album 0")
    assert "1 track and 1 album restored" in done.stderr
    assert [bool(our_tags(path)) for path in library.files()] == [False, True]
    assert "No matching tracks." in library.run("genreclf-undo", "-a", "album:none").stderr
