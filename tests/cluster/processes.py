"""Schedulers and workers on loopback, which tests start and kill."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from genremodel.cluster import Certificates
from tests.waiting import wait_until

_ROOT = Path(__file__).parents[2]


class Program:
    """A program that runs until it is stopped. Its output goes to a file, where tests read it."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        self._folder = TemporaryDirectory(ignore_cleanup_errors=True)
        self._log = Path(self._folder.name) / "log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "PYTHONPATH": str(_ROOT),
                    "TMPDIR": self._folder.name,
                    **environment,
                },
                cwd=self._folder.name,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait_for(self, text: str) -> str:
        """Wait until the program has printed a text, and return what follows on that line."""
        wait_until(lambda: text in self.output or self.process.poll() is not None)
        before, found, after = self.output.partition(text)
        assert found, before
        return after.partition("\n")[0].strip()

    def kill(self) -> None:
        """End the program and what it started: workers end with their parents."""
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> None:
        self.kill()
        self._folder.cleanup()


class LocalCluster:
    """A scheduler with workers. A context manager: it stops them."""

    def __init__(
        self,
        workers: int = 0,
        certificates: Certificates | None = None,
        port: int = 0,
        allowed_failures: int = 3,
    ) -> None:
        self.certificates = certificates
        self._programs: list[Program] = []
        self.workers: list[Program] = []
        host = "tls://127.0.0.1" if certificates else "127.0.0.1"
        arguments = ["--host", host, "--port", str(port), "--no-dashboard"]
        if certificates:
            arguments += ["--protocol", "tls", *tls_options(certificates)]
        self.scheduler = self._start(
            "-m", "dask", "scheduler", *arguments,
            DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES=str(allowed_failures),
        )  # fmt: skip
        try:
            self.address = self.scheduler.wait_for("Scheduler at:")
            self.add(workers)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LocalCluster:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def add(self, count: int = 1, processes: int = 1) -> None:
        """Start workers, and wait until they are connected."""
        started = [self.start_worker(processes=processes) for _ in range(count)]
        for worker in started:
            worker.wait_for("connected to")
        self.workers += started

    def start_worker(self, *start: str, processes: int = 1) -> Program:
        """Start a worker. start: how Python starts it, by default as users do."""
        options = tls_options(self.certificates) if self.certificates else []
        start = start or ("-m", "genremodel.cluster")
        count = str(processes)
        return self._start(*start, "worker", self.address, "--workers", count, *options)

    def start(self, *arguments: str) -> Program:
        """Start another program, which ends with the cluster."""
        return self._start(*arguments)

    def close(self) -> None:
        for program in reversed(self._programs):
            program.stop()

    def _start(self, *arguments: str, **environment: str) -> Program:
        program = Program(arguments, environment)
        self._programs.append(program)
        return program


class RestartedWorker:
    """A worker that is started again whenever it dies, as systems do. A context manager."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.deaths = 0

    def __enter__(self) -> RestartedWorker:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        worker = self._cluster.start_worker()
        while not self._ended.wait(0.1):
            if worker.process.poll() is not None:
                self.deaths += 1
                worker = self._cluster.start_worker()


def tls_options(certificates: Certificates) -> list[str]:
    return [
        "--tls-ca-file", str(certificates.ca),
        "--tls-cert", str(certificates.cert),
        "--tls-key", str(certificates.key),
    ]  # fmt: skip


def is_running(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def children(pid: int) -> list[int]:
    """Return the processes that a process has started. Linux only."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            found += map(int, file.read_text().split())
    return found
