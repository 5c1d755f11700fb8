"""`beet genreclf-train`: models of the user's own genres."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from mediafile import MediaFile

from beetsplug.genreclf.custom_training import compare
from tests.conftest import Beets, Prepared
from tests.labeled_tracks import labeled_track, labeled_tracks, trained
from tests.sounds import RATE, drums, make, melody, write

TRAIN = ("genreclf-train", "--min-tracks", "4")


def import_collection(beets: Beets) -> None:
    beets.settings["genreclf"]["auto"] = False
    beets.add_collection()
    beets.import_music()
    beets("genreclf", "--pretend")  # all of it is in the cache


@pytest.fixture
def collector(prepared: Prepared) -> Beets:
    """Return a library of six albums, each of a tune and a drum loop, with the user's genres."""
    return prepared(import_collection)


def tag_others(beets: Beets) -> None:
    """Import tracks by two other artists, without genres."""
    shutil.rmtree(beets.music)
    beets.add_collection((6, 7), label=False)
    beets.import_music()


def test_report_list_and_delete(collector: Beets) -> None:
    output = collector(*TRAIN)
    assert "My Tunes" in output
    assert "12 tracks by 6 artists. Cross-validated on unseen artists:\n" in output
    assert "accuracy 100% (majority class: 50%); balanced accuracy: linear 100%" in output
    (listed,) = collector("genreclf-train", "--list").splitlines()
    assert listed.startswith("mine: 2 genres, 12 tracks, trained 2")
    assert "on genres, accuracy 100%, mine-" in listed

    collector(*TRAIN, "--name", "two")
    assert collector("genreclf-train", "--delete", "two") == "deleted two\n"
    assert collector("genreclf-train", "--list").splitlines() == [listed]
    done = collector.run("genreclf-train", "--delete", "two")
    assert done.returncode == 1
    assert "there is no model 'two'; custom models: mine" in done.stderr
    assert "invalid model name 'auto'" in collector.run(*TRAIN, "--name", "auto").stderr


def test_mislabeled_track_is_listed(collector: Beets) -> None:
    collector("modify", "--yes", "title:loop 3", "genres=My Tunes")
    output = collector(*TRAIN)
    doubts = output[output.index("possibly mislabeled:") :]
    assert "loop 3.mp3: My Tunes, predicted My Loops" in doubts


def test_genres_set_by_the_plugin_are_not_trained_on(collector: Beets) -> None:
    """Or it would learn from itself."""
    collector("modify", "--yes", "genres=")
    collector.settings["genreclf"]["min_confidence"] = 0
    collector("genreclf")
    assert collector("ls", "genres::.")
    done = collector.run(*TRAIN)
    assert "no matching track has a genres value of its own" in done.stderr
    assert done.returncode == 1


def test_accepted_genres_are_trained_on_but_not_tested(collector: Beets) -> None:
    """Or the report would show how often the user accepts what the model predicts."""
    tag_others(collector)
    collector(*TRAIN)
    done = collector.run("genreclf", "--review", stdin="a\ne\nMy Loops\n")
    assert done.returncode == 0, done.stderr
    assert len(collector("ls", "genre_review:accepted").splitlines()) == 2
    output = collector(*TRAIN)
    assert "16 tracks by 8 artists. Cross-validated on unseen artists:\n" in output
    assert "tested on 14 tracks: the others are accepted predictions\n" in output
    assert "tested on" not in collector(*TRAIN, "^genre_review:accepted")
    decided, model = collector.field("genres", "genre_review::."), {*collector.field("genre_model")}
    collector.settings["genreclf"]["policy"] = "replace"
    collector("genreclf")
    assert model.isdisjoint(collector.field("genre_model", "genre_review::."))
    assert collector.field("genres", "genre_review::.") == decided


def test_imports_use_the_custom_model_and_training_again_replaces_it(
    collector: Beets,
) -> None:
    collector(*TRAIN, "artist::[0-4]")
    collector.settings["genreclf"] |= {"auto": True, "names": {"hip hop": "Rap"}}
    tag_others(collector)
    assert collector.field("genres", "artist:artist 6") == ["My Loops", "My Tunes"]
    for path in collector.library.glob("artist 6/*/*"):
        assert (MediaFile(path).genres or [""])[0].startswith("My ")
    (first,) = set(collector.field("genre_model", "artist::[67]"))
    collector(*TRAIN)
    collector("genreclf", "artist::[67]")
    (second,) = set(collector.field("genre_model", "artist::[67]"))
    assert first.startswith("mine-")
    assert second.startswith("mine-")
    assert first != second


