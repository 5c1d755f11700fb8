"""A mount whose server does not answer, as of a share whose machine is gone."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_LAZY = 2  # MNT_DETACH


@contextmanager
def hanging(folder: Path) -> Iterator[None]:
    """Let all that reads a folder hang, as a file system of FUSE that nothing serves."""
    system = ctypes.CDLL(None, use_errno=True)
    target = os.fsencode(folder)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as exc:
        pytest.skip(f"needs FUSE: {exc}")
    try:
        options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
        if system.mount(b"none", target, b"fuse", 0, options):
            pytest.skip(f"needs the right to mount: {os.strerror(ctypes.get_errno())}")
        try:
            yield
        finally:
            system.umount2(target, _LAZY)
    finally:
        os.close(server)
