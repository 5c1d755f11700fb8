"""Decide whether browsers play a file, by its container and codec."""

from __future__ import annotations

from genremodel.audio.decoding import (
    ESTIMATED_DURATION_FORMATS,
    PathLike,
    decoding_errors,
    header_duration,
    open_audio,
    read_duration,
)

# FFmpeg's names of a container and codec: MIME type
_TYPES = {
    ("mp3", "mp3"): "audio/mpeg",
    ("flac", "flac"): "audio/flac",
    ("ogg", "vorbis"): 'audio/ogg; codecs="vorbis"',
    ("ogg", "opus"): 'audio/ogg; codecs="opus"',
    ("ogg", "flac"): 'audio/ogg; codecs="flac"',
    ("mov", "aac"): 'audio/mp4; codecs="mp4a.40.2"',
    ("mov", "mp3"): 'audio/mp4; codecs="mp3"',
    ("mov", "flac"): 'audio/mp4; codecs="flac"',
    ("mov", "opus"): 'audio/mp4; codecs="opus"',
    ("aac", "aac"): "audio/aac",
    **{
        ("wav", f"pcm_{form}"): "audio/wav"
        for form in ("u8", "s16le", "s24le", "s32le", "f32le", "mulaw", "alaw")
    },
}
# Largest error, in seconds, of the length that a browser reads or estimates.
_TOLERANCE = 1.0


def media_type(path: PathLike) -> str | None:
    """Return the MIME type of a file that browsers play and seek.

    Parameters
    ----------
    path
        The file. Its name does not matter: `.m4a` may be AAC or ALAC.

    Returns
    -------
    str or None
        With the codec where the container has several. None if common browsers cannot play the
        codec, or would seek wrongly because the file has no header with its length.

    Raises
    ------
    AudioError
        If the file has no audio that can be decoded.

    Examples
    --------
    >>> media_type("none.mp3")
    Traceback (most recent call last):
    genremodel.errors.AudioError: No such file or directory
    """
    with decoding_errors():
        container, stream = open_audio(path)
        with container:
            form = container.format.name.partition(",")[0]
            found = _TYPES.get((form, stream.codec_context.codec.canonical_name))
            if found is None or form not in ESTIMATED_DURATION_FORMATS:
                return found
            estimated = header_duration(stream)
            if estimated is None:
                return None
            error = abs(read_duration(container, stream) - estimated)
            return found if error <= _TOLERANCE else None
