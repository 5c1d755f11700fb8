"""Names that may hold anything, as text of one line."""

from __future__ import annotations

import os
import sys
import unicodedata


def is_control(character: str) -> bool:
    """Tell whether a character is no text: a control character, or half of one (a surrogate)."""
    return unicodedata.category(character) in ("Cc", "Cs")


def one_line(text: str) -> str:
    r"""Return a text in which control characters and line breaks are escaped, such as `\n`."""
    return "".join(
        character.encode("unicode_escape").decode()
        if is_control(character) or character in "\u2028\u2029"
        else character
        for character in text
    )


def displayable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as text to read, in which what is no text is replaced or escaped."""
    return one_line(os.fsencode(path).decode(errors="replace"))


def portable(path: str | bytes | os.PathLike[str]) -> str:
    """Return a path as text that does not depend on the locale.

    Bytes that are not UTF-8 are lone surrogates, which JSON can hold: to encode the text by UTF-8
    with "surrogateescape" gives the bytes of the path back.
    """
    return os.fsencode(path).decode("utf-8", sys.getfilesystemencodeerrors())
