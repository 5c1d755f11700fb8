from __future__ import annotations

import pytest

from genremodel.display import has_control_characters, one_line


@pytest.mark.parametrize("text", ["Ja\x07zz", "a\nb", "a\tb", "\x1b[31mRed", "a\x85b", "\ud800"])
def test_control_characters_are_found(text: str) -> None:
    assert has_control_characters(text)
    assert not has_control_characters("Música, 音楽 & R\u200d&B")


def test_names_are_shown_in_one_line() -> None:
    assert one_line("a\nb\x1b\u2028\udc80Música") == r"a\nb\x1b\u2028\udc80Música"
