"""The user's own genres, learned from the tracks that have them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from mediafile import MediaFile

from beetsplug.genreclf.commands.train import compare
from tests.conftest import Beets
from tests.labeled_tracks import labeled_track, labeled_tracks, trained
from tests.sounds import RATE, drums, make, melody, write

LEARN = ("genreclf-learn", "--min-tracks", "4")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Beets:
    beets = Beets(tmp_path_factory.mktemp("learn"))
    beets.settings["genreclf"]["auto"] = False
    beets.add_collection()
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache
    beets.keep()
    return beets


@pytest.fixture
def collector(library: Beets) -> Beets:
    """Return a library of six albums, each of a tune and a drum loop, with the user's genres."""
    library.restore()
    return library


def tag_others(beets: Beets) -> None:
    """Import tracks by two other artists, without genres."""
    shutil.rmtree(beets.music)
    beets.add_collection((6, 7), label=False)
    beets.import_music()


def test_what_it_says_and_keeps(collector: Beets) -> None:
    said = collector(*LEARN)
    assert "My Tunes" in said
    assert "12 tracks by 6 artists. Cross-validated on unseen artists:" in said
    assert "accuracy 100% (majority class: 50%); balanced accuracy: linear 100%" in said
    (listed,) = collector("genreclf-learn", "--list").splitlines()
    assert listed.startswith("mine: 2 genres of 12 tracks, learned 2")
    assert "from genres, 100% right, mine-" in listed

    collector(*LEARN, "--name", "two")
    collector("genreclf-learn", "--forget", "two")
    assert collector("genreclf-learn", "--list").splitlines() == [listed]
    done = collector.run("genreclf-learn", "--forget", "two")
    assert done.returncode == 1
    assert "there is no model 'two'; custom models: mine" in done.stderr
    assert "invalid model name 'auto'" in collector.run(*LEARN, "--name", "auto").stderr


def test_a_mislabelled_track_is_named(collector: Beets) -> None:
    collector("modify", "--yes", "title:loop 3", "genres=My Tunes")
    said = collector(*LEARN)
    suspect = said[said.index("possibly mislabeled:") :]
    assert "loop 3.mp3: My Tunes, predicted My Loops" in suspect


def test_what_the_plugin_gave_is_no_label(collector: Beets) -> None:
    """Or it would learn from itself."""
    collector("modify", "--yes", "genres=")
    collector.settings["genreclf"]["min_confidence"] = 0
    collector("genreclf")
    assert collector("ls", "genres::.")
    done = collector.run(*LEARN)
    assert "no track of the query has genres of your own" in done.stderr
    assert done.returncode == 1


def test_new_tracks_are_given_the_users_genres_and_new_ones_when_more_is_learned(
    collector: Beets,
) -> None:
    collector(*LEARN, "artist::[0-4]")
    collector.settings["genreclf"] |= {
        "auto": True, "title_case": True, "names": {"hip hop": "Rap"},
    }  # fmt: skip
    tag_others(collector)
    assert collector.field("genres", "artist:artist 6") == ["My Loops", "My Tunes"]
    for path in collector.library.glob("artist 6/*/*"):
        assert (MediaFile(path).genres or [""])[0].startswith("My ")
    (first,) = set(collector.field("genre_model", "artist::[67]"))
    collector(*LEARN)
    collector("genreclf", "artist::[67]")
    (second,) = set(collector.field("genre_model", "artist::[67]"))
    assert first.startswith("mine-")
    assert second.startswith("mine-")
    assert first != second


