from __future__ import annotations

import numpy as np
import pytest

from genremodel.audio.params import WINDOW_SAMPLES
from genremodel.audio.windows import Windows
from training.augmentation import augmented


@pytest.mark.parametrize(("windows", "copies"), [(0, 0), (1, 4), (2, 4), (3, 3)])
def test_augmented_windows(windows: int, copies: int) -> None:
    rng = np.random.default_rng(0)
    samples = rng.uniform(-0.5, 0.5, (windows, WINDOW_SAMPLES)).astype(np.float32)
    altered = augmented(Windows(np.arange(float(windows)), samples), rng)
    assert altered.samples.shape == (copies, WINDOW_SAMPLES)
    assert len(altered.starts) == copies
    assert (np.abs(altered.samples) <= 1).all()
    assert len(np.unique(altered.samples.std(axis=1))) == copies, "all copies differ"