def test_genres_of_a_custom_model_are_spelled_as_in_the_library(collector: Beets) -> None:
    collector(*TRAIN)
    tag_others(collector)
    collector("modify", "--yes", "title:tune", "artist::[0-5]", "genres=my tunes")
    collector("genreclf", "artist::[67]")
    assert collector.field("genres", "artist:artist 6") == ["My Loops", "my tunes"]
    assert collector.field("predicted_genre", "artist:artist 6") == ["My Loops", "My Tunes"]


def test_auto_ignores_models_no_better_than_the_bundled_one(
    collector: Beets,
) -> None:
    """All of it sounds electronic to the bundled model, which is right by family."""
    collector("modify", "--yes", "title:tune", "genres=Techno")
    collector("modify", "--yes", "title:loop", "genres=House")
    output = collector(*TRAIN, "--name", "same").splitlines()
    assert output[0] == "too few tracks to compare with the bundled model: 12"
    assert output[-1].endswith(
        "not used by `model: auto`: it is not known to be better than the bundled model; "
        "set `model: same` in the configuration to use it anyway"
    )
    collector("genreclf", "artist:artist 0")
    assert all(m.startswith("bundled-") for m in collector.field("genre_model", "artist:artist 0"))

    collector("modify", "--yes", "title:loop 3", "genres=Techno")
    collector(*TRAIN, "--name", "less")
    less, same = collector("genreclf-train", "--list").splitlines()
    assert "too few tracks to compare" in less
    assert less.endswith("; not used by `model: auto`")
    assert same.endswith("; not used by `model: auto`")

    collector.settings["genreclf"]["model"] = "same"
    collector("genreclf", "artist:artist 0")
    assert all(m.startswith("same-") for m in collector.field("genre_model", "artist:artist 0"))


def test_report_compares_with_the_bundled_model(prepared: Prepared) -> None:
    def import_more(beets: Beets) -> None:
        beets.settings["genreclf"]["auto"] = False
        beets.add_collection(range(16))
        beets.import_music()

    beets = prepared(import_more)

    def compare_with(tunes: str, loops: str) -> str:
        beets("modify", "--yes", "title:tune", f"genres={tunes}")
        beets("modify", "--yes", "title:loop", f"genres={loops}")
        return beets(*TRAIN).splitlines()[0]

    assert compare_with("Polka", "Bebop") == (
        "better than the bundled model by 32 of 32 tracks: accuracy 100% instead of 0%"
    )
    assert compare_with("Techno", "House") == (
        "no better than the bundled model: accuracy 100% on 32 tracks"
    )
    beets("modify", "--yes", "title:loop 3", "genres=Techno")
    worse = beets(*TRAIN).splitlines()[0]
    assert worse == ("worse than the bundled model by 1 of 32 tracks: accuracy 97% instead of 100%")
    assert worse in beets("genreclf-train", "--list")


def test_auto_prefers_a_better_model_to_a_newer_one(collector: Beets) -> None:
    collector("modify", "--yes", "title:tune", "genres=Polka")
    collector("modify", "--yes", "title:loop", "genres=Bebop")
    output = collector(*TRAIN).splitlines()
    assert output[-1].endswith("`beet genreclf` and imports will use it")
    collector("modify", "--yes", "title:tune", "genres=Techno")
    collector("modify", "--yes", "title:loop", "genres=House")
    assert "not used by `model: auto`" in collector(*TRAIN, "--name", "later")
    collector("genreclf", "artist:artist 0")
    assert all(m.startswith("mine-") for m in collector.field("genre_model", "artist:artist 0"))


def test_auto_uses_models_without_a_comparison(collector: Beets) -> None:
    """Models trained without the plugin have none."""
    assert collector(*TRAIN).startswith("not comparable with the bundled model")
    file = collector.root / "library.genre-models" / "mine.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    for name in ("compared", "own", "bundled", "missed", "default"):
        del content["metrics"][name]
    file.write_text(json.dumps(content), encoding="utf-8")
    assert collector("genreclf-train", "--list").rstrip().endswith(content["id"])
    collector("genreclf", "artist:artist 0")
    assert set(collector.field("genre_model", "artist:artist 0")) == {content["id"]}


