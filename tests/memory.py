"""The memory that a function needs."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import resource, sys
from importlib import import_module

module, name, *arguments = sys.argv[1:]
function = getattr(import_module(module), name)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
function(*map(import_module("pathlib").Path, arguments))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def peak_growth(module: str, function: str, *paths: object) -> float:
    """Call a function with paths in a process of its own, and return its memory in MB (Linux)."""
    command = [sys.executable, "-c", _CODE, module, function, *map(str, paths)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) / 1024
