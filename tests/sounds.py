"""Synthesized music, and files of every container that beets tags, made with PyAV's encoders.

FFmpeg encodes neither Musepack nor Monkey's Audio: `tests/files` holds one short file of each. DSF
is written here, since DSD is only one bit after the other.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias, cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from numpy.typing import NDArray

Sound: TypeAlias = Callable[[float, int], NDArray[np.float32]]  # of so many seconds, and a seed

RATE = 44_100

# suffix of the file: encoder and its options. MP3 and Opus are encoded fast rather than well.
ENCODERS: dict[str, tuple[str, dict[str, str]]] = {
    "mp3": ("libmp3lame", {"compression_level": "7"}),
    "vbr.mp3": (
        "libmp3lame",
        {"compression_level": "7", "flags": "+qscale", "global_quality": str(5 * 118)},
    ),
    "flac": ("flac", {}),
    "ogg": ("vorbis", {"strict": "experimental"}),
    "opus": ("libopus", {"compression_level": "0"}),
    "m4a": ("aac", {}),
    "alac.m4a": ("alac", {}),
    "wav": ("pcm_s16le", {}),
    "aiff": ("pcm_s16be", {}),
    "wma": ("wmav2", {}),
    "wv": ("wavpack", {}),
}
WRITTEN = ("dsf",)
KEPT = {"mpc": "melody.mpc", "ape": "silence.ape"}
CONTAINERS = (*ENCODERS, *WRITTEN, *KEPT)


def melody(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Return stereo music of a sort, (2, samples): bass, chords, hi-hat, 120 beats a minute."""
    rng = np.random.default_rng(seed + 1)  # the first notes of 0 are hardly music to the model
    time = np.arange(int(seconds * RATE)) / RATE
    beat = (time * 2).astype(int)
    roots = 55 * 2 ** (rng.choice([0, 3, 5, 7, 10], beat.max() + 1) / 12)
    bass = np.sin(2 * np.pi * np.cumsum(roots[beat]) / RATE)
    chord = sum(np.sin(2 * np.pi * np.cumsum(roots[beat // 4 * 4] * r) / RATE) for r in (4, 5, 6))
    hat = rng.normal(size=len(time)) * np.exp(-((time * 4) % 1) * 20)
    left, right = 0.4 * bass + 0.1 * chord + 0.1 * hat, 0.4 * bass + 0.1 * chord - 0.05 * hat
    return np.stack([left, right]).astype(np.float32).clip(-1, 1)


def drums(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Return a drum loop of its own for each seed, stereo, (2, samples)."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    tempo = rng.uniform(1.5, 2.5)  # beats a second
    kick = np.sin(2 * np.pi * 50 * time) * np.exp(-((time * tempo) % 1) * 12)
    hits = ((time * tempo * 4).astype(int) * int(rng.integers(3, 9))) % 5 < 2
    snare = rng.normal(size=len(time)) * hits * np.exp(-((time * tempo * 4) % 1) * 8)
    return np.stack([0.6 * kick + 0.2 * snare] * 2).astype(np.float32).clip(-1, 1)


def write(path: Path, samples: NDArray[np.float32], rate: int = RATE) -> Path:
    """Encode samples, (channels, samples), in the container that the file's suffixes name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = _kind(path)
    if kind == "dsf":
        _write_dsf(path, samples)
        return path
    codec, options = ENCODERS[kind]
    with av.open(str(path), "w") as container:
        encoding_rate = 48_000 if kind == "opus" else rate
        stream = cast(AudioStream, container.add_stream(codec, encoding_rate, options=options))
        stream.layout = "stereo" if len(samples) == 2 else "mono"
        if codec == "wmav2":
            stream.bit_rate = 128_000
        resampler = av.AudioResampler(stream.format.name, stream.layout.name, encoding_rate)
        for start in range(0, samples.shape[1], RATE):
            part = np.ascontiguousarray(samples[:, start : start + RATE])
            frame = AudioFrame.from_ndarray(part, "fltp", stream.layout.name)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            for resampled in resampler.resample(frame):
                container.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            container.mux(stream.encode(resampled))
        container.mux(stream.encode(None))
    return path


def make(path: Path, seconds: float = 5, seed: int = 0, sound: Sound = melody) -> Path:
    """Write a file of music; `.mpc` and `.ape` are what `tests/files` holds, `.dsf` is short."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if stored := KEPT.get(path.suffix[1:]):
        shutil.copyfile(Path(__file__).parent / "files" / stored, path)
        return path
    length = min(seconds, 5.5) if path.suffix == ".dsf" else seconds
    shutil.copyfile(_made(_kind(path), length, seed, sound), path)
    return path


def _made(kind: str, seconds: float, seed: int, sound: Sound) -> Path:
    """Return the stored file of a sound. Encoding takes up to seconds, and many tests want it."""
    path = _store() / f"{sound.__name__}-{seconds:g}-{seed}.{kind}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:  # another worker may make it as well
            write(Path(folder) / f"a.{kind}", sound(seconds, seed)).replace(path)
    return path


@cache
def _store() -> Path:
    """Return the folder of sounds that this file makes with these encoders."""
    made_by = (
        Path(__file__).read_bytes()
        + repr((av.__version__, av.library_versions, np.__version__)).encode()
    )
    digest = hashlib.sha256(made_by).hexdigest()[:16]
    return Path(__file__).parents[1] / ".cache" / "test-sounds" / digest


def _kind(path: Path) -> str:
    return max((kind for kind in CONTAINERS if path.name.endswith(f".{kind}")), key=len)


def long_track(path: Path) -> Path:
    """Write an MP3 of an hour, without a header that would make seeking quick."""
    content = make(path, seconds=20).read_bytes()
    first = content.find(b"\xff\xfb", content.find(b"Info"))
    path.write_bytes(content[first:] * 180)
    return path


def _write_dsf(path: Path, samples: NDArray[np.float32]) -> None:
    """Write DSD64 (2.8 MHz, one bit) by first-order sigma-delta modulation, as DSF 1.01."""
    rate, block = 64 * RATE, 4096  # bits a second; bytes of one channel at a time
    held = np.repeat(((samples + 1) * 0x7FFF).astype(np.uint16), 64, axis=1)
    bits = np.cumsum(held, axis=1, dtype=np.uint16) < held  # where the running sum overflows
    data = [np.packbits(channel, bitorder="little") for channel in bits]
    blocks = -(-len(data[0]) // block)
    padded = [np.pad(channel, (0, blocks * block - len(channel))) for channel in data]
    payload = np.stack([c.reshape(blocks, block) for c in padded], axis=1).tobytes()
    form = struct.pack(
        "<4sQIIIIIIQII",
        *(b"fmt ", 52, 1, 0, len(samples), len(samples), rate, 1, bits.shape[1], block, 0),
    )
    total = 28 + len(form) + 12 + len(payload)
    path.write_bytes(
        struct.pack("<4sQQQ", b"DSD ", 28, total, 0)
        + form
        + struct.pack("<4sQ", b"data", 12 + len(payload))
        + payload
    )
