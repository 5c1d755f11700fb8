"""Compare clusters on this machine with local workers, in turn, round after round."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

from benchmarks.timing import Figures
from genremodel import AudioError, GenreClassifier
from genremodel.batch.pool import Pool
from genremodel.batch.worker import WorkerConfig
from genremodel.cluster import Certificates, Cluster
from genremodel.cluster.connection import Connection
from genremodel.cluster.tasks import FilesTask
from tests.cluster.faulty_method import FaultyMethod
from tests.cluster.processes import LocalCluster
from tests.sounds import make

_BARS = {
    "time, 1 worker / local": 1.15,
    "time, 2 workers / local": 1.15,
    "innocent files lost": 0,
    "scheduler memory, all tasks / a tenth": 1.2,
}
_FILES = 200
_ROUNDS = 3
_TASKS = 100_000
_WINDOW = 64  # tasks in flight


def cluster(root: Path) -> Figures:
    """Return the measurements, and what is required of some of them."""
    files = songs(root / "songs", _FILES)
    certificates = make_certificates(root / "certificates")
    measured = chain(
        speed(files, 1, None),
        speed(files, 2, None),
        speed(files, 2, certificates),
        innocents(files),
        memory(_TASKS),
    )
    return {
        "bars": [
            {"name": name, "measured": round(value, 3), "bar": _BARS.get(name)}
            for name, value in measured
        ]
    }


def songs(folder: Path, count: int) -> list[Path]:
    """Write songs of 18 seconds: few, with several names."""
    folder.mkdir()
    made = [make(folder / f"{seed}.mp3", 18, seed) for seed in range(min(count, 10))]
    for number in range(len(made), count):
        (path := folder / f"{number}.mp3").hardlink_to(made[number % 10])
        made.append(path)
    return made


def make_certificates(folder: Path) -> Certificates:
    """Make certificates by the commands of docs/cluster.md."""
    folder.mkdir()
    guide = (Path(__file__).parents[1] / "docs" / "cluster.md").read_text(encoding="utf-8")
    commands = next(part for part in guide.split("```") if part.startswith("\nopenssl"))
    subprocess.run(["sh", "-ec", commands], cwd=folder, check=True, capture_output=True)
    names = ("ca.pem", "machine.pem", "machine-key.pem")
    return Certificates(*(folder / name for name in names))


def speed(
    files: list[Path], workers: int, certificates: Certificates | None
) -> Iterator[tuple[str, float]]:
    """Time the analysis of files, without a cache, and count the bytes of the client."""
    classifier = GenreClassifier()
    kind = f"{workers} workers" if workers > 1 else "1 worker"
    with (
        LocalCluster(workers, certificates) as local_cluster,
        counting_proxy(local_cluster.port) as (port, traffic),
    ):
        cluster = Cluster(local_cluster.address, certificates=certificates)
        pools: dict[str, Callable[[], Pool]] = {
            "local": lambda: classifier.pool(workers=workers),
            "cluster": lambda: classifier.pool(cluster=cluster),
        }
        ratios, cpu = [], []
        for _ in range(_ROUNDS):
            times = {name: timed(pool, files) for name, pool in pools.items()}
            (local, local_cpu), (remote, remote_cpu) = times.values()
            ratios.append(remote / local)
            cpu.append((remote_cpu, local_cpu))
        if not certificates:
            with classifier.pool(cluster=Cluster(f"tcp://127.0.0.1:{port}")) as pool:
                [*pool.map(files)]
    if certificates:
        yield f"time with TLS, {kind} / local", median(ratios)
        return
    yield f"time, {kind} / local", median(ratios)
    yield f"client CPU per track, {kind} / local", median(one / other for one, other in cpu)
    yield f"client CPU per track, {kind}, ms", 1000 * median(one for one, _ in cpu) / len(files)
    yield f"bytes per track of the client, {kind}", traffic[0] / len(files)


def timed(make_pool: Callable[[], Pool], files: list[Path]) -> tuple[float, float]:
    """Return the seconds of a run, and those that this process computed. Nothing may fail."""
    with make_pool() as pool:
        [*pool.map(files[:16])]  # the workers have started
        start, cpu = perf_counter(), process_time()
        for path, result in pool.map(files):
            assert not isinstance(result, AudioError), (path, result)
        return perf_counter() - start, process_time() - cpu


@contextmanager
def counting_proxy(target: int) -> Iterator[tuple[int, list[int]]]:
    """Forward connections to a port of this machine; yield the new port and a count of bytes."""
    traffic = [0]

    def forward(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(1 << 16):
                traffic[0] += len(content)
                sink.sendall(content)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                far = socket.create_connection(("127.0.0.1", target))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=forward, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], traffic


def innocents(files: list[Path]) -> Iterator[tuple[str, float]]:
    """Count good files that fail beside a crash, a hang and a worker that is killed."""
    folder = files[0].parent
    bad = [make(folder / f"{fault}.wav", seed=100) for fault in ("crash", "sleep", "hang")]
    method = FaultyMethod(0.01)
    config = WorkerConfig(method, 1, None, 5, retry=False)
    lost = 0
    with (
        LocalCluster(2) as cluster,
        Pool(config, method, cluster=Cluster(cluster.address).workers) as pool,
    ):
        for number, (path, result) in enumerate(pool.map([*files, *bad, *files])):
            lost += isinstance(result, AudioError) and path not in bad
            if number == 10:
                cluster.workers[0].kill()
    yield "innocent files lost", lost


def memory(tasks: int) -> Iterator[tuple[str, float]]:
    """Compare the memory of a scheduler after many tasks and after a tenth of them."""
    import psutil

    window = threading.Semaphore(_WINDOW)
    with LocalCluster(1) as cluster:
        scheduler = psutil.Process(cluster.scheduler.process.pid)
        connection = Connection(Cluster(cluster.address), {})
        for number in range(1, tasks + 1):
            window.acquire()
            connection.submit(FilesTask({}, (), 1, 1), lambda answer: window.release())
            if number == tasks // 10:
                before = scheduler.memory_info().rss
        after = scheduler.memory_info().rss
        connection.close()
    yield "scheduler memory, MB", after / 1e6
    yield "scheduler memory, all tasks / a tenth", after / before
