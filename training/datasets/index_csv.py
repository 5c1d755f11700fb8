"""Reads the `index.csv` next to the audio of some datasets."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import cast

from training.datasets.track import DataError, Split, Track, genre_name


def read_index(folder: Path) -> list[tuple[Track, str]]:
    """Return the tracks listed in `folder/index.csv`, each with the song that it is cut from.

    Columns: path, genre, and optionally track (the song), artist and split.
    """
    try:
        with (folder / "index.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as exc:
        raise DataError(f"{exc.filename}: {exc.strerror}") from exc
    return [
        (
            Track(
                path=folder / row["path"],
                name=row["path"],
                genre=genre_name(row["genre"]),
                artist=row.get("artist"),
                split=cast(Split, row.get("split", "train")),
            ),
            row.get("track", row["path"]),
        )
        for row in rows
    ]
