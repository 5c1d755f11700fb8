"""The steps from the published backbone and a data folder to the assets of `genremodel`.

Each step writes its asset and its part of `model.json`; the head needs the exported backbone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import sklearn
from numpy.typing import NDArray

from genremodel.analysis import NetworkOutputs
from genremodel.audio.decoding import Windows
from genremodel.audio.params import (
    FFT_SIZE,
    HOP_SIZE,
    LOG_GAIN,
    MEL_BANDS,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
)
from genremodel.models import bundled as assets
from genremodel.models.base import HEADS, NEIGHBOURS
from genremodel.models.librosa_features import window_features
from genremodel.models.musicnn import EXPERT, NETWORK, Backbone, MusicnnPair
from genremodel.outputs import replace_file
from genremodel.voting import Calibration, DecisionParams
from training.corpus import Corpus
from training.datasets.track import DataError
from training.evaluation.ablation import ablations
from training.evaluation.evaluate import calibrated, measure
from training.evaluation.ood import FitWithNonmusic, SelectColumns, measure_nonmusic
from training.feature_selection import choose, select_groups
from training.fit import (
    fit_heads,
    fit_nonmusic,
    judge_by_heads,
    judge_by_neighbours,
    neighbouring,
    prior,
)
from training.musicnn import network as musicnn
from training.musicnn.export import to_onnx
from training.musicnn.prune import DEAD_CHANNEL_THRESHOLD, PrunedMusicnn, prune
from training.style_thresholds import style_thresholds
from training.synthetic_nonmusic import nonmusic
from training.tables import WindowTable

NETWORKS: dict[str, musicnn.Name] = {NETWORK: "MSD_musicnn", EXPERT: "MTT_musicnn"}
VERSIONS = {"cnn": 3, "knn": 4}  # of the bundled models: raise one when its verdicts change
# Where three quarters of the songs by artists never heard are decided, and most of the songs of a
# genre never heard are not; the card has the figures.
_MIN_CONFIDENCE = 0.7
_SOUNDS = {"cnn": 300, "knn": 150}  # of each kind that is no music, where there is as much music
_TOLERANCE = 1e-5  # largest difference from the published network


def require_model_folder(folder: Path) -> None:
    """Make a folder for a model, if need be.

    Raises DataError where it holds files by the same names that are not of a model.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        described = (folder / assets.DESCRIPTION).exists()
        if described and "backbones" not in read_description(folder):
            raise DataError(f"{folder / assets.DESCRIPTION}: not the description of a model")
    except (OSError, ValueError, TypeError) as exc:
        raise DataError(f"{folder}: {exc}") from exc
    if described:
        return
    names = (NETWORK, EXPERT, HEADS, NEIGHBOURS)
    foreign = [str(folder / name) for name in names if (folder / name).exists()]
    if foreign:
        raise DataError(f"{', '.join(foreign)}: without the description of a model beside them")
    _describe(folder, backbones={})  # an interrupted build leaves files that are known again


def build_backbones(folder: Path) -> None:
    """Fetch the published networks, prune them, export them and check what was written."""
    parts: dict[str, Any] = {}
    for file, name in NETWORKS.items():
        published = musicnn.load_musicnn(name)
        pruned = prune(published, DEAD_CHANNEL_THRESHOLD[name])
        replace_file(folder / file, to_onnx(pruned).SerializeToString())
        difference = check_backbone(folder / file, published)
        if difference > _TOLERANCE:
            raise RuntimeError(f"{file} differs from the published network by {difference:.1e}")
        parts[file] = {
            "source": f"{name} of {musicnn.WHEEL.name} {musicnn.WHEEL.version}",
            "source_sha256": musicnn.WHEEL.sha256,
            "licence": musicnn.LICENSE,
            "trained_on": asdict(musicnn.TRAINED_ON[name]),
            "channels": _channels(pruned),
            "published_channels": _channels(published),
            "agrees_within": _TOLERANCE,
        }
    _describe(folder, tags=musicnn.TAGS, backbones=parts)


def check_backbone(file: Path, published: musicnn.Musicnn) -> float:
    """Return the largest difference of activations and embeddings from the published network's.

    It is measured on windows of noise, tones, clicks and silence, each through librosa's
    spectrogram and the plain NumPy network on one side, the package's own path on the other.
    """
    windows = _check_windows()
    found_activations, found_embeddings = Backbone(file.read_bytes()).run(windows)
    worst = 0.0
    for row, samples in enumerate(windows):
        mel = librosa.feature.melspectrogram(
            y=samples, sr=SAMPLE_RATE, n_fft=FFT_SIZE, hop_length=HOP_SIZE, n_mels=MEL_BANDS
        )
        log_mel = np.log10(1 + LOG_GAIN * mel.T[:WINDOW_FRAMES])
        activations, embedding = musicnn.forward(published, log_mel)
        worst = max(
            worst,
            float(np.abs(activations - found_activations[row]).max()),
            float(np.abs(embedding - found_embeddings[row]).max()),
        )
    return worst


