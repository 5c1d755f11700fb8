"""docs/large-collections.md: from the costs of a track to those of whole collections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.reports.markdown import render, rows

_TEMPLATE = Path(__file__).parent / "templates" / "large_collections.md"
_TRACKS = (10_000, 500_000, 10_000_000)
_CORES = (2, 8, 32)
_LINK = 125e6  # bytes per second of 1 Gbit/s


def large_collections_page(results: Mapping[str, Any], custom_genres: Mapping[str, Any]) -> str:
    """Return docs/large-collections.md."""
    costs = results["collection"]
    size = costs["bytes"]
    total_ms = costs["analyze_ms"] + costs["store_ms"]
    largest = _TRACKS[-1]
    return render(
        _TEMPLATE,
        system=results["systems"]["collection"],
        costs=costs,
        mp3=_bytes(costs["file_bytes"]),
        size={name: _bytes(each) for name, each in size.items()},
        read=rows(
            (of["format"], *(_bytes(of[name]) for name in ("size", "digest", "windows")))
            for of in costs["read"]
        ),
        collections=rows(
            (
                f"{tracks:,}",
                *(_time(tracks * first_run_ms(costs, cores)) for cores in _CORES),
                _time(tracks * costs["again_ms"]),
                _time(tracks * costs["unchanged"]["ms"]),
            )
            for tracks in _TRACKS
        ),
        storage=rows(
            (
                f"{tracks:,}",
                _bytes(tracks * costs["file_bytes"]),
                *(_bytes(tracks * size[name]) for name in ("cache", "journal", "database")),
                _bytes(tracks * 1000 * costs["unchanged"]["kb"]),
            )
            for tracks in _TRACKS
        ),
        stored_per_second=f"{1000 / costs['store_ms']:.0f}",
        useful_cores=f"{total_ms / costs['store_ms']:.0f}",
        link_tracks=f"{_LINK / costs['file_bytes']:.0f}",
        link_cores=f"{_LINK / costs['file_bytes'] * total_ms / 1000:.0f}",
        largest_analysis=_time(largest * costs["analyze_ms"] / _CORES[-1]),
        largest_rate=f"{1000 * _CORES[-1] / costs['analyze_ms']:.0f}",
        largest_bandwidth=_bytes(1000 * _CORES[-1] / costs["analyze_ms"] * costs["file_bytes"]),
        largest_store=_time(largest * costs["store_ms"]),
        largest_cache=_bytes(largest * size["cache"]),
        similar=costs["similar"],
        query=results["command"]["query"],
        training=custom_genres,
    )


def first_run_ms(costs: Mapping[str, Any], cores: int) -> float:
    """Return the time for each track: all cores analyze, but a single one stores at a time."""
    total: float = costs["analyze_ms"] + costs["store_ms"]
    return max(total / cores, costs["store_ms"])


def _time(milliseconds: float) -> str:
    """Return a duration with at least two digits: `7.1 h`."""
    for unit, length in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if milliseconds >= 1.5 * length:
            return f"{_two_digits(milliseconds / length)} {unit}"
    return f"{_two_digits(milliseconds / 1000)} s"


def _bytes(number: float) -> str:
    """Return a number of bytes with at least two digits: `3.8 MB`."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= length:
            return f"{_two_digits(number / length)} {unit}"
    return f"{number:.0f} bytes"


def _two_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"
