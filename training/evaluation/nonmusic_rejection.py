"""How much non-music is rejected, and how much music with it."""

from __future__ import annotations

from typing import Any

import numpy as np

from genremodel.models.nonmusic import is_nonmusic
from genremodel.prediction import DecisionParams
from genremodel.voting import vote_with_confidence
from training.datasets.nonmusic_recordings import SPEECH
from training.fit import PredictProba
from training.nonmusic_detector import Examples, UnseenMusic, fit_nonmusic, unseen_music
from training.window_table import WindowTable

_RESAMPLES = 1000


def measure_nonmusic(
    examples: Examples, sounds: WindowTable, classify: PredictProba, params: DecisionParams
) -> dict[str, Any]:
    """Return how non-music is rejected, and how much music is.

    Parameters
    ----------
    examples
        Of the detector.
    sounds
        What the model reads of the same sounds.
    classify, params
        The model, without a detector.

    Returns
    -------
    dict
        "music": of the tracks of music by unseen artists, see `UnseenMusic.rejected`: the share
        that may be rejected ("lost"), their number ("tracks"), that of the artists, the share that
        is rejected ("rejected"), and the bounds of its 95% confidence interval by bootstrap over
        artists ("lower", "upper"). "kinds": of each kind of sound, scored by a detector fitted
        without it: whether it is recorded, the number of sounds, the share rejected as non-music
        ("rejected"), the share without a genre ("abstained"), and the share of music that this
        detector rejects ("music_rejected"). "environment": the number of recorded kinds but speech,
        their sounds, the same shares, and the lowest share that is rejected of a kind ("lowest").
    """
    confidences = _confidences(sounds, classify, params)
    kinds: dict[str, dict[str, Any]] = {}
    for kind in sounds.groups.tolist():
        others = examples.without_kind(kind)
        weights = fit_nonmusic(others)
        unknown = examples.sounds[examples.sounds.in_group([kind])]
        _, _, members = unknown.by_track()
        rejected = np.array([is_nonmusic(weights, unknown.values[rows]) for rows in members])
        unsure = np.array([confidences[name] < params.min_confidence for name in unknown.names])
        kinds[kind] = {
            "recorded": bool(unknown.has_role("recorded").all()),
            "sounds": len(rejected),
            "rejected": round(float(rejected.mean()), 4),
            "abstained": round(float((rejected | unsure).mean()), 4),
            "music_rejected": round(float(unseen_music(others).rejected.mean()), 4),
        }
    recorded = [shares for kind, shares in kinds.items() if shares["recorded"] and kind != SPEECH]
    return {
        "music": _music(unseen_music(examples)),
        "kinds": kinds,
        "environment": _environment(recorded) if recorded else None,
    }


def _confidences(
    sounds: WindowTable, classify: PredictProba, params: DecisionParams
) -> dict[str, float]:
    """Return the confidence in the genre of each sound."""
    _, _, members = sounds.by_track()
    found = (classify(sounds.values[rows]) for rows in members)
    return {
        name: vote_with_confidence(*one, params, "majority")[1]
        for name, one in zip(sounds.names.tolist(), found, strict=True)
    }


def _music(tracks: UnseenMusic) -> dict[str, Any]:
    artists, owner = np.unique(tracks.artist, return_inverse=True)
    rejected = np.bincount(owner, tracks.rejected)
    total = np.bincount(owner)
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(artists), size=(_RESAMPLES, len(artists)))
    shares = rejected[drawn].sum(axis=1) / total[drawn].sum(axis=1)
    return {
        "lost": float(tracks.lost[0]),
        "tracks": int((tracks.shuffle == 0).sum()),
        "artists": len(artists),
        "rejected": round(float(tracks.rejected.mean()), 4),
        "lower": round(float(np.quantile(shares, 0.025)), 4),
        "upper": round(float(np.quantile(shares, 0.975)), 4),
    }


def _environment(kinds: list[dict[str, Any]]) -> dict[str, Any]:
    sounds = np.array([shares["sounds"] for shares in kinds])
    means = {
        name: round(float(np.average([shares[name] for shares in kinds], weights=sounds)), 4)
        for name in ("rejected", "abstained")
    }
    return {
        "kinds": len(kinds),
        "sounds": int(sounds.sum()),
        **means,
        "lowest": min(shares["rejected"] for shares in kinds),
    }
