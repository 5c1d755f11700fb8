"""The steps from the published backbone and a data folder to the assets of `genremodel`.

Each step writes its asset and its part of `model.json`; the head needs the exported backbone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import sklearn

from genremodel import assets
from genremodel.audio import Windows
from genremodel.backbone import NETWORK, Backbone
from genremodel.backends import HEAD, NEIGHBOURS
from genremodel.constants import (
    FFT_SIZE,
    HOP_SIZE,
    LOG_GAIN,
    MEL_BANDS,
    SAMPLE_RATE,
    WINDOW_FRAMES,
    WINDOW_SAMPLES,
)
from genremodel.decision import Rules
from training.backbone import musicnn
from training.backbone.export import to_onnx
from training.backbone.prune import PrunedMusicnn, prune
from training.collection import Collection
from training.evaluation import cross_validate, validate
from training.fitting import (
    Classify,
    Fit,
    fit_head,
    fit_head_classifier,
    fit_knn,
    fit_temperature,
    prior,
)
from training.rows import Rows, read_activations, read_features
from training.styles import style_thresholds

VERSION = 1  # of the bundled model: raise it when its verdicts change
# Some three times what a guess among eleven genres would be right; the card tells how many tracks
# are decided at it, and how many of those rightly.
_MIN_CONFIDENCE = 0.3
_NEIGHBOURS = (5, 10, 20, 40)  # the values of K that are tried
_TOLERANCE = 1e-5  # largest difference from the published network


def build_backbone(folder: Path) -> None:
    """Fetch the published network, prune it, export it and check what was written."""
    published = musicnn.load_musicnn()
    pruned = prune(published)
    (folder / NETWORK).write_bytes(to_onnx(pruned).SerializeToString())
    difference = check_backbone(folder, published)
    if difference > _TOLERANCE:
        raise RuntimeError(f"{NETWORK} differs from the published network by {difference:.1e}")
    _describe(
        folder,
        tags=musicnn.TAGS,
        backbone={
            "source": f"MSD_musicnn of {musicnn.WHEEL.name} {musicnn.WHEEL.version}",
            "source_sha256": musicnn.WHEEL.sha256,
            "licence": "ISC",
            "channels": _channels(pruned),
            "published_channels": _channels(published),
            "agrees_within": _TOLERANCE,
        },
    )


def check_backbone(folder: Path, published: musicnn.Musicnn) -> float:
    """Return the largest difference of activations and embeddings from the published network's.

    It is measured on windows of noise, tones, clicks and silence, each through librosa's
    spectrogram and the plain NumPy network on one side, the package's own path on the other.
    """
    windows = _check_windows()
    found_activations, found_embeddings = Backbone((folder / NETWORK).read_bytes()).run(windows)
    worst = 0.0
    for row, samples in enumerate(windows.samples):
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


def build_head(folder: Path, collection: Collection) -> None:
    """Fit the genre head, calibrate and measure it on the valid files; set thresholds of styles."""
    backbone = Backbone((folder / NETWORK).read_bytes())
    rows = collection.training_activations(backbone)
    head = fit_head(rows)
    np.savez(folder / HEAD, weight=head.weight, bias=head.bias)
    _describe(
        folder,
        genres=np.unique(rows.genre).tolist(),
        prior=prior(rows),
        styles=style_thresholds(rows),
        data=collection.sources,
        tags=musicnn.TAGS,
    )
    valid = read_activations(collection.valid, backbone)
    scored = len(collection.taggrams or ())
    _calibrate(folder, "cnn", rows, valid, head.predict_proba, fit_head_classifier, scored)


def build_knn(folder: Path, collection: Collection) -> None:
    """Choose K across artists, keep the neighbours, calibrate on the valid files, and measure."""
    rows = collection.training_features()

    def accuracy(neighbours: int) -> float:
        rules = _rules(folder, "knn")
        figures = cross_validate(rows, lambda part: fit_knn(part, neighbours), rules)
        return float(figures["accuracy"])

    best = max(_NEIGHBOURS, key=accuracy)
    genre = np.unique(rows.genre, return_inverse=True)[1].astype(np.int8)
    np.savez(folder / NEIGHBOURS, features=rows.values, genre=genre, neighbours=best)
    valid = read_features(collection.valid)
    _calibrate(folder, "knn", rows, valid, fit_knn(rows, best), lambda part: fit_knn(part, best))


def _calibrate(
    folder: Path,
    backend: str,
    rows: Rows,
    valid: Rows,
    classify: Classify,
    fit: Fit,
    scored: int = 0,
) -> None:
    """Fit the temperature and write the backend's part of `model.json`, figures included."""
    genres = np.unique(rows.genre).tolist()
    temperature, evidence = fit_temperature(valid, classify(valid.values), genres)
    rules = _rules(folder, backend, temperature, evidence)
    _describe(
        folder,
        **{
            backend: {
                "id": rules.model,
                "temperature": temperature,
                "evidence": evidence,
                "min_confidence": rules.min_confidence,
                "cross_validation": cross_validate(rows, fit, rules, scored),
                "valid": validate(valid, classify, rules),
            }
        },
    )


def _rules(folder: Path, backend: str, temperature: float = 1.0, evidence: float = 0.0) -> Rules:
    model = read_description(folder)
    return Rules(
        genres=tuple(model["genres"]),
        prior=tuple(model["prior"]),
        temperature=temperature,
        evidence=evidence,
        min_confidence=_MIN_CONFIDENCE,
        model=f"bundled-{backend}-{VERSION}",
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
    files = [path for name in (NETWORK, HEAD, NEIGHBOURS) if (path := folder / name).exists()]
    checksums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    # Cross-validation depends on how scikit-learn draws its folds.
    fixed = {"version": VERSION, "scikit_learn": sklearn.__version__, "sha256": checksums}
    content = read_description(folder) | parts | fixed
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    (folder / assets.DESCRIPTION).write_text(text, encoding="utf-8")


def _channels(net: musicnn.Musicnn | PrunedMusicnn) -> int:
    blocks = (*net.timbral, *net.temporal, *net.middle)
    return sum(block.kernel.shape[2] for block in blocks)


def _check_windows() -> Windows:
    noise = np.random.default_rng(0).uniform(-1, 1, WINDOW_SAMPLES)
    time = np.arange(WINDOW_SAMPLES) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * time) for pitch in (220, 277.2, 329.6)) / 3
    clicks = np.zeros(WINDOW_SAMPLES)
    clicks[:: SAMPLE_RATE // 2] = 1
    signals = [noise, 0.01 * noise, chord, chord * noise, clicks, np.zeros(WINDOW_SAMPLES)]
    return Windows(np.zeros(len(signals)), np.stack(signals).astype(np.float32))
