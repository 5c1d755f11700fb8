"""The tables of the model card about albums that help their tracks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from training.reports.markdown import rows, with_interval

Figures: TypeAlias = Mapping[str, Any]

_DATA = {
    "songs": "whole songs",
    "emotify": "classical and electronic, Emotify",
    "all_emotify": "all genres, Emotify",
}
_SCOPES = ("track", "auto", "album")


def album_scopes(albums: Figures) -> str:
    """Return the rows of coverage and selective accuracy by scope."""
    return rows(
        (
            name,
            albums[data]["tracks"],
            albums[data]["artists"],
            scope,
            with_interval(albums[data][scope], "coverage"),
            with_interval(albums[data][scope], "selective_accuracy"),
        )
        for data, name in _DATA.items()
        for scope in _SCOPES
    )


def album_given(albums: Figures) -> str:
    """Return the rows of the tracks that get the genre of their album."""
    return rows(
        (
            name,
            f"{given['tracks']:.0f}",
            with_interval(given, "confidence"),
            with_interval(given, "accuracy"),
        )
        for data, name in _DATA.items()
        for given in [albums[data]["given"]]
    )
