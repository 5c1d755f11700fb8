"""What tells one recording from another, whatever its file is called and its tags say."""

from __future__ import annotations

import os
from hashlib import blake2b
from itertools import islice, pairwise
from pathlib import Path

import av.error

from genremodel.audio import GUESSED_LENGTH, AudioError, PathLike, open_audio, packets

# Where packets are taken, in seconds, and how many: a few milliseconds' work.
_PLACES = (0, 5, 15, 30, 60)
_PACKETS = 24
# Nearer to the end than that nothing is taken but from the beginning: guessed lengths vary, and
# FFmpeg takes tags at the end of an MP3 for packets.
_MARGIN = 10  # s
# Containers whose length is guessed from the size of the file, tags and all.
_INCONSTANT_LENGTH = {*GUESSED_LENGTH, "asf", "dsf"}
_SIZE = 16  # bytes
_SAMPLE = 1 << 16  # bytes of a file that is no audio


def audio_digest(path: PathLike) -> bytes:
    """Return a digest of a bounded sample of the encoded audio of a file.

    It stays the same when the file is tagged, given a picture, renamed or moved. What cannot be
    opened as audio has a digest of its bytes. Raises OSError when it cannot be read.
    """
    try:
        return _packet_digest(path)
    except (AudioError, av.error.FFmpegError, ValueError):
        return byte_digest(path)


def _packet_digest(path: PathLike) -> bytes:
    container, stream = open_audio(path)
    with container:
        codec = stream.codec_context
        facts = [codec.name, codec.sample_rate, codec.layout.nb_channels]
        length = 0.0
        if stream.duration is not None and stream.time_base is not None:
            length = float(stream.duration * stream.time_base)
            if container.format.name not in _INCONSTANT_LENGTH:
                facts.append(stream.duration)
        digest = blake2b(repr(facts).encode(), digest_size=_SIZE)
        for place in _PLACES:
            if place:
                if place + _MARGIN > length:
                    break
                assert stream.time_base is not None
                container.seek(int(place / stream.time_base), stream=stream)
            full = (packet for packet in packets(container, stream) if packet.size)
            # Without the last one of the file: of a pair it is never the first.
            for packet, _ in islice(pairwise(full), _PACKETS):
                digest.update(packet)
        return digest.digest()


def byte_digest(path: PathLike) -> bytes:
    """Return a digest of the beginning of a file. Raises OSError."""
    file = Path(os.fsdecode(path))
    with file.open("rb") as content:
        digest = blake2b(content.read(_SAMPLE), digest_size=_SIZE)
    digest.update(str(file.stat().st_size).encode())
    return digest.digest()