def test_model_that_does_not_beat_the_bundled_genres_is_not_used_unasked(
    collector: Beets,
) -> None:
    """All of it sounds electronic to the bundled model, which is right by family."""
    collector("modify", "--yes", "title:tune", "genres=Techno")
    collector("modify", "--yes", "title:loop", "genres=House")
    said = collector(*LEARN, "--name", "same").splitlines()
    assert said[0] == "no better than the bundled genres: both are 100% right on 12 tracks"
    assert said[-1].endswith(
        "not used by `model: auto`, because it does not beat the bundled genres; "
        "`model: same` in the configuration makes use of it anyway"
    )
    collector("genreclf", "artist:artist 0")
    assert all(m.startswith("bundled-") for m in collector.field("genre_model", "artist:artist 0"))

    collector("modify", "--yes", "title:loop 3", "genres=Techno")
    said = collector(*LEARN, "--name", "less").splitlines()
    assert said[0].startswith("worse than the bundled genres by 1 of 12 tracks: 92% right ")
    less, same = collector("genreclf-learn", "--list").splitlines()
    assert "worse than the bundled genres by 1 of 12 tracks" in less
    assert less.endswith("; not used by `model: auto`")
    assert same.endswith("; not used by `model: auto`")

    collector.settings["genreclf"]["model"] = "same"
    collector("genreclf", "artist:artist 0")
    assert all(m.startswith("same-") for m in collector.field("genre_model", "artist:artist 0"))


def test_better_model_is_used_also_where_a_worse_one_was_learned_later(collector: Beets) -> None:
    collector("modify", "--yes", "title:tune", "genres=Polka")
    collector("modify", "--yes", "title:loop", "genres=Bebop")
    said = collector(*LEARN).splitlines()
    assert said[0].startswith("better than the bundled genres by 12 of 12 tracks: 100% right ")
    assert said[-1].endswith("`beet genreclf` and imports use it from now on")
    collector("modify", "--yes", "title:tune", "genres=Techno")
    collector("modify", "--yes", "title:loop", "genres=House")
    assert "no better than" in collector(*LEARN, "--name", "later")
    collector("genreclf", "artist:artist 0")
    assert all(m.startswith("mine-") for m in collector.field("genre_model", "artist:artist 0"))


def test_model_that_was_learned_before_it_was_compared_is_used(collector: Beets) -> None:
    assert collector(*LEARN).startswith("not comparable with the bundled genres")
    file = collector.root / "library.genre-models" / "mine.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for name in ("compared", "own", "bundled", "missed", "default"):
        del content["metrics"][name]
    file.write_text(json.dumps(content), encoding="utf-8")
    assert collector("genreclf-learn", "--list").rstrip().endswith(content["id"])
    collector("genreclf", "artist:artist 0")
    assert set(collector.field("genre_model", "artist:artist 0")) == {content["id"]}


def test_genre_of_many_tracks_that_is_never_recognized_is_an_objection() -> None:
    rng = np.random.default_rng(0)
    alone = [labeled_track([3], "alone", rng) for _ in range(20)]
    _, lesson = trained(labeled_tracks() + alone)
    figures = compare(lesson, ["differs"] * 80)
    assert figures["own"] == 60
    assert figures["missed"] == ["genre 3"]
    assert not figures["default"]
    _, lesson = trained(labeled_tracks() + alone[:-1])
    assert compare(lesson, ["differs"] * 79)["default"]


def test_tracks_of_a_mixed_folder_are_by_their_own_artists(beets: Beets) -> None:
    """beets calls the commonest one the album artist of all."""
    beets.settings["genreclf"]["auto"] = False
    for number, artist in enumerate([*range(6), 0, 0]):
        for title, sound in (("tune", melody), ("loop", drums)):
            path = make(beets.music / f"{title} {number}.mp3", 6, number, sound)
            media = MediaFile(path)
            media.title, media.artist, media.album = path.stem, f"artist {artist}", "mixed"
            media.genres = [f"My {title.title()}s"]
            media.save()
    beets.import_music()
    assert set(beets.field("albumartist")) == {"artist 0"}
    assert "16 tracks by 6 artists" in beets(*LEARN)
    others = beets("genreclf-similar", "--not-artist", "title:tune 0", "-f", "$artist")
    assert set(others.splitlines()) == {f"artist {number}" for number in range(1, 6)}
    beets("modify", "--yes", "artist::[1-5]", "artist=artist 0 & $artist")
    beets("modify", "--yes", "title:7", "artist=Guest")
    assert "all tracks are by one artist" in beets.run(*LEARN).stderr


