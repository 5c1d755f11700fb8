"""The warning of plugins that set genres after this one during an import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Beets

PLUGINS = Path(__file__).parents[1] / "plugins"
WARNING = (
    "genreclf: autogenre, listed after genreclf, would keep or replace the genres that genreclf "
    "sets; list genreclf last, so that `policy: fill` applies to the other genres: plugins: "
    "autogenre genreclf\n"
)


@pytest.mark.parametrize(
    ("order", "settings", "is_shown"),
    [
        (["genreclf", "autogenre"], {}, True),
        (["autogenre", "genreclf"], {}, False),
        (["genreclf", "stagedgenres"], {}, False),
        (["genreclf", "autogenre"], {"autogenre": {"auto": False}}, False),
        (["genreclf", "autogenre"], {"genreclf": {"policy": "never"}}, False),
        (["genreclf", "autogenre"], {"genreclf": {"auto": False}}, False),
    ],
)
def test_warning_of_other_sources(
    order: list[str], settings: dict[str, Any], is_shown: bool, beets: Beets
) -> None:
    beets.music.mkdir()
    beets.settings |= {"plugins": order, "pluginpath": str(PLUGINS), **settings}
    assert beets.run("ls").stderr == ""
    printed = beets.run("import", str(beets.music)).stderr
    assert printed.count(WARNING) == is_shown
    assert printed.count("genreclf:") == is_shown


def test_the_order_of_the_warning_is_right(beets: Beets) -> None:
    beets.add("a.flac", seed=1)
    beets.settings |= {"plugins": ["autogenre", "genreclf"], "pluginpath": str(PLUGINS)}
    beets.import_music()
    assert beets.field("genres") == ["Looked Up"]
    (predicted,) = beets.field("predicted_genre")
    beets.settings["genreclf"]["policy"] = "append"
    beets("import", "-qA", "--library")
    assert beets.field("genres") == [f"Looked Up; {predicted.title()}"]
