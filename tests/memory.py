"""The memory that a function needs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

_CODE = """
import pickle, resource, sys
from importlib import import_module

module, name, *arguments = sys.argv[1:]
function = getattr(import_module(module), name)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = function(*map(import_module("pathlib").Path, arguments))
growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
pickle.dump((growth / 1024, result), sys.stdout.buffer)
"""


def peak_growth(module: str, function: str, *paths: object) -> tuple[float, Any]:
    """Call a function with paths in a process of its own: its memory in MB (Linux), its result."""
    command = [sys.executable, "-c", _CODE, module, function, *map(str, paths)]
    growth, result = pickle.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return growth, result