def test_auto_ignores_models_that_never_recognize_a_common_genre() -> None:
    rng = np.random.default_rng(0)
    alone = [labeled_track([3], "alone", rng) for _ in range(20)]
    _, report = trained(labeled_tracks() + alone)
    figures = compare(report, ["differs"] * 80)
    assert figures["own"] == 60
    assert figures["missed"] == ["genre 3"]
    assert not figures["default"]
    _, report = trained(labeled_tracks() + alone[:-1])
    assert compare(report, ["differs"] * 79)["default"]


def test_mixed_folder_uses_track_artists(beets: Beets) -> None:
    """beets makes the most common artist the album artist of all tracks."""
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
    assert "16 tracks by 6 artists" in beets(*TRAIN)
    others = beets("genreclf-similar", "--other-artists", "title:tune 0", "-f", "$artist")
    assert set(others.splitlines()) == {f"artist {number}" for number in range(1, 6)}
    beets("modify", "--yes", "artist::[1-5]", "artist=artist 0 & $artist")
    beets("modify", "--yes", "title:7", "artist=Guest")
    assert "all tracks are by one artist" in beets.run(*TRAIN).stderr


def test_placeholders_and_control_characters_are_skipped(collector: Beets) -> None:
    collector.settings["genreclf"]["placeholders"] = ["to do"]
    collector("modify", "--yes", "artist::[01]", "genres=Unknown; My Tunes; TO DO")
    collector("modify", "--yes", "artist::[23]", "genres=My\x07Loops; My Tunes")
    collector("modify", "--yes", "artist::[45]", "genres=(17)")
    done = collector.run(*TRAIN, "--force")
    assert "skipped placeholders: TO DO (4), Unknown (4)" in done.stdout
    assert "skipped label 'My\\x07Loops': control characters (4 tracks)" in done.stderr
    assert "\nMy Tunes " in done.stdout
    assert "\nRock " in done.stdout
    collector("modify", "--yes", "genres=Other", "taste=5")
    collector("genreclf-train", "--delete", "mine")
    assert "has a genres value of its own" in collector.run(*TRAIN).stderr
    assert (
        "skipped labels with fewer than 13 tracks: 5 (12)"
        in collector.run("genreclf-train", "--field", "taste", "--min-tracks", "13").stdout
    )


def test_too_few_tracks_or_artists_save_no_model(collector: Beets) -> None:
    assert "must be 2 or more" in collector.run("genreclf-train", "--min-tracks", "1").stderr
    done = collector.run("genreclf-train", "--min-tracks", "2", "artist::[01]")
    assert done.returncode == 1
    assert "training failed: there are too few" in done.stderr
    done = collector.run("genreclf-train", "--min-tracks", "2", "artist::[0-2]")
    assert done.returncode == 1
    assert "with 3 artists, accuracy on unseen artists cannot be estimated" in done.stderr
    assert "model not saved; use --force to save it anyway" in done.stderr
    assert collector("genreclf-train", "--list") == ""
    assert "saved as mine" in collector("genreclf-train", "--min-tracks=2", "-f", "artist::[0-2]")


def test_album_option_selects_albums(collector: Beets) -> None:
    assert "10 tracks by 5 artists" in collector(*TRAIN, "-a", "album::[0-4]")
    done = collector.run(*TRAIN, "-a", "album:none")
    assert (done.returncode, done.stderr) == (0, "genreclf: No matching tracks.\n")


def test_rare_genres_are_skipped_and_spellings_merged(collector: Beets) -> None:
    collector("modify", "--yes", "title:tune 0", "genres=my-tunes")
    collector("modify", "--yes", "title:tune 1", "genres=Polka; My tunes")
    output = collector(*TRAIN)
    assert "skipped genres with fewer than 4 tracks: Polka (1)" in output
    assert "12 tracks by 6 artists" in output
    done = collector.run("genreclf-train", "--min-tracks", "7")
    assert "skipped genres with fewer than 7 tracks: My Loops (6), My Tunes (6)" in done.stdout
    assert "training failed: no genre has 7 tracks" in done.stderr


