"""Where a cluster is, and what its machines call the folders of this one."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from genremodel.audio.decoding import PathLike
from genremodel.errors import AudioError, ClusterError

if TYPE_CHECKING:
    from genremodel.batch.pool import Workers
    from genremodel.batch.worker import FileAnalyzer, WorkerConfig


@dataclass(frozen=True)
class Certificates:
    """The files in PEM format by which the machines of a cluster know each other.

    Parameters
    ----------
    ca : path
        The certificate of the authority that signed the certificates of all machines.
    cert, key : path
        The certificate of this machine, and its private key.

    Examples
    --------
    >>> Certificates(Path("ca.pem"), Path("laptop.pem"), Path("laptop-key.pem")).ca.name
    'ca.pem'
    """

    ca: Path
    cert: Path
    key: Path


@dataclass(frozen=True)
class Cluster:
    r"""A cluster that analyzes files.

    Parameters
    ----------
    address : str
        The scheduler: "tls://HOST:PORT", or "tcp://HOST:PORT" on this machine.
    paths : mapping of str to str
        The folders of this machine, and what all workers call them. Where it is empty, they have
        the same names. The names on the workers may be those of another system.
    certificates : Certificates, optional
        Those for TLS.

    Raises
    ------
    ClusterError
        If the address is not valid, or leads to another machine without TLS.

    Examples
    --------
    >>> cluster = Cluster("tcp://127.0.0.1:8786", {"/music": "M:/music"})
    >>> cluster.remote_path("/music/a/b.mp3")
    'M:\\music\\a\\b.mp3'
    """

    address: str
    paths: Mapping[str, str] = field(default_factory=dict)
    certificates: Certificates | None = None

    def __post_init__(self) -> None:
        scheme, _, rest = self.address.partition("://")
        host = _host(self.address)
        if scheme not in ("tcp", "tls") or not rest or not host:
            raise ClusterError(f"{self.address}: must be tls://HOST:PORT or tcp://HOST:PORT")
        if scheme == "tls" and self.certificates is None:
            raise ClusterError(f"{self.address}: TLS needs certificates")
        if scheme == "tcp" and self.certificates:
            raise ClusterError(f"{self.address}: certificates need tls://")
        if scheme == "tcp" and not self.is_local:
            raise ClusterError(f"{self.address}: without TLS only this machine can be reached")
        for file in vars(self.certificates).values() if self.certificates else ():
            if not file.is_file():
                raise ClusterError(f"{file}: no such file")
        for remote in self.paths.values():
            if not _remote_folder(remote).is_absolute():
                raise ClusterError(f"{remote}: must be an absolute path on the workers")

    @property
    def host(self) -> str:
        """The machine of the scheduler."""
        return _host(self.address) or ""

    @property
    def is_local(self) -> bool:
        """Whether the address leads to this machine, whatever its names are."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def remote_path(self, path: PathLike) -> str:
        """Return what the workers call a file.

        Raises AudioError if they do not have it, ClusterError if a folder of `paths` is missing.
        """
        local = _absolute(path)
        if not self.paths:
            return str(local)
        name = self._folder_of(local)
        if name is None:
            raise self.missing_share(path) or AudioError("in none of the folders of `paths`")
        remote = _remote_folder(self.paths[name])
        # Not by `joinpath`: "b:" in the name of a file is no drive.
        separator = "\\" if isinstance(remote, PureWindowsPath) else "/"
        names = local.relative_to(_absolute(name)).parts
        return separator.join((str(remote).rstrip(separator), *names))

    def missing_share(self, path: PathLike, known: str = "") -> ClusterError | None:
        """Return the error that the folder of a file is not there, or empty, on this machine.

        A file that is in none of `paths` may be in a folder whose name is wrong there: all of them
        must be there. known: the common folder of the files so far, for a cluster without `paths`.
        """
        name = self._folder_of(_absolute(path))
        for folder in [name] if name else [*self.paths] or [known]:
            if folder and _is_empty(Path(folder)):
                return ClusterError(
                    f"{folder}: this folder is missing or empty; check that it is mounted"
                )
        return None

    def _folder_of(self, path: Path) -> str | None:
        names = sorted(self.paths, key=len, reverse=True)  # folders inside of others first
        return next((name for name in names if path.is_relative_to(_absolute(name))), None)

    def workers(self, config: WorkerConfig, analyzer: FileAnalyzer) -> Workers:
        """Return the workers of the cluster, for a pool.

        analyzer: stores the results. Raises ClusterError if Dask is not installed.
        """
        from genremodel.cluster.cluster_workers import ClusterWorkers

        return ClusterWorkers(self, config, analyzer)


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError:
        return True


def _absolute(path: PathLike) -> Path:
    return Path(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100  # keeps links


def _host(address: str) -> str | None:
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    return parts.hostname if port else None


def _remote_folder(name: str) -> PurePath:
    is_windows = "\\" in name or name[1:2] == ":"
    if is_windows:
        return PureWindowsPath(f"{name}\\" if name[1:] == ":" else name)
    return PurePosixPath(name)
