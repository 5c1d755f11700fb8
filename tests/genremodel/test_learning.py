from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from genremodel.analysis import EMBEDDING_SIZE, OUTPUT_SIZE, Analysis, NetworkOutputs
from genremodel.custom.dataset import LabeledTrack
from genremodel.custom.report import TrainingReport
from genremodel.custom.store import CustomModel
from genremodel.custom.train import learn
from genremodel.evaluation import TrainingError
from genremodel.models.heads import LOGITS, window_logits
from genremodel.models.novelty import NONMUSIC_NOVELTY
from genremodel.voting import vote_track

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(size=(6, LOGITS))


def example(
    genres: Sequence[int], artist: object, rng: np.random.Generator, *, is_music: bool = True
) -> LabeledTrack:
    """Return a track near the first of its genres."""
    place = CENTRES[genres[0]] + rng.normal(size=LOGITS)
    views = (place + 0.5 * rng.normal(size=(10, LOGITS))).clip(-6, 6)
    return LabeledTrack(views, is_music, tuple(f"genre {g}" for g in genres), f"artist {artist}")


def collection(tracks: int = 20, artists: int = 10) -> list[LabeledTrack]:
    """Return tracks of three genres, each artist of all."""
    rng = np.random.default_rng(1)
    return [example([genre], i % artists, rng) for genre in range(3) for i in range(tracks)]


def learned(examples: Sequence[LabeledTrack]) -> tuple[CustomModel, TrainingReport]:
    return learn(examples, name="mine", field="genres", version="v")


