"""Other methods to analyze a track, and the lower bound of decoding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np

from genremodel.audio.decoding import open_audio, packets
from genremodel.audio.params import HOP_SIZE, SAMPLE_RATE, WINDOW_FRAMES, WINDOW_SECONDS
from genremodel.models.musicnn import MusicnnSession
from training.musicnn import network as musicnn
from training.musicnn.export import to_onnx
from training.musicnn.prune import prune

Method = Callable[[Path], object]


def bare_decoding(path: Path) -> None:
    """Seek to the same ten windows, decode them and discard the samples."""
    container, stream = open_audio(path)
    with container:
        assert stream.duration is not None
        assert stream.time_base is not None
        duration = float(stream.duration * stream.time_base)
        for start in (np.arange(10) + 0.5) * (duration - WINDOW_SECONDS) / 10:
            container.seek(int(start / stream.time_base), stream=stream)
            for packet in packets(container, stream):
                frames = packet.decode()
                if frames and frames[-1].time and frames[-1].time > start + WINDOW_SECONDS:
                    break


def whole_track() -> Method:
    """Return a method that runs the unpruned network on a whole track decoded by librosa."""
    network = MusicnnSession(to_onnx(prune(musicnn.load_musicnn(), dead=-1)).SerializeToString())

    def classify(path: Path) -> None:
        samples, _ = librosa.load(path, sr=SAMPLE_RATE)
        spectrum = np.abs(librosa.stft(samples, n_fft=512, hop_length=HOP_SIZE)) ** 2
        frames = spectrum.shape[1] // WINDOW_FRAMES * WINDOW_FRAMES
        power = spectrum[:, :frames].T.reshape(-1, WINDOW_FRAMES, spectrum.shape[0])
        for window in power:
            network.run_power(np.ascontiguousarray(window[np.newaxis], np.float32))

    return classify


def essentia_extractor() -> Method | None:
    """Return Essentia's MusicExtractor, or None if it is not installed."""
    try:
        import essentia
        from essentia.standard import MusicExtractor
    except ImportError:
        return None
    essentia.log.infoActive = essentia.log.warningActive = False
    return lambda path: MusicExtractor()(str(path))
