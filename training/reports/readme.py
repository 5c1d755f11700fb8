"""What is said of the model: its card, its diagram, and the figures in README.

All are generated: from `model.json`, and what a track costs from what `make bench` wrote.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

from training.reports import model_card as card

_ROOT = Path(__file__).parents[2]
CARD = _ROOT / "docs" / "model-card.md"
README = _ROOT / "README.md"
MEASURED = _ROOT / "benchmarks" / "results.md"

_FIGURES = re.compile(r"(?<=<!-- figures, by make model -->\n).*?(?=<!-- end of figures -->)", re.S)


def write(model: dict[str, Any]) -> None:
    """Write all of them. model: the contents of `model.json`."""
    measured = MEASURED.read_text(encoding="utf-8")
    CARD.write_text(card.render(model, measured), encoding="utf-8")
    draw(model, CARD.with_suffix(""))
    readme = README.read_text(encoding="utf-8")
    README.write_text(with_figures(readme, model), encoding="utf-8")


def draw(model: dict[str, Any], folder: Path) -> None:
    """Draw the reliability diagram of both models into `folder`."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="as it should be")
    for backend, protocol in (("cnn", "songs"), ("cnn", "files"), ("knn", "files")):
        if figures := model[backend].get(protocol):
            said, was = zip(*figures["reliability"], strict=True)
            axes.plot(said, was, marker="o", label=f"{model[backend]['id']}, {protocol}")
    axes.set(xlabel="confidence", ylabel="share of tracks that are right", xlim=(0, 1), ylim=(0, 1))
    axes.legend(frameon=False)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "reliability.png", dpi=110, metadata={"Software": None})


def with_figures(readme: str, model: dict[str, Any]) -> str:
    """Return the text of README with the model's figures between its two comments."""
    cnn = model["cnn"]
    songs, files = cnn["songs"], cnn["files"]
    sentences = (
        f"Of {songs['tracks']} songs of 30 seconds by artists that it has not heard, the first of "
        f"its networks names {songs['accuracy']:.0%} rightly (cross-validation grouped by artist). "
        f"It decides on {songs['coverage']:.0%} of them, and is right on "
        f"{songs['selective_accuracy']:.0%} of those; of genres that it does not know it leaves "
        f"{songs['unheard_genres']['abstained']:.0%} of the songs alone. Of {files['tracks']} "
        f"files of 2 to 20 seconds, heard by both, {files['accuracy']:.0%} are named rightly. "
        "The [model card](docs/model-card.md) tells what was measured and how, and "
        "what the model is not good for."
    )
    return _FIGURES.sub(lambda _: textwrap.fill(sentences, 100) + "\n", readme)