def outputs(views: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return outputs of the networks of which these are the views, heard by both."""
    activations, expert_activations = np.split(1 / (1 + np.exp(-views)), 2, axis=1)
    embeddings = np.zeros((len(views), EMBEDDING_SIZE))
    return NetworkOutputs(activations, embeddings, expert_activations).join()


def test_what_is_learned_is_named() -> None:
    examples = collection()
    model, lesson = learned(examples)
    assert (lesson.tracks, lesson.artists) == (60, 10)
    assert lesson.accuracy > 0.95
    assert lesson.decided > 0.9
    assert lesson.right is not None
    assert lesson.right > 0.95
    assert [genre.genre for genre in lesson.genres] == ["genre 0", "genre 1", "genre 2"]
    assert all((genre.tracks, genre.artists) == (20, 10) for genre in lesson.genres)
    assert not lesson.warnings
    rng = np.random.default_rng(7)
    for genre in range(3):
        judgement = model.predict_proba(outputs(example([genre], "new", rng).views))
        assert judgement.probabilities.mean(axis=0).argmax() == genre
        np.testing.assert_allclose(judgement.probabilities.sum(axis=1), 1)


def test_music_of_another_sort_is_left_alone() -> None:
    model, _ = learned(collection())
    rng = np.random.default_rng(7)
    named = 0
    for _ in range(10):
        judged = model.predict_proba(outputs(example([5], "new", rng).views))
        at, heard = np.arange(10.0), np.ones(10, np.bool_)
        named += vote_track(*judged, at, heard, model.params).genre is not None
    assert named <= 3


def test_an_artist_is_not_taken_for_a_genre() -> None:
    """Whoever splits by track finds all of them, because artists sound like themselves."""
    rng = np.random.default_rng(2)
    places = rng.normal(size=(24, LOGITS)) * 3
    examples = [
        LabeledTrack(
            (places[artist] + 0.1 * rng.normal(size=(10, LOGITS))).clip(-6, 6),
            True,
            (f"genre {artist % 2}",),
            f"artist {artist}",
        )
        for artist in range(24)
        for _ in range(5)
    ]
    _, lesson = learned(examples)
    assert lesson.accuracy < 0.75


def test_labels_without_sense_are_not_worth_saving() -> None:
    rng = np.random.default_rng(3)
    examples = [example([0], i, rng) for i in range(60)]
    mixed = [x._replace(genres=(f"genre {rng.integers(2)}",)) for x in examples]
    _, lesson = learned(mixed)
    assert "hardly better than chance" in lesson.warnings[0]


def test_a_wrong_label_is_doubted() -> None:
    examples = collection()
    examples[0] = examples[0]._replace(genres=("genre 2",))
    _, lesson = learned(examples)
    assert (lesson.doubts[0].index, lesson.doubts[0].genre) == (0, "genre 0")
    assert lesson.doubts[0].confidence > 0.5
    assert lesson.confused[0] == ("genre 2", "genre 0", 1)


def test_a_track_of_several_genres_is_right_by_any() -> None:
    rng = np.random.default_rng(4)
    examples = collection() + [example([0, 1], i, rng) for i in range(10)]
    _, lesson = learned(examples)
    assert [genre.tracks for genre in lesson.genres] == [30, 30, 20]
    assert lesson.accuracy > 0.95


def test_tracks_that_share_a_genre_are_told_apart_by_the_others() -> None:
    rng = np.random.default_rng(8)
    examples = [
        example([genre], i % 8, rng)._replace(genres=("a parent", f"genre {genre}"))
        for genre in range(2)
        for i in range(16)
    ]
    _, lesson = learned(examples)
    assert lesson.accuracy == 1
    assert [genre.tracks for genre in lesson.genres] == [32, 16, 16]


def test_what_is_no_music_is_not_counted_as_decided() -> None:
    examples = [x._replace(is_music=i % 4 > 0) for i, x in enumerate(collection())]
    assert learned(examples)[1].decided <= 0.75


def test_copies_of_one_track_teach_nothing() -> None:
    rng = np.random.default_rng(9)
    one = example([0], 0, rng)
    copies = [one._replace(genres=(f"genre {i % 2}",), artist=f"{i}") for i in range(20)]
    with pytest.raises(TrainingError, match="all the same"):
        learned(copies)


def test_a_genre_by_one_artist_is_not_doubted() -> None:
    rng = np.random.default_rng(10)
    alone = [example([2], "alone", rng) for _ in range(10)]
    _, lesson = learned([x for x in collection() if x.genres != ("genre 2",)] + alone)
    assert lesson.genres[2].recall == 0
    assert not any(doubt.index >= 40 for doubt in lesson.doubts)


def test_a_rare_genre_is_found_among_many_tracks_of_others() -> None:
    rng = np.random.default_rng(5)
    rare = [example([2], i, rng) for i in range(8)]
    common = [example([genre], i % 40, rng) for genre in (0, 1) for i in range(200)]
    _, lesson = learned(common + rare)
    assert lesson.genres[2].recall > 0.7


def test_what_must_be_there() -> None:
    examples = collection()
    with pytest.raises(TrainingError, match="two genres"):
        learned(examples[:20])
    with pytest.raises(TrainingError, match="by one artist"):
        learned([x._replace(artist="one") for x in examples])
    _, lesson = learned(collection(artists=3))
    assert "3 artists" in lesson.warnings[0]


def test_a_genre_of_no_music_can_be_learned() -> None:
    rng = np.random.default_rng(6)
    spoken = [example([3], i % 10, rng, is_music=False) for i in range(20)]
    model, _ = learned(collection() + spoken)
    noise = outputs(spoken[0].views)
    NetworkOutputs.split(noise).embeddings[:] = 100 * model.novelty.nonmusic[:-1]
    assert model.predict_proba(noise).novelty < NONMUSIC_NOVELTY
    strict, _ = learned(collection())
    NetworkOutputs.split(noise).embeddings[:] = 100 * strict.novelty.nonmusic[:-1]
    assert strict.predict_proba(noise).novelty == NONMUSIC_NOVELTY


def test_folds_without_tracks_are_left_out() -> None:
    rng = np.random.default_rng(11)
    artists, genres = (0, 1, 2, 3, 0, 0, 0, 1, 2), (0, 2, 0, 2, 0, 0, 0, 2, 0)
    pairs = zip(genres, artists, strict=True)
    _, lesson = learned([example([genre], artist, rng) for genre, artist in pairs])
    assert lesson.tracks == 9


def test_a_silent_track_teaches_nothing() -> None:
    values = RNG.random((3, OUTPUT_SIZE)).astype(np.float16)
    silent = Analysis(np.arange(3.0), np.zeros(3, np.bool_), values)
    assert LabeledTrack.of(silent, ["a"], "b") is None
    half = LabeledTrack.of(
        Analysis(np.arange(3.0), np.array([0, 1, 1], np.bool_), values), ["a"], "b"
    )
    assert half is not None
    np.testing.assert_allclose(
        half.views, window_logits(NetworkOutputs.split(values[1:])), rtol=1e-3
    )


@settings(deadline=None, max_examples=10)
@given(st.data())
def test_any_labels_give_figures_in_their_ranges(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    label = st.lists(st.integers(0, 3), min_size=1, max_size=2, unique=True)
    labels = data.draw(st.lists(label, min_size=4, max_size=20))
    artists = data.draw(st.lists(st.integers(0, 5), min_size=len(labels), max_size=len(labels)))
    examples = [example(g, a, rng) for g, a in zip(labels, artists, strict=True)]
    try:
        model, lesson = learned(examples)
    except TrainingError:  # too few
        return
    assert 0 <= lesson.accuracy <= 1
    assert 0 <= lesson.decided <= 1
    assert all(0 <= g.recall <= 1 and 0 <= g.precision <= 1 for g in lesson.genres)
    assert sum(n for _, _, n in lesson.confused) == round((1 - lesson.accuracy) * len(examples))
    assert sum(model.params.prior) == pytest.approx(1, abs=0.01)
