"""Print any text or path in one line, whatever characters it has."""

from __future__ import annotations

import os
import sys
import unicodedata


def has_control_characters(text: str) -> bool:
    """Return whether a text has characters that cannot be shown in one line, or not be encoded."""
    return any(map(_is_control, text))


def one_line(text: str) -> str:
    r"""Return a text in which control characters and line breaks are escaped, such as `\n`."""
    return "".join(
        character.encode("unicode_escape").decode() if _is_control(character) else character
        for character in text
    )


def displayable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as readable text; bytes that are not UTF-8 are replaced."""
    return one_line(os.fsencode(path).decode(errors="replace"))


def portable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as text that does not depend on the locale.

    Bytes that are not UTF-8 are lone surrogates, which JSON can hold: to encode the text by UTF-8
    with "surrogateescape" gives the bytes of the path back.
    """
    return os.fsencode(path).decode("utf-8", sys.getfilesystemencodeerrors())


def _is_control(character: str) -> bool:
    """Return whether a character is a control character, a surrogate or a line separator."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
