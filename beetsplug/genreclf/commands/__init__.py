"""One module per command: its options, its `Subcommand` and its function.

`beet` imports all of them at its start, so what is slow to import is imported when a command runs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from beets.exceptions import UserError

from beetsplug.genreclf.storage.errors import JournalError


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors that the user can resolve into a UserError, which beets prints in one line."""
    try:
        yield
    except JournalError as exc:
        raise UserError(str(exc)) from exc
    except sqlite3.OperationalError as exc:  # another program has locked the library
        raise UserError(f"the library cannot be changed: {exc}") from exc
    except KeyboardInterrupt as exc:
        raise UserError("interrupted; run the command again to resume") from exc
    except Exception as exc:
        from genremodel.errors import ClusterError  # slow to import

        if isinstance(exc, ClusterError):
            raise UserError(f"{exc}; run the command again to resume") from exc
        raise


def exclusive(given: Mapping[str, object]) -> None:
    """Raise UserError if more than one of some options is given. given: their values by name."""
    names = [name for name, value in given.items() if value]
    if len(names) > 1:
        raise UserError(f"{' and '.join(names)} cannot be combined")
