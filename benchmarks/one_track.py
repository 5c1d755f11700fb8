"""Time all steps for one track in one process, by format, and other methods of classification."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from mediafile import MediaFile

from beetsplug.genreclf.fields import CONFIDENCE, MEDIA_FIELDS, MODEL, PREDICTED_GENRE
from beetsplug.genreclf.storage.inplace.redo_log import RedoLog
from beetsplug.genreclf.storage.journal import Journal
from beetsplug.genreclf.storage.tag_file import TagFile
from benchmarks.alternatives import bare_decoding, essentia_extractor, whole_track
from benchmarks.timing import Figures, Function, in_turn, ms, ratio
from genremodel import GenreClassifier
from genremodel.audio.digest import audio_digest
from genremodel.audio.windows import read_windows
from tests.sounds import ENCODERS, melody, write

SECONDS = 240
_ROUNDS = 7


def formats(root: Path) -> list[Figures]:
    """Time all steps for one track, and decoding alone."""
    sound = melody(SECONDS)
    files = {kind: write(root / f"a.{kind}", sound) for kind in ENCODERS}
    all_steps = whole_path(GenreClassifier(), next(iter(files.values())))
    figures = []
    for kind, path in files.items():
        functions: dict[str, Function] = {
            "total": all_steps,
            "decoding": read_windows,
            "ffmpeg": bare_decoding,
            "digest": audio_digest,
        }
        times = in_turn(functions, path, _ROUNDS)
        figures.append(
            {
                "format": kind,
                "total_ms": ms(times["total"]),
                "decoding_ms": ms(times["decoding"]),
                "ratio": ratio(times["total"], times["decoding"]),
                "ffmpeg_ms": ms(times["ffmpeg"]),
                "digest_ms": ms(times["digest"]),
            }
        )
    return figures


def whole_path(classifier: GenreClassifier, path: Path) -> Function:
    """Return a function that takes all steps for one track. path: beside which a journal is."""
    for name, field in MEDIA_FIELDS.items():
        if name not in MediaFile.fields():
            MediaFile.add_field(name, field)
    redo_log = RedoLog(Journal(path.with_name("journal.db")))

    def all_steps(path: Path) -> None:
        audio_digest(path)
        prediction = classifier.predict(path)
        file = TagFile(path)
        confidence = (prediction.confidence or 0) + perf_counter() % 0.01  # always a new value
        file.set(
            {PREDICTED_GENRE: prediction.genre, CONFIDENCE: confidence, MODEL: prediction.model}
        )
        file.save(redo_log, id3v23=False)

    return all_steps


def methods(root: Path) -> list[Figures]:
    """Time other methods of classification."""
    path = write(root / "a.mp3", melody(SECONDS))
    classifier = GenreClassifier()
    functions: dict[str, Function] = {
        "ten windows, pruned network": classifier.predict,
        "librosa, whole track, unpruned network": whole_track(),
    }
    if extractor := essentia_extractor():
        functions["Essentia MusicExtractor"] = extractor
    times = in_turn(functions, path, 2)
    (ours, *_) = times.values()
    return [
        {"method": method, "ms": ms(values), "ratio": ratio(values, ours)}
        for method, values in times.items()
    ]