def test_field_option(collector: Beets) -> None:
    collector("modify", "--yes", "title:tune", "grouping=calm", "taste=good")
    collector("modify", "--yes", "title:loop", "grouping=wild", "taste=bad")
    collector(*TRAIN, "--field", "grouping", "--name", "groups")
    collector(*TRAIN, "--field", "taste")
    collector("genreclf", "artist:artist 1")
    assert all(model.startswith("bundled-") for model in collector.field("genre_model", "artist:1"))
    collector.settings["genreclf"]["other_models"] = ["groups", "taste"]
    collector("genreclf", "artist:artist 1")
    for name, values in (("grouping", ["wild", "calm"]), ("taste", ["bad", "good"])):
        assert collector.field(f"predicted_{name}", "artist:artist 1") == values
    assert (
        "no matching track has a mood value of its own"
        in collector.run(*TRAIN, "--field", "mood").stderr
    )
    done = collector.run(*TRAIN, "--name", "taste")
    assert done.returncode == 1
    assert "taste was trained on taste: use --field taste, another --name" in done.stderr
    output = collector.run(*TRAIN, "--field", "predicted_genre").stderr
    assert "predicted_genre is set by genreclf and cannot be trained on" in output


def test_outdated_model_is_reported(collector: Beets) -> None:
    collector(*TRAIN)
    file = collector.root / "library.genre-models" / "mine.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, "features_version": "of old"}), encoding="utf-8")
    done = collector.run("genreclf", "artist:artist 0")
    assert done.returncode == 0
    again = "train it again: beet genreclf-train --name mine --field genres"
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


def test_fallback_keeps_predictions_of_the_custom_model(collector: Beets) -> None:
    collector(*TRAIN)
    collector.settings["genreclf"]["policy"] = "replace"
    collector("genreclf")
    before = collector.rows()
    (collector.root / "library.genre-models" / "other.json").write_text("{")
    done = collector.run("genreclf")
    assert "using the bundled genres: " in done.stderr
    assert collector.rows() == before
    done = collector.run("genreclf-train", "--list")
    assert done.stdout.startswith("mine: ")
    assert "other.json" in done.stderr
    assert done.returncode == 1
    collector("genreclf-train", "--delete", "other")
    assert collector("genreclf-train", "--list").startswith("mine: ")


def test_options_with_custom_genres(collector: Beets) -> None:
    collector(*TRAIN)
    collector.settings["genreclf"] |= {"exclude": ["My Tunes"], "names": {"my loops": "Loops"}}
    collector("genreclf")
    assert set(collector.field("predicted_genre", "predicted_genre::.")) == {"My Loops"}
    assert "saved as mine" in collector(*TRAIN)
    assert collector("genreclf-similar", "title:tune 0")


def test_training_is_independent_of_track_order(collector: Beets) -> None:
    output = [collector(*TRAIN, order).splitlines()[-1] for order in ("title+", "title-")]
    assert output[0] == output[1]


def test_genres_set_in_another_library_are_not_trained_on(collector: Beets) -> None:
    """Its journal is missing, but the tags have the predicted genre."""
    collector("modify", "--yes", "genres=")
    collector.settings["genreclf"]["min_confidence"] = 0
    collector("genreclf")
    (collector.root / "library.db").unlink()
    (collector.root / "library.genre-journal.db").unlink()
    collector("import", "--quiet", "--noautotag", "--nocopy", str(collector.library))
    assert collector("ls", "genres::.")
    assert "has a genres value of its own" in collector.run(*TRAIN).stderr


def test_silent_tracks_are_reported(collector: Beets) -> None:
    path = write(collector.music / "silent.flac", np.zeros((2, 4 * RATE), np.float32))
    media = MediaFile(path)
    media.title, media.genres = "silent", ["My Tunes"]
    media.save()
    collector("import", "--quiet", "--noautotag", "--singletons", str(path))
    done = collector.run(*TRAIN)
    assert "silent.flac: skipped: silent" in done.stderr
    assert done.returncode == 0
    assert "12 tracks by 6 artists" in done.stdout


def test_training_needs_the_cnn(collector: Beets) -> None:
    collector.settings["genreclf"]["backend"] = "knn"
    done = collector.run(*TRAIN)
    assert done.returncode == 1
    assert "this command needs the CNN, not `backend: knn`" in done.stderr


def test_missing_file_is_reported_and_the_rest_trained_on(collector: Beets) -> None:
    (gone,) = collector.library.glob("artist 5/*/*tune*")
    gone.unlink()
    done = collector.run(*TRAIN)
    assert f"{gone}: " in done.stderr
    assert "saved as mine" in done.stdout
    assert done.returncode == 1
