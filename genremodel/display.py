"""Show any string or path in one line, with its control characters escaped."""

from __future__ import annotations

import os
import sys
import unicodedata


def has_control_characters(text: str) -> bool:
    """Return True if a string cannot be shown in one line or cannot be encoded."""
    return any(map(_is_control, text))


def one_line(text: str) -> str:
    r"""Return a string with control characters and line breaks escaped, such as `\n`."""
    return "".join(
        character.encode("unicode_escape").decode() if _is_control(character) else character
        for character in text
    )


def displayable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as a readable string. Bytes that are not UTF-8 are replaced."""
    return one_line(os.fsencode(path).decode(errors="replace"))


def portable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as a string that does not depend on the locale.

    Bytes that are not UTF-8 become lone surrogates, which JSON can represent. Encode the string as
    UTF-8 with "surrogateescape" to get the bytes of the path.
    """
    return os.fsencode(path).decode("utf-8", sys.getfilesystemencodeerrors())


def _is_control(character: str) -> bool:
    """Return True for a control character, a surrogate or a line separator."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
