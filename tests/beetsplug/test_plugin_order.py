"""The warning of plugins that set genres after this one during an import."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Beets
from tests.faults import imported_first
from tests.variants import variant

PLUGINS = Path(__file__).parents[1] / "plugins"
WARNING = (
    "genreclf: imports run genreclf before {0}: genres that genreclf sets prevent a lookup there, "
    "or are replaced; list genreclf after {0} in `plugins`\n"
)
# What lastgenre needs of pylast to be loaded.
PYLAST = """
from unittest.mock import Mock
LastFMNetwork = Mock()
WSError = MalformedResponseError = NetworkError = Exception
"""


@pytest.mark.parametrize(
    ("order", "settings", "named"),
    [
        (["genreclf", "autogenre"], {}, "autogenre"),
        (["autogenre", "genreclf"], {}, None),
        (["genreclf", "stagedgenres"], {}, None),
        (["genreclf", "autogenre"], {"autogenre": {"auto": False}}, None),
        (["genreclf", "autogenre"], {"genreclf": {"policy": "never"}}, None),
        (["genreclf", "autogenre"], {"genreclf": {"auto": False}}, None),
        pytest.param(["genreclf", "lastgenre"], {}, "lastgenre", marks=variant),
        pytest.param(
            ["genreclf", "lastgenre"], {"lastgenre": {"auto": False}}, None, marks=variant
        ),
        (["genreclf", "lastgenre", "autogenre"], {}, "lastgenre and autogenre"),
    ],
)
def test_warning_of_other_sources(
    order: list[str], settings: dict[str, Any], named: str | None, beets: Beets
) -> None:
    """The lastgenre of beets is loaded, without pylast if that is not installed."""
    if "lastgenre" in order and not find_spec("pylast"):
        (beets.root / "pylast.py").write_text(PYLAST, encoding="utf-8")
        beets.environment |= imported_first(beets.root)
    beets.music.mkdir()
    beets.settings |= {"plugins": order, "pluginpath": str(PLUGINS), **settings}
    assert beets.run("ls").stderr == ""
    printed = beets.run("import", str(beets.music)).stderr
    assert printed.count("genreclf:") == bool(named)
    assert WARNING.format(named) in printed or not named


def test_the_order_of_the_warning_is_right(beets: Beets) -> None:
    beets.add("a.flac", seed=1)
    beets.settings |= {"plugins": ["autogenre", "genreclf"], "pluginpath": str(PLUGINS)}
    beets.import_music()
    assert beets.field("genres") == ["Looked Up"]
    (predicted,) = beets.field("predicted_genre")
    beets.settings["genreclf"]["policy"] = "append"
    beets("import", "-qA", "--library")
    assert beets.field("genres") == [f"Looked Up; {predicted.title()}"]
