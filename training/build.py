"""Build the assets of `genremodel` from the published backbones and a data folder.

Each step writes its asset and its part of `model.json`. The heads need the exported backbones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import sklearn
from numpy.typing import NDArray

from genremodel.audio.params import (
    FFT_SIZE,
    HOP_SIZE,
    LOG_GAIN,
    MEL_BANDS,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
)
from genremodel.calibration import Calibration
from genremodel.models import bundled as assets
from genremodel.models.bundled import HEADS_FILE, KNN_FILE, MSD_FILE, MTT_FILE
from genremodel.models.heads import GenreHeads
from genremodel.models.musicnn import MusicnnSession
from genremodel.models.nonmusic import NO_NONMUSIC_DETECTION
from genremodel.output_files import replace_atomically
from genremodel.prediction import DecisionParams
from genremodel.styles import described_styles
from training import release_checks
from training.corpus import Corpus
from training.datasets.track import DataError
from training.evaluation.ablation import ablations
from training.evaluation.album_scopes import measure_albums
from training.evaluation.evaluate import calibrated, measure
from training.evaluation.nonmusic_rejection import measure_nonmusic
from training.evaluation.style_labels import measure_styles
from training.feature_selection import choose, select_groups
from training.fit import (
    Fit,
    PredictProba,
    fit_head_classifier,
    fit_heads,
    fit_knn_classifier,
    prior,
    select_neighbors,
)
from training.methods import Features, Networks
from training.musicnn import network as musicnn
from training.musicnn.export import to_onnx
from training.musicnn.prune import DEAD_CHANNEL_THRESHOLD, PrunedMusicnn, prune
from training.nonmusic_detector import Examples, embeddings, fit_nonmusic
from training.style_thresholds import style_thresholds
from training.window_table import WindowTable

NETWORKS: dict[str, musicnn.Name] = {MSD_FILE: "MSD_musicnn", MTT_FILE: "MTT_musicnn"}
VERSIONS = {"cnn": 4, "knn": 5}  # of the bundled models: raise one when its predictions change
# Gives a coverage of three quarters on songs by unseen artists, and abstention on most songs of
# genres left out of training; the model card has the figures.
_MIN_CONFIDENCE = 0.7
# Shares of music by unseen artists that may be rejected. With less, the weaker features of the KNN
# fallback would reject few of the synthesized sounds.
_LOST = {"cnn": 0.005, "knn": 0.0125}
# Inverse regularization strengths of the detectors. For the CNN, 0.03 and 0.3 reject as much; with
# 0.1, the KNN fallback would reject music for its encoding.
_DETECTOR_C = {"cnn": 0.1, "knn": 0.01}
_SOUNDS = {"cnn": 300, "knn": 150}  # windows of each kind of non-music, if there is as much music
_ARRAYS = {"cnn": HEADS_FILE, "knn": KNN_FILE}
_TOLERANCE = 1e-5  # largest difference from the published network


def require_model_folder(folder: Path) -> None:
    """Create the folder of a model if it does not exist.

    Raises DataError if it has files of the same names that are not those of a model.
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
    names = (MSD_FILE, MTT_FILE, HEADS_FILE, KNN_FILE)
    foreign = [str(folder / name) for name in names if (folder / name).exists()]
    if foreign:
        raise DataError(f"{', '.join(foreign)}: no description of a model in this folder")
    _describe(folder, backbones={})  # marks the files of an interrupted build as ours


