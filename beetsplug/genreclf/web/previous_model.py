"""The model that was in use before the present one, and changing back to it."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from genremodel.custom.store import ModelStore


class PreviousModel:
    """Keeps the model that is replaced, and exchanges the two. Raises ModelError and OSError.

    A mark stands for the bundled model, which has no file. Whenever this process is interrupted,
    no model is lost.

    folder: of the custom models. The methods take the name under which they are used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "previous"
        self._models = ModelStore(folder)
        self._kept = ModelStore(self._folder)
        self._moved = ModelStore(self._folder / "moved")

    def exists(self, name: str) -> bool:
        """Return whether there is a model to change to."""
        return name in self._kept.names() or (
            self._mark(name).exists() and name in self._models.names()
        )

    def keep(self, name: str) -> None:
        """Keep the model that is about to be replaced."""
        mark = self._mark(name)
        self._folder.mkdir(parents=True, exist_ok=True)
        if name in self._models.names():
            self._models.copy(name, self._kept)
            mark.unlink(missing_ok=True)
        else:
            mark.touch()
            if name in self._kept.names():
                self._kept.delete(name)

    def exchange(self, name: str) -> None:
        """Use the previous model; the one that is in use is the previous one from now on."""
        mark = self._mark(name)
        if name not in self._models.names():
            mark.touch()
            self._kept.copy(name, self._models)
            self._kept.delete(name)
        elif mark.exists():
            self._models.copy(name, self._kept)
            self._models.delete(name)
            mark.unlink()
        else:
            self._models.copy(name, self._moved)
            self._kept.copy(name, self._models)
            self._moved.copy(name, self._kept)
            self._moved.delete(name)
            with suppress(OSError):
                (self._folder / "moved").rmdir()

    def _mark(self, name: str) -> Path:
        return self._folder / f"{name}.bundled"
