"""Addresses, folders and versions of clusters; and nothing of Dask without one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from genremodel import AudioError, ClusterError
from genremodel.cluster import Certificates, Cluster
from genremodel.cluster.versions import difference
from tests.conftest import Beets
from tests.platforms import posix

LOCAL = "tcp://127.0.0.1:8786"


@pytest.mark.parametrize(
    "address", [LOCAL, "tcp://localhost:1", "tcp://[::1]:8786", "tcp://127.1.2.3:8786"]
)
def test_this_machine_needs_no_certificates(address: str) -> None:
    assert Cluster(address).is_local


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("tcp://server:8786", "without TLS only this machine can be reached"),
        ("tcp://0.0.0.0:8786", "without TLS only this machine can be reached"),
        ("tcp://localhost.example:1", "without TLS only this machine can be reached"),
        ("tls://server:8786", "TLS needs certificates"),
        ("server:8786", "must be tls://HOST:PORT or tcp://HOST:PORT"),
        ("ws://127.0.0.1:8786", "must be tls://HOST:PORT or tcp://HOST:PORT"),
        ("tcp://127.0.0.1", "must be tls://HOST:PORT or tcp://HOST:PORT"),
        ("tcp://127.0.0.1:99999", "must be tls://HOST:PORT or tcp://HOST:PORT"),
        ("tcp://[::1:8786", "must be tls://HOST:PORT or tcp://HOST:PORT"),
        ("", "must be tls://HOST:PORT or tcp://HOST:PORT"),
    ],
)
def test_other_addresses_are_refused(address: str, message: str) -> None:
    with pytest.raises(ClusterError) as caught:
        Cluster(address)
    assert str(caught.value) == f"{address}: {message}"


def test_certificates_must_exist(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.touch()
    Cluster("tls://server:8786", certificates=Certificates(file, file, file))
    with pytest.raises(ClusterError, match=r"key\.pem: no such file"):
        Cluster("tls://server:8786", certificates=Certificates(file, file, tmp_path / "key.pem"))
    with pytest.raises(ClusterError, match=f"{LOCAL}: certificates need tls://"):
        Cluster(LOCAL, certificates=Certificates(file, file, file))


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("/mnt/share", "/mnt/share/a b/1.mp3"),
        ("/mnt/share/", "/mnt/share/a b/1.mp3"),
        ("M:\\music", "M:\\music\\a b\\1.mp3"),
        ("M:/music", "M:\\music\\a b\\1.mp3"),
        ("\\\\nas\\music", "\\\\nas\\music\\a b\\1.mp3"),
        ("M:", "M:\\a b\\1.mp3"),
        ("/", "/a b/1.mp3"),
    ],
)
def test_folders_have_other_names_on_workers(remote: str, expected: str, tmp_path: Path) -> None:
    cluster = Cluster(LOCAL, {str(tmp_path): remote})
    assert cluster.remote_path(tmp_path / "a b" / "1.mp3") == expected


@pytest.mark.parametrize("remote", ["music", "", "~/music", "M:music"])
def test_folders_of_workers_must_be_absolute(remote: str) -> None:
    with pytest.raises(ClusterError, match="must be an absolute path on the workers"):
        Cluster(LOCAL, {"/music": remote})


@posix
def test_name_that_windows_cannot_have_stays_in_its_folder(tmp_path: Path) -> None:
    cluster = Cluster(LOCAL, {str(tmp_path): "M:/music"})
    assert cluster.remote_path(tmp_path / "a" / "b: c.mp3") == "M:\\music\\a\\b: c.mp3"


def test_inner_folder_comes_first(tmp_path: Path) -> None:
    cluster = Cluster(LOCAL, {str(tmp_path): "/all", str(tmp_path / "a"): "/some"})
    assert cluster.remote_path(tmp_path / "a" / "1.mp3") == "/some/1.mp3"
    assert cluster.remote_path(tmp_path / "ab" / "1.mp3") == "/all/ab/1.mp3"
    assert cluster.remote_path(tmp_path / "b" / ".." / "a" / "1.mp3") == "/some/1.mp3"


def test_folders_have_the_same_names_unless_mapped(tmp_path: Path) -> None:
    path = tmp_path / "1.mp3"
    assert Cluster(LOCAL).remote_path(path) == str(path)
    other = tmp_path / "other"
    cluster = Cluster(LOCAL, {str(other): "/music"})
    with pytest.raises(ClusterError, match="other: this folder is missing or empty; check"):
        cluster.remote_path(path)
    (other / "album").mkdir(parents=True)
    with pytest.raises(AudioError, match="in none of the folders of `paths`"):
        cluster.remote_path(path)


def test_differences_are_named() -> None:
    ours = {"NumPy": "2.4.6", "Dask": "2026.8.0", "model": "a"}
    assert difference(ours, {**ours, "more": "1"}) is None
    assert difference(ours, {**ours, "NumPy": "2.0.2"}) == "NumPy 2.0.2, not 2.4.6"
    assert difference(ours, {"Dask": "1", "model": "b"}) == (
        "NumPy None, not 2.4.6; Dask 1, not 2026.8.0; another model"
    )


def test_dask_is_not_imported_without_a_cluster(tmp_path: Path) -> None:
    program = """
        import sys, beetsplug.genreclf, genremodel.cluster
        from genremodel import GenreClassifier
        [*GenreClassifier().predict_many(["none.mp3"], workers=1)]
        assert not {"dask", "distributed", "tornado"} & sys.modules.keys()
    """
    lines = "\n".join(map(str.strip, program.splitlines()))
    subprocess.run([sys.executable, "-c", lines], check=True, cwd=tmp_path)


def test_dask_is_not_installed(tmp_path: Path) -> None:
    program = """
        import sys
        sys.modules["dask"] = None
        from genremodel import ClusterError, GenreClassifier
        from genremodel.cluster import Cluster
        try: GenreClassifier().pool(cluster=Cluster("tcp://127.0.0.1:1"))
        except ClusterError as exc: print(exc)
    """
    lines = "\n".join(map(str.strip, program.splitlines()))
    command = [sys.executable, "-c", lines]
    done = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    assert "a cluster needs `pip install beets-genreclf[cluster]`" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("server", "genreclf.cluster: must be a mapping of address, paths, certificates"),
        ({"address": "tcp://server:1"}, "genreclf.cluster: tcp://server:1: without TLS only"),
        ({"address": "tls://server:1"}, "genreclf.cluster: tls://server:1: TLS needs"),
        ({"adress": "tls://server:1"}, "genreclf.cluster.adress: unknown option"),
        ({"paths": {"/music": "/mnt"}}, "genreclf.cluster.address not found"),
        ({"address": LOCAL, "paths": "/music"}, "genreclf.cluster.paths must be"),
        ({"address": LOCAL, "certificates": {"ca": "a"}}, "genreclf.cluster.certificates.cert not"),
    ],
)
def test_invalid_options_are_named(beets: Beets, options: object, message: str) -> None:
    beets.settings["genreclf"]["cluster"] = options
    done = beets.run("genreclf")
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
