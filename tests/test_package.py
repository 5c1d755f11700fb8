"""The wheel, its metadata, and what is checked before it is published."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from tests import release

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", folder, ROOT],
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    return release.read_metadata(wheel)


def test_wheel_has_only_the_plugin_and_the_model(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" not in name]
        assert any(name.endswith("licenses/NOTICE") for name in archive.namelist())
    assert {name.split("/")[0] for name in names} == {"beetsplug", "genremodel"}
    assert "beetsplug/__init__.py" not in names, "beetsplug is a namespace package"
    assert {
        "beetsplug/genreclf/__init__.py",
        "beetsplug/genreclf/genres/families.yaml",
        "genremodel/assets/musicnn.onnx",
        "genremodel/style_hierarchy.yaml",
    } <= set(names)


def test_metadata(metadata: Message) -> None:
    assert metadata.get_all("Provides-Extra") == ["cluster", "plot", "web"]
    assert "beets-plugin" in metadata["Keywords"].split(",")
    assert metadata["License-Expression"] == "MIT AND ISC"
    assert len(metadata.get_all("Project-URL", [])) == 4


def test_published_readme_has_no_relative_links(metadata: Message) -> None:
    text = metadata.get_payload()
    assert isinstance(text, str)
    links = re.findall(r"\]\(([^)]*)\)", text)
    files = [link for link in links if f"/v{metadata['Version']}/" in link]
    assert len(files) > 10
    assert all(link.startswith("https://") for link in links), links
    for link in files:
        kind, path = re.findall(r"(blob|raw)/v[^/]+/([^#]*)", link)[0]
        assert (ROOT / path).is_file(), link
        assert (kind == "raw") == (Path(path).suffix in {".svg", ".png"}), link


def test_release_is_refused_until_it_is_complete() -> None:
    metadata = Message()
    metadata["Version"] = "1.2.0"
    metadata["Project-URL"] = "Homepage, https://github.com/someone/beets-genreclf"
    assert not [*release.problems(metadata, "## 1.2.0 - 2027-01-31\n", "v1.2.0")]
    assert not [*release.problems(metadata, "## 1.2.0 - 2027-01-31\n", "")], "a dry run"
    (problem,) = release.problems(metadata, "## Unreleased (1.2.0)\n", "v1.2.0")
    assert "CHANGELOG.md has no heading" in problem
    (problem,) = release.problems(metadata, "## 1.2.0 - 2027-01-31\n", "v1.2.1")
    assert problem == "the tag is v1.2.1, and the version in pyproject.toml is 1.2.0"
    metadata["Project-URL"] = "Issues, https://github.com/OWNER/beets-genreclf/issues"
    (problem,) = release.problems(metadata, "## 1.2.0 - 2027-01-31\n", "")
    assert "is a placeholder" in problem
