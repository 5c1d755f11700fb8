"""The documentation links to files and headings that exist."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/files/*.md")})

_FENCE = re.compile(r"^( *)```.*?^\1```$", re.M | re.S)
_CODE = re.compile(r"(`+)(.+?)\1")
_LINK = re.compile(r"\[[^][]*\]\(\s*([^)\s]+)\s*\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.M)


def prose(document: Path) -> str:
    return _FENCE.sub("", document.read_text(encoding="utf-8"))


def links(document: Path) -> list[str]:
    """Return the relative links of a document, images and anchors among them."""
    targets = _LINK.findall(_CODE.sub("code", prose(document)))
    return [target for target in targets if not re.match("[a-z]+:", target)]


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub makes them."""
    found: set[str] = set()
    counts = Counter[str]()
    for heading in _HEADING.findall(prose(document)):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-")
        found.add(f"{anchor}-{counts[anchor]}" if counts[anchor] else anchor)
        counts[anchor] += 1
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_resolve(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = unquote(link).partition("#")
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_links_are_found() -> None:
    """A change of style must not make the other test pass for want of links."""
    found = {link for document in DOCUMENTS for link in links(document)}
    assert {"docs/images/explain.svg", "options.md#policy", "#train-your-own-genres"} <= found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_document_is_linked(document: Path) -> None:
    targets = {
        (other.parent / link.partition("#")[0]).resolve()
        for other in DOCUMENTS
        for link in links(other)
        if other != document
    }
    assert document.name in ("README.md",) or document.resolve() in targets
