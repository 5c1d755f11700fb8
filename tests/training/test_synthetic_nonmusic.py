from __future__ import annotations

import numpy as np

from genremodel.audio.params import SILENCE_PEAK, WINDOW_SAMPLES
from training.synthetic_nonmusic import nonmusic


def test_synthetic_nonmusic_is_audible_and_varied() -> None:
    sounds = nonmusic(8, np.random.default_rng(0))
    assert {*sounds} == {"noise", "tones", "pulses", "speech-like", "steady tones"}
    for windows in sounds.values():
        assert windows.shape == (8, WINDOW_SAMPLES)
        assert (np.abs(windows) <= 1).all()
        assert (np.abs(windows).max(axis=1) > SILENCE_PEAK).all()
        assert len(np.unique(windows.std(axis=1))) == 8
