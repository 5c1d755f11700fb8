"""Schedulers that cannot be reached, certificates, and workers that are refused."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from genremodel import ClusterError, GenreClassifier
from genremodel.cluster import Certificates, Cluster, connection
from tests.cluster.processes import LocalCluster, tls_options
from tests.cluster.results import failures, faulty_pool
from tests.conftest import Beets
from tests.platforms import DROPPED, permissions, posix


@pytest.fixture(scope="module")
def classifier() -> GenreClassifier:
    return GenreClassifier()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    from tests.cluster.certificates import make_certificates

    return make_certificates(tmp_path_factory.mktemp("certificates") / "ours")


@pytest.fixture(scope="module")
def strangers(certificates: Certificates) -> Certificates:
    """Return certificates of another authority."""
    from tests.cluster.certificates import make_certificates

    return make_certificates(certificates.ca.parents[1] / "theirs")


@pytest.fixture(scope="module")
def secured(certificates: Certificates) -> Iterator[LocalCluster]:
    with LocalCluster(workers=1, certificates=certificates) as cluster:
        yield cluster


@pytest.fixture
def silent_address() -> Iterator[str]:
    """Return the address of a program that accepts connections and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"


def assert_refused(cluster: Cluster, song: Path, message: str) -> None:
    with faulty_pool(cluster) as pool, pytest.raises(ClusterError, match=message):
        pool.submit(song).result()


def test_import_without_its_cluster_keeps_the_tracks(beets: Beets) -> None:
    beets.add("album/a.mp3")
    beets.add("other/b.mp3")
    beets.settings["genreclf"]["cluster"] = {"address": "tcp://127.0.0.1:1"}
    done = beets.run("import", "--quiet", "--noautotag", "--singletons", str(beets.music))
    sentence = "tcp://127.0.0.1:1: the scheduler cannot be reached; `beet genreclf` classifies"
    assert done.stderr.count(sentence) == 1
    assert beets.field("title") == ["a", "b"]
    failed = beets.run("genreclf")
    assert failed.returncode == 1
    assert failed.stderr.count("the scheduler cannot be reached; run the command again") == 1


def test_address_of_another_program_is_refused(
    silent_address: str, songs: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1)
    monkeypatch.setattr(connection, "_ANSWER_SECONDS", 1)
    assert_refused(Cluster(silent_address), songs[0], "the scheduler cannot be reached")


def test_invalid_host_is_refused(certificates: Certificates, songs: list[Path]) -> None:
    cluster = Cluster("tls://a..b:8786", certificates=certificates)
    assert_refused(cluster, songs[0], "the scheduler cannot be reached")


def test_cluster_without_workers_is_refused(songs: list[Path]) -> None:
    with LocalCluster() as local:
        assert_refused(Cluster(local.address), songs[0], "the cluster has no workers")
        other = local.start("-m", "dask", "worker", local.address, "--no-nanny")
        other.wait_for("Registered to:")
        assert_refused(Cluster(local.address), songs[0], "not started by `python -m genremodel")


def test_worker_of_another_version_is_refused_by_name(songs: list[Path]) -> None:
    start = (
        "-c",
        "import sys, genremodel; genremodel.__version__ = '0.0.1'; "
        "from genremodel.models import base; base.FRONT_END = 'other'; "
        "from genremodel.cluster.__main__ import main; sys.exit(main())",
    )
    with LocalCluster(workers=1) as local:
        with faulty_pool(Cluster(local.address), seconds=0.2) as pool:
            pool.submit(songs[0]).result()
            local.start_worker(*start).wait_for("connected to")  # after the client
            with pytest.raises(ClusterError, match="differs"):
                [*pool.map(songs)]
        message = r"the worker \S+ differs from this machine: beets-genreclf 0\.0\.1, not \S+; "
        assert_refused(Cluster(local.address), songs[0], f"{message}another front end")


