"""`make pictures`: the pictures in README and docs, of `beet genreclf-explain` and the review page.

The music is that of the demo, so the pictures name only tracks under Creative Commons licenses.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.text import Text

import demo
from docs import page_pictures

IMAGES = Path(__file__).parent / "images"
CLASSIFIED = "title:13 Monsters"  # by Lightning Bolt, CC BY-NC-SA 3.0 US
ABSTAINED = "title:Dracula Mountain"  # the same; its genre changes halfway
WIDTH = 76  # columns


def main() -> None:
    """Classify the demo's music in a scratch library and write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="genreclf-pictures-") as folder:
        scratch = Path(folder).resolve()
        demo.extract_excerpts(scratch / "music")
        demo.remove_genres(scratch / "music")
        demo.import_music(scratch)
        draw_terminal(scratch, IMAGES / "explain.svg")
        plot = scratch / "plot.png"
        demo.beet(scratch, "genreclf-explain", "--plot", str(plot), ABSTAINED)
        with Image.open(plot) as image:  # 256 colors take a fifth of the space
            image.convert("RGB").quantize(256).save(IMAGES / "explain.png", optimize=True)
        page_pictures.draw(scratch / "page", IMAGES)


def draw_terminal(scratch: Path, file: Path) -> None:
    """Write an SVG of a terminal in which `beet genreclf-explain` has run."""
    colors = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    output = demo.beet(scratch, "genreclf-explain", CLASSIFIED, **colors)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(f"$ beet genreclf-explain '{CLASSIFIED}'", style="bold", highlight=False)
    console.print(Text.from_ansi(output.replace(str(scratch), "~")))
    console.save_svg(str(file), title="beet", unique_id="explain")


if __name__ == "__main__":
    main()