def test_placeholders_and_control_characters_are_not_learned(collector: Beets) -> None:
    collector.settings["genreclf"]["placeholders"] = ["to do"]
    collector("modify", "--yes", "artist::[01]", "genres=Unknown; My Tunes; TO DO")
    collector("modify", "--yes", "artist::[23]", "genres=My\x07Loops; My Tunes")
    collector("modify", "--yes", "artist::[45]", "genres=(17)")
    done = collector.run(*LEARN, "--force")
    assert "left out, not genres: TO DO (4), Unknown (4)" in done.stdout
    assert "'My\\x07Loops' left out, because it has control characters (4)" in done.stderr
    assert "\nMy Tunes " in done.stdout
    assert "\nRock " in done.stdout
    collector("modify", "--yes", "genres=Other", "taste=5")
    collector("genreclf-learn", "--forget", "mine")
    assert "has genres of your own" in collector.run(*LEARN).stderr
    assert (
        "left out, fewer than 13 tracks: 5 (12)"
        in collector.run("genreclf-learn", "--field", "taste", "--min-tracks", "13").stdout
    )


def test_too_little_is_not_saved(collector: Beets) -> None:
    assert "must be 2 or more" in collector.run("genreclf-learn", "--min-tracks", "1").stderr
    done = collector.run("genreclf-learn", "--min-tracks", "2", "artist::[01]")
    assert done.returncode == 1
    assert "nothing learned: there are too few" in done.stderr
    done = collector.run("genreclf-learn", "--min-tracks", "2", "artist::[0-2]")
    assert done.returncode == 1
    assert "with 3 artists, accuracy on unseen artists cannot be estimated" in done.stderr
    assert "nothing saved; --force saves it all the same" in done.stderr
    assert collector("genreclf-learn", "--list") == ""
    assert "saved as mine" in collector("genreclf-learn", "--min-tracks=2", "-f", "artist::[0-2]")


def test_rare_ones_are_left_out_and_spellings_joined(collector: Beets) -> None:
    collector("modify", "--yes", "title:tune 0", "genres=my-tunes")
    collector("modify", "--yes", "title:tune 1", "genres=Polka; My tunes")
    said = collector(*LEARN)
    assert "left out, fewer than 4 tracks: Polka (1)" in said
    assert "12 tracks by 6 artists" in said
    done = collector.run("genreclf-learn", "--min-tracks", "7")
    assert "left out, fewer than 7 tracks: My Loops (6), My Tunes (6)" in done.stdout
    assert "there is nothing to learn from" in done.stderr


def test_genres_of_another_field(collector: Beets) -> None:
    collector("modify", "--yes", "title:tune", "grouping=calm", "taste=good")
    collector("modify", "--yes", "title:loop", "grouping=wild", "taste=bad")
    collector(*LEARN, "--field", "grouping", "--name", "groups")
    collector(*LEARN, "--field", "taste", "--name", "tastes")
    collector("genreclf", "artist:artist 1")
    assert all(model.startswith("bundled-") for model in collector.field("genre_model", "artist:1"))
    for name, genres in (("groups", ["wild", "calm"]), ("tastes", ["bad", "good"])):
        collector.settings["genreclf"]["model"] = name
        collector("genreclf", "artist:artist 1")
        assert collector.field("predicted_genre", "artist:artist 1") == genres
    assert "no track of the query has mood" in collector.run(*LEARN, "--field", "mood").stderr
    done = collector.run(*LEARN, "--name", "tastes")
    assert done.returncode == 1
    assert "tastes has been learned from taste: add --field taste, another --name" in done.stderr
    said = collector.run(*LEARN, "--field", "predicted_genre").stderr
    assert "predicted_genre is what the plugin says itself" in said


