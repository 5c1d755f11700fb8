"""Marks that skip tests where the system or the user lacks what they need."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress

import pytest

# Root reads and writes everything, unless it gives that up. A command that runs another.
DROPPED = (
    ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
    if hasattr(os, "geteuid") and os.geteuid() == 0
    else ()
)


def _obeys_permissions() -> bool:
    """Return whether a command with the prefix DROPPED is bound to the modes of files."""
    if sys.platform == "win32":
        return False
    with suppress(OSError):  # no setpriv
        return not subprocess.run([*DROPPED, "true"], check=False, capture_output=True).returncode
    return False


linux = pytest.mark.skipif(sys.platform != "linux", reason="fork, limits and mounts of Linux")
posix = pytest.mark.skipif(sys.platform == "win32", reason="owners, links, pipes, signals of POSIX")
byte_names = pytest.mark.skipif(sys.platform != "linux", reason="names of files are Unicode here")
permissions = pytest.mark.skipif(
    not _obeys_permissions(), reason="this user may read and write every file"
)
