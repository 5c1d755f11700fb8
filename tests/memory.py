"""The memory that a function needs."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

_CODE = """
import pickle, sys
from importlib import import_module
from pathlib import Path
from tests.memory import peak_memory

module, name, *arguments = sys.argv[1:]
function = getattr(import_module(module), name)
before = peak_memory()
result = function(*map(Path, arguments))
pickle.dump(((peak_memory() - before) / 1e6, result), sys.stdout.buffer)
"""
_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def peak_memory() -> int:
    """Return the most memory that this process has used, in bytes."""
    if sys.platform == "linux":  # where that of `resource` counts the process that started this one
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def peak_growth(module: str, function: str, *paths: object) -> tuple[float, Any]:
    """Call a function with paths in a process of its own: its memory in MB, and its result."""
    command = [sys.executable, "-c", _CODE, module, function, *map(str, paths)]
    growth, result = pickle.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return growth, result
