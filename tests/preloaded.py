"""Preloaded by multiprocessing's fork server, which starts the workers of pools in this process.

A worker is otherwise a new Python that imports the model, which takes longer than most tests.
"""

from __future__ import annotations

from tests.fork_server import import_modules

import_modules(large=False)
