"""The table of the model card about the threshold of the confidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.reports.markdown import rows, with_interval


def thresholds(cnn: Mapping[str, Any]) -> str:
    """Return the rows of coverage and selective accuracy by threshold. cnn: of `model.json`."""
    albums = cnn["albums"]["by_threshold"]
    parts = {
        "songs": cnn["songs"]["by_threshold"],
        "long files": cnn["files"]["by_threshold"],
        "songs on albums, `scope: track`": albums["track"],
        "songs on albums, `scope: auto`": albums["auto"],
        "songs on albums, `scope: album`": albums["album"],
    }
    return rows(
        (
            name,
            part["tracks"],
            part["artists"],
            of["threshold"],
            with_interval(of, "coverage"),
            with_interval(of, "selective_accuracy"),
        )
        for name, part in parts.items()
        for of in part["thresholds"]
    )