def test_worker_of_another_dask_is_refused_in_one_line(beets: Beets) -> None:
    beets.add("a.mp3")
    beets.settings["genreclf"]["auto"] = False
    beets.import_music("--singletons")
    start = (
        "-c",
        "import sys, distributed, distributed.worker as module; "
        "versions = module.get_versions(); versions['packages']['distributed'] = '1.0'; "
        "module.get_versions = lambda *_: versions; distributed.__version__ = '1.0'; "
        "from genremodel.cluster.__main__ import main; sys.exit(main())",
    )
    with LocalCluster() as local:
        local.start_worker(*start).wait_for("connected to")
        beets.settings["genreclf"]["cluster"] = {"address": local.address}
        done = beets.run("genreclf")
    assert done.returncode == 1
    _, problem = done.stderr.splitlines()
    assert " differs from this machine: Dask 1.0, not " in problem


@posix
def test_scheduler_that_dies_while_versions_are_compared(songs: list[Path]) -> None:
    with LocalCluster() as local:
        start = (
            "-c",
            "import os, sys; from genremodel.cluster import tasks; "
            f"tasks.FileWorker.check = lambda *_: os.kill({local.scheduler.process.pid}, 9); "
            "from genremodel.cluster.__main__ import main; sys.exit(main())",
        )
        local.start_worker(*start).wait_for("connected to")
        assert_refused(Cluster(local.address), songs[0], "connection to the scheduler is lost")


@permissions
def test_unreadable_key(secured: LocalCluster, certificates: Certificates, tmp_path: Path) -> None:
    key = Path(shutil.copy2(certificates.key, tmp_path))
    key.chmod(0)
    options = [secured.address, *tls_options(replace(certificates, key=key))]
    done = subprocess.run(
        [*DROPPED, sys.executable, "-m", "genremodel.cluster", "worker", *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"{secured.address}: the certificates cannot be read\n"


def test_tls(
    classifier: GenreClassifier,
    secured: LocalCluster,
    certificates: Certificates,
    songs: list[Path],
) -> None:
    assert secured.address.startswith("tls://")
    cluster = Cluster(secured.address, certificates=certificates)
    assert not failures([*classifier.predict_many(songs[:9], cluster=cluster)])


def test_documented_certificates_are_accepted(songs: list[Path], tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl")
    guide = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
    commands = next(part for part in guide.split("```") if part.startswith("\nopenssl"))
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True, capture_output=True)
    documented = Certificates(*map(tmp_path.joinpath, ("ca.pem", "machine.pem", "machine-key.pem")))
    shake_hands(documented)
    with LocalCluster(workers=1, certificates=documented) as local:
        cluster = Cluster(local.address, certificates=documented)
        with faulty_pool(cluster) as pool:
            pool.submit(songs[0]).result()


def shake_hands(certificates: Certificates) -> None:
    """Check certificates as strictly as Python 3.13 and newer do by default."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = []
    for purpose, near, far in (
        (ssl.Purpose.SERVER_AUTH, to_client, to_server),
        (ssl.Purpose.CLIENT_AUTH, to_server, to_client),
    ):
        context = ssl.create_default_context(purpose, cafile=certificates.ca)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_cert_chain(certificates.cert, certificates.key)
        is_server = purpose is ssl.Purpose.CLIENT_AUTH
        ends.append(context.wrap_bio(near, far, server_side=is_server))
    for _ in range(5):
        for end in ends:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    assert all(end.getpeercert() for end in ends)


def test_wrong_certificate_is_refused(
    secured: LocalCluster, strangers: Certificates, songs: list[Path]
) -> None:
    cluster = Cluster(secured.address, certificates=strangers)
    assert_refused(cluster, songs[0], "the certificates do not fit")
    worker = secured.start(
        "-m", "genremodel.cluster", "worker", secured.address, *tls_options(strangers)
    )
    assert worker.process.wait(60) == 1
    assert "the certificates do not fit" in worker.output


def test_worker_without_a_scheduler_ends_with_a_sentence() -> None:
    for address, message in (
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:1: the scheduler cannot be reached"),
        ("tcp://192.0.2.1:1", "without TLS only this machine can be reached"),
        ("tls://192.0.2.1:1", "TLS needs certificates"),
        ("localhost", "localhost: must be tls://HOST:PORT or tcp://HOST:PORT"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "genremodel.cluster", "worker", address, "--workers", "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert len(done.stderr.splitlines()) == 1


@posix
def test_interrupted_worker_ends(shared: LocalCluster) -> None:
    worker = shared.start_worker()
    worker.wait_for("connected to")
    worker.process.terminate()
    assert worker.process.wait(30) == 143
    assert "Traceback" not in worker.output
