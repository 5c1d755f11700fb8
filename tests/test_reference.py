"""The reference pages document every option, command and field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from beetsplug.genreclf import GenreClfPlugin
from beetsplug.genreclf.fields import FieldSet
from tests.conftest import Beets

DOCS = Path(__file__).parent.parent / "docs"
OPTIONS = (DOCS / "options.md").read_text(encoding="utf-8")
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")
FIELDS = (DOCS / "fields.md").read_text(encoding="utf-8")


@pytest.fixture
def beets(tmp_path: Path) -> Beets:
    return Beets(tmp_path)


def test_options_are_documented_with_their_defaults(beets: Beets) -> None:
    beets.settings.pop("genreclf")
    beets("ls")  # creates the library, which prints more
    defaults = yaml.safe_load(beets("config", "--defaults"))["genreclf"]
    (example,) = re.findall(r"```yaml\n(plugins: genreclf\n\ngenreclf:\n.*?)```", OPTIONS, re.S)
    options = yaml.safe_load(example)["genreclf"]
    assert options == defaults
    assert re.findall(r"^## `(\w+)`$", OPTIONS, re.M) == [*options]


def test_commands_are_documented_with_their_options(beets: Beets) -> None:
    names = re.findall(r"^  (genreclf[\w-]*)", beets("help"), re.M)
    parts = re.split(r"^## `beet (genreclf[\w-]*)`$", COMMANDS, flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert sections.keys() == set(names)
    for name, section in sections.items():
        options = set(re.findall(r"--[a-z][a-z-]*", beets(name, "--help"))) - {"--help"}
        undocumented = {option for option in options if f"`{option}" not in section}
        assert not undocumented, name


@pytest.mark.parametrize(
    "field",
    sorted({*GenreClfPlugin.item_types, *GenreClfPlugin.album_types, *FieldSet.of("F").names}),
)
def test_fields_are_documented(field: str) -> None:
    assert f"| `{field}` |" in FIELDS
