"""GTZAN in its public layout, with the fault-filtered split lists beside it.

G. Tzanetakis and P. Cook, "Musical genre classification of audio signals", 2002: 1,000 excerpts of
30 s as `genres/blues/blues.00000.wav` and so on (`genres_original` in some copies, `.au` in the
first). The fault-filtered split of Kereliuk, Sturm and Larsen (2015) is three lists of lines
`blues/blues.00029.wav`: `train_filtered.txt`, `valid_filtered.txt` and `test_filtered.txt`. Known
problems: duplicates, distortions, wrong labels and repeated artists (B. L. Sturm, 2013), which the
split excludes. The dataset is not downloaded: its excerpts are copyrighted.
"""

from __future__ import annotations

from pathlib import Path

from training.datasets.track import DataError, Split, Track, genre_name

LICENSE = "none: the recordings are copyrighted"

_LISTS: dict[Split, str] = {
    "train": "train_filtered.txt",
    "valid": "valid_filtered.txt",
    "test": "test_filtered.txt",
}
_AUDIO_FOLDERS = ("genres", "genres_original")
_SUFFIXES = (".wav", ".au", ".mp3", ".flac")


def recognizes(folder: Path) -> bool:
    """Return True if `folder` contains the split lists."""
    return (folder / _LISTS["train"]).exists()


def load(folder: Path) -> list[Track]:
    """Return the listed tracks. Raises DataError if a list or a listed file is missing."""
    audio = next((folder / name for name in _AUDIO_FOLDERS if (folder / name).is_dir()), folder)
    tracks: list[Track] = []
    for split, name in _LISTS.items():
        try:
            lines = (folder / name).read_text(encoding="utf-8").split()
        except OSError as exc:
            raise DataError(f"{exc.filename}: {exc.strerror}") from exc
        tracks += [_track(audio / line, split) for line in lines]
    return tracks


def _track(listed: Path, split: Split) -> Track:
    """Find the file by its stem: copies of the dataset differ in the suffix."""
    path = next((p for s in _SUFFIXES if (p := listed.with_suffix(s)).exists()), None)
    if path is None:
        raise DataError(f"{listed}: listed, but missing")
    return Track(path, path.stem, genre_name(path.parent.name), split=split)