def build_heads(folder: Path, corpus: Corpus, seeds: int) -> None:
    """Fit the genre heads on everything, calibrate them across artists, and measure the recipe."""
    backbones = _backbones(folder)
    table = corpus.outputs(backbones)
    music = table.with_role("train", "valid", "altered")
    sounds = _sounds("cnn", backbones.run, len(music))
    every = np.concatenate([*sounds.values()])
    heads = fit_heads(table, fit_nonmusic(_embeddings(music.values), _embeddings(every)))
    _save_arrays(folder / HEADS, heads.to_arrays())
    _describe(
        folder,
        genres=np.unique(table.genre).tolist(),
        prior=prior(table.with_role("song", "train", "valid")),
        styles=style_thresholds(table.with_role("song", "train")),
        data=[asdict(source) for source in corpus.sources],
    )
    _calibrate(folder, "cnn", table, judge_by_heads, sounds, _embeddings, seeds)


def measure_ablations(folder: Path, corpus: Corpus) -> None:
    """Measure ablations of the heads, if there are whole songs."""
    if corpus.taggrams:
        table = corpus.outputs(_backbones(folder))
        _describe(folder, tried=ablations(table, _params(folder, "cnn")))


def build_knn(folder: Path, corpus: Corpus, seeds: int) -> None:
    """Choose features and K across artists, keep the neighbours, calibrate, and measure.

    The choice is made without the validation files, whose figures are to tell how good it is.
    """
    table = corpus.features()
    choice = choose(table.with_role("train"), _params(folder, "knn"))
    table = select_groups(table, choice.groups)
    sounds = _sounds(
        "knn", lambda windows: window_features(windows.samples, choice.groups), len(table)
    )
    known = neighbouring(table)
    arrays: dict[str, NDArray[Any]] = {
        "features": known.values,
        "genre": np.unique(known.genre, return_inverse=True)[1].astype(np.int8),
        "groups": np.array(choice.groups),
        "neighbours": np.array(choice.neighbours),
        "nonmusic": fit_nonmusic(table.values, np.concatenate([*sounds.values()])),
    }
    _save_arrays(folder / NEIGHBOURS, arrays)
    fit = partial(judge_by_neighbours, neighbours=choice.neighbours)
    _calibrate(folder, "knn", table, fit, sounds, np.asarray, seeds, choice=asdict(choice))


def _embeddings(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    return NetworkOutputs.split(values).embeddings


def _backbones(folder: Path) -> MusicnnPair:
    network, expert = (Backbone((folder / name).read_bytes()) for name in (NETWORK, EXPERT))
    return MusicnnPair(network, expert)


def _sounds(
    backend: str, analyse: Callable[[Windows], NDArray[np.float32]], music: int
) -> dict[str, NDArray[np.float32]]:
    """Return what a backend hears in sounds that are no music, each on its own.

    music: how many windows there are of it, which sounds are not to outnumber.
    """
    kinds = nonmusic(min(_SOUNDS[backend], music), np.random.default_rng(0))
    return {
        kind: np.concatenate([analyse(Windows(np.zeros(1), sound[np.newaxis])) for sound in sounds])
        for kind, sounds in kinds.items()
    }


def _calibrate(
    folder: Path,
    backend: str,
    table: WindowTable,
    fit: FitWithNonmusic,
    sounds: Mapping[str, NDArray[np.float32]],
    select: SelectColumns,
    seeds: int,
    **known: Any,
) -> None:
    """Fit the calibration and write the backend's part of `model.json`, figures included.

    sounds, select: as `measure_nonmusic` has them. known: what else that part is to hold.
    """
    params = calibrated(_params(folder, backend), table, fit)
    figures = {
        "id": params.model,
        "calibration": asdict(params.calibration),
        "min_confidence": params.min_confidence,
        **known,
        **measure(table, fit, params, seeds),
        "nonmusic": measure_nonmusic(table, sounds, select, fit, params),
    }
    _describe(folder, **{backend: figures})


def _params(folder: Path, backend: str) -> DecisionParams:
    model = read_description(folder)
    return DecisionParams(
        genres=tuple(model["genres"]),
        prior=tuple(model["prior"]),
        calibration=Calibration(0.0, 1.0, 0.0, 0.0, 0.0),
        min_confidence=_MIN_CONFIDENCE,
        model=f"bundled-{backend}-{VERSIONS[backend]}",
    )


def read_description(folder: Path) -> dict[str, Any]:
    """Return `model.json` as far as it is written."""
    path = folder / assets.DESCRIPTION
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _describe(folder: Path, **parts: Any) -> None:
    """Replace parts of `model.json` and bring its checksums up to date."""
    names = (NETWORK, EXPERT, HEADS, NEIGHBOURS)
    files = [path for name in names if (path := folder / name).exists()]
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    # Cross-validation depends on how scikit-learn draws its folds.
    fixed = {
        "scikit_learn": sklearn.__version__,
        "sha256": checksums,
        "bytes": sum(path.stat().st_size for path in files),
    }
    content = read_description(folder) | parts | fixed
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    replace_file(folder / assets.DESCRIPTION, text.encode())


def _save_arrays(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    content = BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    replace_file(file, content.getvalue())


def _channels(net: musicnn.Musicnn | PrunedMusicnn) -> int:
    blocks = (*net.timbral, *net.temporal, *net.middle)
    return sum(block.kernel.shape[2] for block in blocks)


def _check_windows() -> NDArray[np.float32]:
    noise = np.random.default_rng(0).uniform(-1, 1, WINDOW_SAMPLES)
    time = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6)) / 3
    clicks = np.zeros(WINDOW_SAMPLES)
    clicks[:: SAMPLE_RATE // 2] = 1
    signals = [noise, 0.01 * noise, chord, chord * noise, clicks, np.zeros(WINDOW_SAMPLES)]
    return np.stack(signals).astype(np.float32)
