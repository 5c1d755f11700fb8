"""`python -m genremodel` as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from copy import deepcopy
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import genremodel
from genremodel import GenreClassifier
from genremodel.analyzer import BackendName
from genremodel.audio.params import SAMPLE_RATE
from genremodel.models import bundled as assets
from tests.cluster.processes import children
from tests.conftest import run_module
from tests.faults import without_modules
from tests.platforms import byte_names, posix
from tests.sounds import RATE, make, write
from tests.variants import variant, variants
from tests.waiting import wait_until
from training.synthetic_nonmusic import nonmusic

KEYS = {
    "path", "genre", "confidence", "reason", "votes", "probabilities", "novelty", "windows",
    "styles", "detected_styles", "model", "backend",
}  # fmt: skip


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    options = ["--threads=1", *map(str, arguments)]
    return run_module("genremodel", *options, cwd=Path.cwd(), environment=environment)


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return make(tmp_path / "song.mp3", seconds=8)


def test_json_output(song: Path) -> None:
    done = run("--json", "--windows", 4, song)
    (result,) = lines(done)
    assert done.returncode == 0
    assert set(result) == KEYS
    assert result["path"] == str(song)
    assert sum(result["votes"].values()) == len(result["windows"]) == 4
    assert set(result["windows"][0]) == {"start", "genre", "probability"}
    assert sum(result["probabilities"].values()) == pytest.approx(1)
    assert set(result["probabilities"]) == set(assets.description()["genres"])
    assert len(result["probabilities"]) == 11
    assert "hip hop" in result["probabilities"]
    assert (result["genre"] is None) == (result["reason"] is not None)
    assert (result["model"], result["backend"]) == ("bundled-cnn-4", "onnx")
    assert result["detected_styles"]
    assert bool(result["styles"]) <= bool(result["genre"])


def test_broken_and_missing_files_fail_alone(song: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp3"
    text.write_text("la la la")
    done = run("--json", text, song, tmp_path / "none.flac")
    broken, good, missing = lines(done)
    assert done.returncode == 1
    assert set(broken) == set(missing) == {"path", "error"}
    assert "Invalid data" in broken["error"]
    assert "No such file" in missing["error"]
    assert set(good) == KEYS
    table = run(text, song)
    assert table.returncode == 1
    assert f"{text}: Invalid data" in table.stderr
    assert "bundled-cnn-4" in table.stdout


def test_table_in_a_pipe_has_one_line_per_file(tmp_path: Path) -> None:
    songs = [make(tmp_path / f"{'long name ' * 15}{number}.flac") for number in range(2)]
    _, _, _, *rows, _ = run(*songs, COLUMNS="80").stdout.splitlines()
    assert [row.split("│")[1].strip() for row in rows] == [str(song) for song in songs]


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ODD_NAMES = [b"[red]:smile: \xc3\xbc.wav", b"a\nb\x1b[31m.wav", b"\xff\xfe.wav", b"\xc3.txt"]


@byte_names
@pytest.mark.parametrize(
    "environment",
    variants(
        [{}, ASCII, {"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}], default=[ASCII]
    ),
    ids=["utf-8", "C", "ascii", "latin-1"],
)
def test_any_locale_and_any_name(environment: dict[str, str], tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/"
    for name in ODD_NAMES[:3]:
        os.rename(make(tmp_path / "a.wav", seconds=1), folder + name)  # noqa: PTH104  # bytes
    Path(os.fsdecode(folder + ODD_NAMES[3])).write_text("la la la")
    done = run_bytes("--json", *(folder + name for name in ODD_NAMES), **environment)
    assert done.returncode == 1
    results = [json.loads(line) for line in done.stdout.decode("ascii").splitlines()]
    paths = [result["path"].encode("utf-8", "surrogateescape") for result in results]
    assert paths == [folder + name for name in ODD_NAMES]
    table = run_bytes(*(folder + name for name in ODD_NAMES), **environment)
    assert table.returncode == 1
    assert b"Traceback" not in table.stderr
    assert table.stdout.count(b"bundled-cnn-4") == 3
    assert b"[red]:smile: " in table.stdout
    assert rb"a\nb\x1b[31m.wav" in table.stdout
    (error,) = table.stderr.splitlines()
    assert b"Invalid data" in error


def run_bytes(*arguments: object, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "genremodel",
            "--threads=1",
            *(os.fsencode(str(a) if not isinstance(a, bytes) else a) for a in arguments),
        ],
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
    )


FULL = "the output cannot be written: No space left on device\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    ("options", "output", "message"),
    [
        ("--json", ">/dev/full", FULL),
        pytest.param("", ">/dev/full", FULL, marks=variant),
        ("", ">&-", "the standard output is closed\n"),
        pytest.param("--json", ">&-", "the standard output is closed\n", marks=variant),
        ("", "2>/dev/full >/dev/full", ""),
        pytest.param("--json", "2>/dev/full >/dev/full", "", marks=variant),
        pytest.param("", "2>&- >/dev/full", "", marks=variant),
        pytest.param("--json", "2>&- >/dev/full", "", marks=variant),
    ],
)
def test_output_that_cannot_be_written(options: str, output: str, message: str, song: Path) -> None:
    """A table has only the files that could be analyzed, JSON a line for the other one too."""
    files = '"$1.missing"' if options else '"$1" "$1.missing"'
    command = f'"$0" -m genremodel --threads=1 {options} {files} {output}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, str(song)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    missing = f"{song}.missing: No such file or directory\n"
    assert done.stderr in (message, missing + message)


def test_closed_output_pipe(song: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "genremodel", "--threads=1", "--json", song, song],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@posix
@pytest.mark.parametrize("options", variants([["--json"], []], default=[["--json"]]))
def test_sigterm_ends_quietly_and_keeps_what_is_finished(options: list[str], song: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "genremodel", "--threads=1", *options, song, *[song] * 2000],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    first = process.stdout.readline() if options else ""
    if not options:  # the table is printed when it ends
        wait_for_children(process)
    process.terminate()
    rest, message = process.communicate(timeout=100)  # workers would keep the standard error open
    assert process.returncode == 128 + signal.SIGTERM
    assert message == ""
    assert "bundled-cnn-4" in first + rest or not options


def wait_for_children(process: subprocess.Popen[str]) -> None:
    """Wait until a process has started others."""
    if Path(f"/proc/{process.pid}/task/{process.pid}/children").exists():
        wait_until(lambda: children(process.pid))
    else:
        time.sleep(3)


def test_silence_one_second_and_less(tmp_path: Path) -> None:
    silence = write(tmp_path / "silence.flac", np.zeros((2, 20 * RATE), np.float32))
    second = make(tmp_path / "second.ogg", seconds=1)
    blink = write(tmp_path / "blink.wav", np.full((2, RATE // 2), 0.5, np.float32))
    quiet, short, shorter = lines(run("--json", silence, second, blink))
    assert (quiet["genre"], quiet["confidence"], quiet["reason"]) == (None, None, "silence")
    assert quiet["votes"] == {}
    assert len(short["windows"]) == 1
    assert (shorter["reason"], shorter["windows"]) == ("too short", [])


@variant  # of `test_synthetic_nonmusic_has_no_genre`, and `test_missing_packages_are_named`
def test_knn_on_request(song: Path) -> None:
    done = run("--json", "--backend=knn", song)
    (result,) = lines(done)
    assert (result["model"], result["backend"]) == ("bundled-knn-5", "knn")
    assert done.stderr == ""


def test_numpy_without_onnxruntime(song: Path, tmp_path: Path) -> None:
    """In the workers, too."""
    (expected,) = lines(run("--json", song))
    done = run("--json", song, **without_modules(tmp_path / "shadow", "onnxruntime"))
    assert (done.returncode, done.stderr) == (0, "")
    (result,) = lines(done)
    assert (result["model"], result["backend"]) == ("bundled-cnn-4", "numpy")
    assert result["votes"] == expected["votes"]
    assert result["probabilities"] == pytest.approx(expected["probabilities"], abs=1e-3)
    assert lines(run("--json", "--backend=numpy", song)) == [result]


def test_missing_packages_are_named(song: Path, tmp_path: Path) -> None:
    environment = without_modules(tmp_path / "shadow", "onnxruntime", "librosa")
    for backend, reason in (
        ("knn", "it needs librosa: pip install librosa (no librosa here)"),
        ("onnx", "no onnxruntime here"),
    ):
        done = run("--backend", backend, song, **environment)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"no model can be loaded: {reason}\n"


def test_knn_replaces_a_damaged_network(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genremodel.models.bundled import MSD_FILE
    from genremodel.models.musicnn import bundled_session

    for file in assets.FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / MSD_FILE).write_bytes(b"garbage")
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    bundled_session.cache_clear()
    classifier = GenreClassifier()
    assert classifier.fallback_reason == f"{MSD_FILE}: wrong checksum"
    assert classifier.predict(song).model == "bundled-knn-5"
    (tmp_path / "knn.npz").unlink()
    with pytest.raises(genremodel.ModelError, match=r"wrong checksum; KNN: knn\.npz: No such file"):
        GenreClassifier()


NEEDED = [
    ("genres",), ("prior",), ("tags",), ("styles",), ("styles", "folk", "tag"),
    ("styles", "folk", "threshold"), ("sha256",), ("sha256", "knn.npz"), ("cnn",), ("cnn", "id"),
    ("cnn", "min_confidence"), ("knn", "calibration"), ("cnn", "calibration", "novelty"),
]  # fmt: skip


def test_damaged_description_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    description = json.loads((assets.FOLDER / assets.DESCRIPTION).read_text(encoding="utf-8"))
    monkeypatch.setattr(assets, "FOLDER", tmp_path)
    for *parents, name in NEEDED:
        for value in ([7], None):
            damaged = deepcopy(description)
            changed = reduce(getitem, parents, damaged)
            changed[name] = value
            if value is None:
                del changed[name]
            (tmp_path / assets.DESCRIPTION).write_text(json.dumps(damaged), encoding="utf-8")
            assets.description.cache_clear()
            with pytest.raises(genremodel.ModelError) as caught:
                GenreClassifier()
            place = re.escape(".".join((*parents, name)))
            assert re.fullmatch(rf"model\.json: {place} .*", str(caught.value))


@pytest.mark.parametrize("backend", variants(["onnx", "numpy", "knn"], default=["onnx"]))
def test_synthetic_noise_has_no_genre(backend: BackendName) -> None:
    time = np.arange(12 * RATE) / RATE
    noise = 0.3 * np.random.default_rng(5).uniform(-1, 1, len(time))
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    beat = 0.5 * (tone + 0.3 * np.sin(2 * np.pi * 350 * time))  # a telephone's
    classifier = GenreClassifier(backend=backend)
    for sound in (noise, tone, beat):
        prediction = classifier.predict((sound, RATE))
        assert (prediction.genre, prediction.reason, prediction.styles) == (None, "not music", ())


@pytest.mark.parametrize(("backend", "most"), [("onnx", 0), ("knn", 1)])
def test_synthetic_nonmusic_has_no_genre(backend: BackendName, most: int) -> None:
    classifier = GenreClassifier(backend=backend)
    kinds = nonmusic(3, np.random.default_rng(1))
    genres = [
        classifier.predict((sound, SAMPLE_RATE)).genre
        for sounds in kinds.values()
        for sound in sounds
    ]
    assert sum(genre is not None for genre in genres) <= most


def test_wrong_options() -> None:
    assert run().returncode == 2
    for windows in ("0", "x"):
        assert "must be a whole number from 1" in run("--windows", windows, "x.mp3").stderr


def test_cnn_does_not_import_librosa(song: Path) -> None:
    code = (
        "import sys; from genremodel import GenreClassifier; "
        f"GenreClassifier().predict({str(song)!r}); "
        "assert not {'librosa', 'numba', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_is_written_to_the_home_folder(song: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if "XDG" not in name}
    done = subprocess.run(
        [sys.executable, "-m", "genremodel", str(song)],
        env={**environment, "HOME": str(home)},
        capture_output=True,
        check=True,
    )
    assert done.stdout
    assert [*home.rglob("*")] == []
