"""Patches of beets: which are applied, and their effects."""

from __future__ import annotations

import os
import time
from typing import Any

import mutagen
import pytest

from beetsplug.genreclf import compat
from tests.conftest import Beets


class Logged:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, message: str, *arguments: object) -> None:
        self.warnings.append(message.format(*arguments))


class Owner:
    def store(self, fields: object) -> str:
        return f"stored {fields}"


def patch_of(owner: type, *parameters: str) -> compat.Patch:
    return compat.Patch(
        owner,
        "store",
        parameters,
        None,
        "something is lost",
        lambda store: lambda self, fields: store(self, f"all {fields}"),
    )


def test_patches_are_applied_once() -> None:
    owner = type("Copy", (Owner,), dict(vars(Owner)))
    log: Any = Logged()
    for _ in range(2):
        compat.apply_patches([patch_of(owner, "self", "fields")], log)
    assert owner().store("names") == "stored all names"
    assert log.warnings == []


def test_patches_are_chosen_by_version(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = type("Copy", (Owner,), dict(vars(Owner)))
    monkeypatch.setattr("beets.__version__", "2.14rc1")
    log: Any = Logged()
    compat.apply_patches([patch_of(owner, "self", "fields")._replace(fixed_in=(2, 14))], log)
    assert owner().store("names") == "stored names"
    compat.apply_patches([patch_of(owner, "self", "fields")._replace(fixed_in=(2, 15))], log)
    assert owner().store("names") == "stored all names"


def test_patches_are_left_out_if_beets_has_changed() -> None:
    owner = type("Copy", (Owner,), dict(vars(Owner)))
    log: Any = Logged()
    for _ in range(2):
        compat.apply_patches([patch_of(owner, "self", "fields", "more")], log)
        compat.apply_patches([patch_of(owner, "self", "fields")._replace(fixed_in=(2, 0))], log)
        compat.apply_patches([patch_of(owner, "self", "f")._replace(name="gone", owner=log)], log)
    assert owner().store("names") == "stored names"
    assert len(log.warnings) >= 1
    assert "something is lost" in log.warnings[0]


def test_all_patches_fit_the_installed_beets() -> None:
    log: Any = Logged()
    compat.apply_patches(compat.PATCHES, log)
    assert log.warnings == []


def test_update_keeps_the_genres_of_each_track(beets: Beets) -> None:
    """beets copies one track's fields to the album, which hands them down to all tracks."""
    beets.settings["genreclf"]["auto"] = False
    for name, genre in (("a", "Tango"), ("b", "Ska")):
        path = beets.add(f"album/{name}.flac")
        file = mutagen.File(path)
        file["genre"], file["album"] = genre, "album"
        file.save()
    beets.import_music()
    for path in beets.files():
        file = mutagen.File(path)
        file["comment"] = "edited"
        file.save()
        os.utime(path, (time.time() + 9, time.time() + 9))
    beets("update")
    assert beets.field("comments") == ["edited", "edited"]
    assert beets.field("genres") == ["Tango", "Ska"]
