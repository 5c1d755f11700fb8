"""What becomes of genres: the whole policy as one table, and what holds for any genres."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beetsplug.genreclf.genres.labels import is_placeholder
from beetsplug.genreclf.genres.policy import POLICIES, Policy, new_genres

# existing, before the plugin, predicted: fill, replace, append, prepend, never
TABLE = [
    ([], [], "jazz", ["jazz"], ["jazz"], ["jazz"], ["jazz"], []),
    (["Rock"], ["Rock"], "jazz", ["Rock"], ["jazz"], ["Rock", "jazz"], ["jazz", "Rock"], ["Rock"]),
    # It is there already, however it is spelled.
    (["Jazz"], ["Jazz"], "jazz", ["Jazz"], ["jazz"], ["Jazz"], ["Jazz"], ["Jazz"]),
    (["Hip-Hop"], ["Hip-Hop"], "hip hop", ["Hip-Hop"], ["hip hop"], *[["Hip-Hop"]] * 3),
    (["HipHop"], ["HipHop"], "hip hop", ["HipHop"], ["hip hop"], *[["HipHop"]] * 3),
    (["A", "B"], ["A", "B"], "B", ["A", "B"], ["B"], ["A", "B"], ["A", "B"], ["A", "B"]),
    # The plugin set the genre, and it was not changed since: it is replaced.
    (["pop"], [], "jazz", ["jazz"], ["jazz"], ["jazz"], ["jazz"], ["pop"]),
    (["A", "x"], ["A"], "jazz", ["A", "x"], ["jazz"], ["A", "jazz"], ["jazz", "A"], ["A", "x"]),
    (["x", "A"], ["A"], "jazz", ["x", "A"], ["jazz"], ["A", "jazz"], ["jazz", "A"], ["x", "A"]),
    (["jazz"], ["Rock"], "blues", ["blues"], ["blues"], ["blues"], ["blues"], ["jazz"]),
    (["jazz"], [], "jazz", ["jazz"], ["jazz"], ["jazz"], ["jazz"], ["jazz"]),
    # It was changed since: it is the user's.
    (["pop"], ["pop"], "jazz", ["pop"], ["jazz"], ["pop", "jazz"], ["jazz", "pop"], ["pop"]),
    # It is there as a part, or by a number; a genre whose name has a separator is one.
    (["Soul/Jazz"], ["Soul/Jazz"], "jazz", ["Soul/Jazz"], ["jazz"], *[["Soul/Jazz"]] * 3),
    (["Folk, World, & Country"], ["Folk, World, & Country"], "country",
     ["Folk, World, & Country"], ["country"], *[["Folk, World, & Country"]] * 3),
    (["(17)"], ["(17)"], "rock", ["(17)"], ["rock"], *[["(17)"]] * 3),
    (["Rap", "Hip-Hop"], ["Rap", "Hip-Hop"], "Hip-Hop/Rap",
     ["Rap", "Hip-Hop"], ["Hip-Hop/Rap"], *[["Rap", "Hip-Hop"]] * 3),
    (["Death/Doom"], ["Death/Doom"], "doom", ["Death/Doom"], ["doom"],
     ["Death/Doom", "doom"], ["doom", "Death/Doom"], ["Death/Doom"]),
    # Placeholders are as good as nothing, to fill.
    (["Other"], ["Other"], "jazz", ["jazz"], ["jazz"], ["Other", "jazz"], ["jazz", "Other"],
     ["Other"]),
    ([" ", "(12)"], [" ", "(12)"], "jazz", ["jazz"], ["jazz"], [" ", "(12)", "jazz"],
     ["jazz", " ", "(12)"], [" ", "(12)"]),
    (["None", "Ska"], ["None", "Ska"], "jazz", ["None", "Ska"], ["jazz"], ["None", "Ska", "jazz"],
     ["jazz", "None", "Ska"], ["None", "Ska"]),
    (["jazz"], ["Other"], "blues", ["blues"], ["blues"], ["blues"], ["blues"], ["jazz"]),
    (["Other"], ["Other"], None, ["Other"], ["Other"], ["Other"], ["Other"], ["Other"]),
    # To abstain changes nothing.
    ([], [], None, [], [], [], [], []),
    (["Rock"], ["Rock"], None, ["Rock"], ["Rock"], ["Rock"], ["Rock"], ["Rock"]),
    (["pop"], [], None, ["pop"], ["pop"], ["pop"], ["pop"], ["pop"]),
]  # fmt: skip
CASES = [
    (existing, before, genre, policy, new)
    for existing, before, genre, *results in TABLE
    for policy, new in zip(POLICIES, results, strict=True)
]


@pytest.mark.parametrize(("existing", "before", "genre", "policy", "new"), CASES)
def test_policy(
    existing: list[str], before: list[str], genre: str | None, policy: Policy, new: list[str]
) -> None:
    assert new_genres(existing, before, (genre,) if genre else (), policy) == new


@pytest.mark.parametrize(
    ("existing", "fill", "append", "prepend"),
    [
        ([], ["Rock", "Indie"], ["Rock", "Indie"], ["Rock", "Indie"]),
        (["Old"], ["Old"], ["Old", "Rock", "Indie"], ["Rock", "Indie", "Old"]),
        (["rock", "Old"], ["rock", "Old"], ["rock", "Old", "Indie"], ["rock", "Old", "Indie"]),
        (["indie"], ["indie"], ["indie", "Rock"], ["Rock", "indie"]),
        (["Indie/Rock"], ["Indie/Rock"], ["Indie/Rock"], ["Indie/Rock"]),
    ],
)
def test_style_comes_after_the_genre(
    existing: list[str], fill: list[str], append: list[str], prepend: list[str]
) -> None:
    given = ("Rock", "Indie")
    results = [new_genres(existing, existing, given, policy) for policy in POLICIES]
    assert results == [fill, [*given], append, prepend, existing]


texts = st.sampled_from(
    ["Rock", "Jazz", "jazz", "Pop", "Hip-Hop", "x", "Soul/Jazz", "(17)", "Other", "N/A", " ",
     "Pop, Rock", "Singer/Songwriter"]
) | st.text("aJ/,|;( )1270", max_size=6)  # fmt: skip
names = st.lists(texts, unique=True, max_size=4)
predicted = st.sampled_from(
    [(), ("jazz",), ("hip hop",), ("Pop",), ("Soul/Jazz",), ("Songwriter",), ("Pop", "Jazz")]
)


@given(names, predicted, st.sampled_from(["fill", "append", "prepend", "never"]))
def test_policy_keeps_existing_genres(
    existing: list[str], given: tuple[str, ...], policy: Policy
) -> None:
    new = new_genres(existing, existing, given, policy)
    if policy == "fill" and all(map(is_placeholder, existing)):
        assert new == ([*given] or existing)
    else:
        assert [name for name in new if name in existing] == existing
        assert len(new) <= len(existing) + len(given)


def test_policy_with_placeholders_and_custom_genres() -> None:
    ours = {"placeholders": frozenset({"To Do"}), "own": frozenset({"Soul/Jazz"})}
    assert new_genres(["to-do"], ["to-do"], ("jazz",), "fill", **ours) == ["jazz"]
    assert new_genres(["to-do"], ["to-do"], ("jazz",), "fill") == ["to-do"]
    both = ["Soul/Jazz", "jazz"]
    assert new_genres(both[:1], both[:1], ("jazz",), "append", **ours) == both


@given(names, predicted, st.sampled_from(POLICIES))
def test_policy_is_idempotent(existing: list[str], given: tuple[str, ...], policy: Policy) -> None:
    once = new_genres(existing, existing, given, policy)
    assert new_genres(once, existing, given, policy) == once


@given(names, predicted, st.sampled_from([("jazz",), ("Pop", "x")]), st.sampled_from(POLICIES))
def test_new_prediction_replaces_the_previous_one(
    existing: list[str], first: tuple[str, ...], second: tuple[str, ...], policy: Policy
) -> None:
    between = new_genres(existing, existing, first, policy)
    direct = new_genres(existing, existing, second, policy)
    assert new_genres(between, existing, second, policy) == direct
