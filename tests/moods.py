"""Libraries whose tracks have moods, or predicted ones."""

from __future__ import annotations

import shutil

from tests.conftest import Beets


def label_moods(beets: Beets) -> None:
    """Import albums by six artists, and label the moods of their tracks."""
    beets.settings["genreclf"]["auto"] = False
    beets.add_collection()
    beets.import_music()
    beets("modify", "--yes", "title:tune", "mood=calm")
    beets("modify", "--yes", "title:loop", "mood=wild")


def predict_moods(beets: Beets) -> None:
    """Train a model of moods on six artists, and import albums by others with predicted moods."""
    label_moods(beets)
    beets("genreclf-train", "--min-tracks", "4", "--field", "mood")
    beets.settings["genreclf"] |= {"auto": True, "other_models": ["mood"]}
    shutil.rmtree(beets.music)
    beets.add_collection((6, 7, 8), label=False)
    beets.import_music()
