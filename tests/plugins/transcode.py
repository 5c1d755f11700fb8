"""`transcode.py SOURCE DEST`: transcode music to MP3, where no `ffmpeg` command is installed."""

from __future__ import annotations

import sys

import av


def transcode(source: str, destination: str) -> None:
    """Decode the first audio stream of a file and encode it as MP3, without tags."""
    with av.open(source) as music, av.open(destination, "w", format="mp3") as output:
        stream = output.add_stream("libmp3lame", 44_100)
        resampler = av.AudioResampler(stream.format.name, "stereo", 44_100)
        for frame in [*music.decode(music.streams.audio[0]), None]:
            for resampled in resampler.resample(frame):
                output.mux(stream.encode(resampled))
        output.mux(stream.encode(None))


if __name__ == "__main__":
    transcode(*sys.argv[1:])