def test_a_model_that_cannot_be_used(collector: Beets) -> None:
    collector(*LEARN)
    file = collector.root / "library.genre-models" / "mine.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "version": "of old"}), encoding="utf-8")
    done = collector.run("genreclf", "artist:artist 0")
    assert done.returncode == 0
    again = "train it again: beet genreclf-learn --name mine --field genres"
    assert f"using the bundled genres: mine: trained on analyses of another version; {again}" in (
        done.stderr
    )
    collector.settings["genreclf"]["model"] = "mine"
    done = collector.run("genreclf", "artist:artist 1")
    assert done.returncode == 1
    assert f"genreclf.model: mine: trained on analyses of another version; {again}" in done.stderr
    collector.settings["genreclf"]["model"] = "yours"
    assert "there is no model 'yours'" in collector.run("genreclf").stderr
    collector.settings["genreclf"]["model"] = "bundled"
    assert collector.run("genreclf").stderr.count("mine") == 0


def test_nothing_is_decided_anew_by_what_stands_in(collector: Beets) -> None:
    collector(*LEARN)
    collector.settings["genreclf"]["genres"] = "replace"
    collector("genreclf")
    before = collector.rows()
    (collector.root / "library.genre-models" / "other.json").write_text("{")
    done = collector.run("genreclf")
    assert "using the bundled genres: " in done.stderr
    assert collector.rows() == before
    done = collector.run("genreclf-learn", "--list")
    assert done.stdout.startswith("mine: ")
    assert "other.json" in done.stderr
    assert done.returncode == 1
    collector("genreclf-learn", "--forget", "other")
    assert collector("genreclf-learn", "--list").startswith("mine: ")


def test_options_that_name_learned_genres(collector: Beets) -> None:
    collector(*LEARN)
    collector.settings["genreclf"] |= {"ignore": ["My Tunes"], "names": {"my loops": "Loops"}}
    collector("genreclf")
    assert set(collector.field("predicted_genre", "predicted_genre::.")) == {"My Loops"}
    assert "saved as mine" in collector(*LEARN)
    assert collector("genreclf-similar", "title:tune 0")


def test_the_same_tracks_give_the_same_model(collector: Beets) -> None:
    said = [collector(*LEARN, order).splitlines()[-1] for order in ("title+", "title-")]
    assert said[0] == said[1]


def test_genres_from_another_library_are_the_plugins(collector: Beets) -> None:
    """Its journal is not here, but the tags tell what was predicted."""
    collector("modify", "--yes", "genres=")
    collector.settings["genreclf"]["min_confidence"] = 0
    collector("genreclf")
    (collector.root / "library.db").unlink()
    (collector.root / "library.genre-journal.db").unlink()
    collector("import", "--quiet", "--noautotag", "--nocopy", str(collector.library))
    assert collector("ls", "genres::.")
    assert "has genres of your own" in collector.run(*LEARN).stderr


def test_silent_tracks_are_named(collector: Beets) -> None:
    path = write(collector.music / "silent.flac", np.zeros((2, 4 * RATE), np.float32))
    media = MediaFile(path)
    media.title, media.genres = "silent", ["My Tunes"]
    media.save()
    collector("import", "--quiet", "--noautotag", "--singletons", str(path))
    done = collector.run(*LEARN)
    assert "silent.flac: silent, nothing to learn from" in done.stderr
    assert done.returncode == 0
    assert "12 tracks by 6 artists" in done.stdout


def test_the_fallback_cannot_learn(collector: Beets) -> None:
    collector.settings["genreclf"]["knn"] = True
    done = collector.run(*LEARN)
    assert done.returncode == 1
    assert "this cannot be done with the KNN fallback" in done.stderr


def test_a_file_that_is_gone_is_named_and_the_rest_is_learned(collector: Beets) -> None:
    (gone,) = collector.library.glob("artist 5/*/*tune*")
    gone.unlink()
    done = collector.run(*LEARN)
    assert f"{gone}: " in done.stderr
    assert "saved as mine" in done.stdout
    assert done.returncode == 1
