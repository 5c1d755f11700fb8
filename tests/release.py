"""`python -m tests.release FOLDER`: print the metadata and files of a release, and check them.

FOLDER: has the wheel and the source distribution. The variable TAG of the environment is the tag of
the release, empty in a dry run. Exits with 1 if the release is not ready.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

ROOT = Path(__file__).parents[1]
INSTALLATION = ("README.md", "docs/quickstart.md", "docs/recipes.md")
CHECKOUT = "a checkout of this repository"
PLACEHOLDER = "github.com/OWNER/"
SHOWN = ("Name", "Version", "Summary", "Author", "License-Expression", "Project-URL")


def main(folder: Path, tag: str) -> int:
    """Return the exit status."""
    (wheel,) = folder.glob("*.whl")
    metadata = read_metadata(wheel)
    for name in SHOWN:
        for value in metadata.get_all(name, []):
            print(f"{name}: {value}")
    for path in sorted(folder.iterdir()):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        print(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, sha256 {digest}")
    missing = [*problems(metadata, (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), tag)]
    missing += [
        f"{name} still installs from {CHECKOUT}"
        for name in INSTALLATION
        if CHECKOUT in (ROOT / name).read_text(encoding="utf-8")
    ]
    for problem in missing:
        print(f"not ready: {problem}")
    return bool(missing)


def read_metadata(wheel: Path) -> Message:
    """Return the metadata of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def problems(metadata: Message, changelog: str, tag: str) -> Iterator[str]:
    """Yield the reasons why a release must not be published."""
    version = metadata["Version"]
    if PLACEHOLDER in str(metadata):
        yield f"{PLACEHOLDER} is a placeholder: replace it in pyproject.toml"
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", changelog, re.M):
        yield f"CHANGELOG.md has no heading like '## {version} - 2026-12-31'"
    if tag and tag != f"v{version}":
        yield f"the tag is {tag}, and the version in pyproject.toml is {version}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), os.environ.get("TAG", "")))
