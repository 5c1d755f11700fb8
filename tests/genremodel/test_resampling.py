from __future__ import annotations

import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from genremodel.resampling import Resampler

RATES = [8000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000]


def noise(samples: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-0.5, 0.5, samples).astype(np.float32)


def by_ffmpeg(signal: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    frame = AudioFrame.from_ndarray(signal[np.newaxis], "flt", "mono")
    frame.sample_rate = rate
    resampler = AudioResampler("flt", "mono", 16_000)
    parts = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in parts])


@pytest.mark.parametrize("rate", RATES)
def test_agrees_with_ffmpeg_from_the_first_sample_to_the_last(rate: int) -> None:
    signal = noise(2 * rate + 123)
    resampler = Resampler(rate)
    found = np.concatenate([resampler.feed(signal), resampler.flush()])
    np.testing.assert_allclose(found, by_ffmpeg(signal, rate), atol=2e-5)


@pytest.mark.parametrize("rate", [11_111, 44_101, 3_071_999])
def test_odd_rates_are_taken_for_their_neighbours(rate: int) -> None:
    tone = np.sin(np.arange(rate) * 2 * np.pi * 100 / rate).astype(np.float32)
    resampler = Resampler(rate)
    found = np.concatenate([resampler.feed(tone), resampler.flush()])
    expected = np.sin(np.arange(len(found)) * 2 * np.pi * 100 / 16_000)
    assert len(found) == pytest.approx(16_000, abs=1)
    np.testing.assert_allclose(found[100:-100], expected[100:-100], atol=0.02)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_parts_of_a_signal_are_seamless(rate: int) -> None:
    signal = noise(rate)
    whole, parts = Resampler(rate), Resampler(rate)
    found = [*map(parts.feed, np.split(signal, [100, rate // 2, rate // 2 + 1])), parts.flush()]
    expected = [whole.feed(signal), whole.flush()]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-6)


@pytest.mark.parametrize("samples", [1, 2, 10, 1000])
def test_short_signals(samples: int) -> None:
    resampler = Resampler(44_100)
    found = np.concatenate([resampler.feed(np.ones(samples, np.float32)), resampler.flush()])
    np.testing.assert_allclose(found, np.ones(-(-samples * 160 // 441)), atol=1e-5)