def build_backbones(folder: Path) -> None:
    """Download, prune, export and verify the published networks."""
    parts: dict[str, Any] = {}
    for file, name in NETWORKS.items():
        published = musicnn.load_musicnn(name)
        pruned = prune(published, DEAD_CHANNEL_THRESHOLD[name])
        replace_atomically(folder / file, to_onnx(pruned).SerializeToString())
        difference = check_backbone(folder / file, published)
        if difference > _TOLERANCE:
            raise RuntimeError(f"{file} differs from the published network by {difference:.1e}")
        parts[file] = {
            "source": f"{name} of {musicnn.WHEEL.name} {musicnn.WHEEL.version}",
            "source_sha256": musicnn.WHEEL.sha256,
            "license": musicnn.LICENSE,
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
    found_activations, found_embeddings = MusicnnSession(file.read_bytes()).run(windows)
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
    """Fit the genre heads on the whole corpus, calibrate and evaluate them, and write them.

    Raises WorseModelError if the corpus is that of the released model and the heads are worse.
    """
    networks = Networks.in_folder(folder)
    table = corpus.outputs(networks)
    heads = fit_heads(table, _stored_detector(folder, "cnn", len(NO_NONMUSIC_DETECTION)))
    shared = {
        "genres": table.genres.tolist(),
        "prior": prior(table.with_role("song", "train", "valid")),
    }
    params = _params("cnn", shared)
    figures = _evaluate(params, table, fit_head_classifier, seeds)
    if corpus.emotify:
        figures["albums"] = measure_albums(
            corpus, networks, table, fit_head_classifier, params, seeds
        )
    write_backend(
        folder,
        "cnn",
        heads.to_arrays(),
        figures,
        is_release=corpus.is_project_data,
        styles=style_thresholds(table.with_role("song", "train")),
        data=[asdict(source) for source in corpus.sources],
        **shared,
    )


def measure_ablations(folder: Path, corpus: Corpus) -> None:
    """Measure ablations of the heads, if there are whole songs."""
    if corpus.is_project_data:
        table = corpus.outputs(Networks.in_folder(folder))
        _describe(folder, ablations=ablations(table, _params("cnn", read_description(folder))))


def measure_style_labels(folder: Path, corpus: Corpus, id3_genres: Mapping[str, str]) -> None:
    """Measure the styles against the labels that there are, if there are whole songs and Emotify.

    id3_genres: of Emotify.
    """
    if corpus.is_project_data and corpus.emotify:
        networks, model = Networks.in_folder(folder), read_description(folder)
        figures = measure_styles(
            corpus.outputs(networks),
            corpus.emotify_outputs(networks),
            id3_genres,
            _params("cnn", model),
            described_styles(model),
        )
        _describe(folder, style_labels=figures)


def build_knn(folder: Path, corpus: Corpus, seeds: int) -> None:
    """Choose features and K, calibrate and evaluate the KNN fallback, and write its neighbors.

    The choice does not use the validation files, so that their figures are unaffected by it.
    Raises WorseModelError if the corpus is that of the released model and KNN is worse.
    """
    params = _params("knn", read_description(folder))
    table = corpus.features()
    choice = choose(table.with_role("train"), params)
    table = select_groups(table, choice.groups)
    known = select_neighbors(table)
    arrays: dict[str, NDArray[Any]] = {
        "features": known.values,
        "genre": known.genre_index(known.genres).astype(np.int8),
        "groups": np.array(choice.groups),
        "neighbours": np.array(choice.neighbors),
        "nonmusic": _stored_detector(folder, "knn", table.values.shape[1] + 1),
    }
    fit = partial(fit_knn_classifier, neighbors=choice.neighbors)
    figures = {**_evaluate(params, table, fit, seeds), "choice": asdict(choice)}
    write_backend(folder, "knn", arrays, figures, is_release=corpus.is_project_data)


def build_detectors(folder: Path, corpus: Corpus) -> None:
    """Fit and evaluate the detectors of non-music, and add them to the models that are there.

    Raises WorseModelError if the corpus is that of the released model and a detector is worse.
    """
    _build_cnn_detector(folder, corpus)
    _build_knn_detector(folder, corpus)


def _build_cnn_detector(folder: Path, corpus: Corpus) -> None:
    networks = Networks.in_folder(folder)
    music = corpus.outputs(networks).with_role("train", "valid", "altered")
    if corpus.more_music:
        music += corpus.more_outputs(networks)
    each = min(_SOUNDS["cnn"], len(music))
    sounds = corpus.reader.sounds(corpus.recordings, networks, each)
    heads = GenreHeads.from_arrays(_stored_arrays(folder, "cnn"))
    classify = replace(heads, nonmusic=NO_NONMUSIC_DETECTION).predict_proba
    examples = Examples(embeddings(music), embeddings(sounds), _LOST["cnn"], _DETECTOR_C["cnn"])
    _replace_detector(folder, "cnn", corpus, examples, sounds, classify)


def _build_knn_detector(folder: Path, corpus: Corpus) -> None:
    stored = _stored_arrays(folder, "knn")
    groups = stored["groups"].tolist()
    files = select_groups(corpus.features(), groups)
    music = files
    if corpus.more_music:
        music += corpus.reader.features(corpus.more_music, groups)
    each = min(_SOUNDS["knn"], len(music))
    sounds = corpus.reader.sounds(corpus.recordings, Features(tuple(groups)), each)
    classify = fit_knn_classifier(files, int(stored["neighbours"]))
    examples = Examples(music, sounds, _LOST["knn"], _DETECTOR_C["knn"])
    _replace_detector(folder, "knn", corpus, examples, sounds, classify)


def _replace_detector(
    folder: Path,
    backend: str,
    corpus: Corpus,
    examples: Examples,
    sounds: WindowTable,
    classify: PredictProba,
) -> None:
    """Fit, evaluate and write the detector of a backend. sounds, classify: `measure_nonmusic`."""
    model = read_description(folder)
    calibration = Calibration(**model[backend]["calibration"])
    params = replace(_params(backend, model), calibration=calibration)
    figures = {
        **model[backend],
        "id": params.model,
        "nonmusic": measure_nonmusic(examples, sounds, classify, params),
    }
    arrays = {**_stored_arrays(folder, backend), "nonmusic": fit_nonmusic(examples)}
    write_backend(
        folder,
        backend,
        arrays,
        figures,
        is_release=corpus.is_project_data,
        data=[asdict(source) for source in corpus.sources],
    )


def _stored_arrays(folder: Path, backend: str) -> dict[str, NDArray[Any]]:
    with np.load(folder / _ARRAYS[backend], allow_pickle=False) as stored:
        return dict(stored)


def _stored_detector(folder: Path, backend: str, size: int) -> NDArray[np.float64]:
    """Return the weights of the detector that is there, or of one that detects nothing."""
    if (folder / _ARRAYS[backend]).exists():
        weights = _stored_arrays(folder, backend)["nonmusic"]
        if weights.shape == (size,):
            return weights
    return np.zeros(size)


def _evaluate(params: DecisionParams, table: WindowTable, fit: Fit, seeds: int) -> dict[str, Any]:
    """Calibrate and evaluate a backend, and return its part of `model.json`."""
    params = calibrated(params, table, fit)
    return {
        "id": params.model,
        "calibration": asdict(params.calibration),
        "min_confidence": params.min_confidence,
        **measure(table, fit, params, seeds),
    }


def write_backend(
    folder: Path,
    backend: str,
    arrays: Mapping[str, NDArray[Any]],
    figures: Mapping[str, Any],
    *,
    is_release: bool,
    **parts: Any,
) -> None:
    """Write the arrays of a backend and its part of `model.json`, with other parts of it.

    Raises WorseModelError if a release is worse than it must be; then nothing is written.
    """
    if is_release:
        release_checks.check(backend, figures)
    content = BytesIO()
    np.savez(content, allow_pickle=False, **arrays)
    replace_atomically(folder / _ARRAYS[backend], content.getvalue())
    _describe(folder, **{backend: figures}, **parts)


def _params(backend: str, model: Mapping[str, Any]) -> DecisionParams:
    """Return the parameters of a backend before calibration. model: genres and prior."""
    return DecisionParams(
        genres=tuple(model["genres"]),
        prior=tuple(model["prior"]),
        calibration=Calibration(0.0, 1.0, 0.0, 0.0, 0.0),
        min_confidence=_MIN_CONFIDENCE,
        model=f"bundled-{backend}-{VERSIONS[backend]}",
        min_album_confidence=assets.ALBUM_MIN_CONFIDENCE if backend == "cnn" else None,
    )


def read_description(folder: Path) -> dict[str, Any]:
    """Return the content of `model.json`, empty if it does not exist."""
    path = folder / assets.DESCRIPTION
    if not path.exists():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _describe(folder: Path, **parts: Any) -> None:
    """Replace parts of `model.json` and update its checksums."""
    names = (MSD_FILE, MTT_FILE, HEADS_FILE, KNN_FILE)
    files = [path for name in names if (path := folder / name).exists()]
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    # Folds depend on the version of scikit-learn.
    fixed = {
        "scikit_learn": sklearn.__version__,
        "sha256": checksums,
        "bytes": sum(path.stat().st_size for path in files),
    }
    content = read_description(folder) | parts | fixed
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    replace_atomically(folder / assets.DESCRIPTION, text.encode())


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
