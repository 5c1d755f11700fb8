"""A separate beets for each test, driven by the real command line."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import yaml
from mediafile import MediaFile

# The workers, and the processes that they start, fight for the processors as it is: each with as
# many threads for its sums as there are processors, they take twice as long. NumPy reads this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Each change of tags and of a database waits for the disk. In memory, there is nothing to wait for.
# The first variable is that of pytest, the second that of plugins, which link their files to ours.
if Path("/dev/shm").is_dir() and shutil.disk_usage("/dev/shm").free > 4 << 30:
    for _variable in ("PYTEST_DEBUG_TEMPROOT", "TMPDIR"):
        os.environ.setdefault(_variable, "/dev/shm")
# A shell without job control lets nothing that it runs in the background be interrupted.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from tests.fork_server import ForkServer, is_large
from tests.sounds import CONTAINERS, drums, make, melody

if TYPE_CHECKING:
    from tests.web_client import WebServer

# Keep the bytecode: otherwise each worker compiles the tests, and each program the plugin.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Returns a library as a function has prepared it.
Prepared: TypeAlias = Callable[[Callable[["Beets"], None]], "Beets"]
# The files that take longest, in this order.
_LONGEST = (
    "test_train.py", "test_import.py", "test_faults.py", "test_other_models.py",
    "test_reading.py", "test_shared_models.py", "test_similar.py", "test_build.py",
    "test_cli.py", "test_web_training.py", "test_web_review.py", "test_emotify.py",
    "test_command.py", "test_plugin_matrix.py", "test_windows.py", "test_student_systems.py",
    "test_compare.py", "test_digest.py", "test_current.py", "test_albums.py", "test_undo.py",
    "test_web_decisions.py", "test_lost_tracks.py", "test_long_tracks.py", "test_workers.py",
    "test_pool.py", "test_cache_merge.py", "test_spawning.py", "test_early_stop.py",
    "test_styles.py", "test_events.py", "test_api.py", "test_explain.py", "test_rewrite.py",
    "test_decisions.py", "test_fuzz.py", "test_small_installation.py", "test_settings.py",
    "test_auto_scope.py", "test_read_only.py", "test_locale.py", "test_model_file.py",
)  # fmt: skip
# A fork does not read again what Python reads from the environment when it starts.
_READ_AT_START = ("PYTHON", "LANG", "LC_")


_servers: dict[tuple[tuple[str, ...], str, bool], ForkServer] = {}


def fork_server(
    arguments: Sequence[str], prefix: tuple[str, ...] = (), python: str = sys.executable
) -> ForkServer | None:
    """Return the server of this process for a command with these arguments, or None.

    prefix: a command that starts it. python: the interpreter of its environment. Libraries of macOS
    do not survive a fork.
    """
    if sys.platform != "linux":
        return None
    key = (prefix, python, python == sys.executable and is_large(arguments))
    if key not in _servers:
        _servers[key] = ForkServer(prefix, python, large=key[-1])
    return _servers[key]


def run_module(
    module: str,
    *arguments: str,
    cwd: Path,
    environment: Mapping[str, str],
    stdin: str = "",
    prefix: tuple[str, ...] = (),
    python: str = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m MODULE`, and return what it printed and its exit status.

    environment: variables to add. prefix: a command that runs it. python: the interpreter.
    """
    variables = {**os.environ, **environment}
    server = fork_server(arguments, prefix, python)
    if server and not any(name.startswith(_READ_AT_START) for name in environment):
        (done,) = server.run(module, arguments, environment=variables, cwd=cwd, stdin=stdin)
        return done
    return subprocess.run(
        [*prefix, python, "-m", module, *arguments],
        env=variables,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )


@cache
def empty_library() -> bytes:
    """Return the database of an empty library, which takes beets half a second to make."""
    with TemporaryDirectory() as folder:
        run_module("beets", "ls", cwd=Path(folder), environment={"BEETSDIR": folder})
        return Path(folder, "library.db").read_bytes()


@dataclass
class Beets:
    """A library in a folder of its own, with the plugin enabled.

    settings: `config.yaml`, which tests may change before they run a command.
    """

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    _kept: tuple[Path, dict[str, Any]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.settings = {
            "directory": str(self.library),
            "library": str(self.root / "library.db"),
            "plugins": ["genreclf"],
            "import": {"copy": True},
            "genreclf": {"write": True, "threads": 1},
        }
        (self.root / "library.db").write_bytes(empty_library())

    @property
    def music(self) -> Path:
        """Where music lies before it is imported."""
        return self.root / "music"

    @property
    def library(self) -> Path:
        return self.root / "library"

    def run(
        self, *arguments: str, stdin: str = "", prefix: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run `beet` and return what it printed and its exit status.

        prefix: a command that runs it.
        """
        self.write_settings()
        return run_module(
            "beets",
            *arguments,
            cwd=self.root,
            environment={"BEETSDIR": str(self.root), **self.environment},
            stdin=stdin,
            prefix=prefix,
        )

    def run_together(self, *commands: Sequence[str]) -> list[subprocess.CompletedProcess[str]]:
        """Run `beet` several times at once, and return what each printed and its exit status."""
        self.write_settings()
        environment = {**os.environ, "BEETSDIR": str(self.root), **self.environment}
        if server := fork_server([*chain(*commands)]):
            return server.run("beets", *commands, environment=environment, cwd=self.root)
        with ThreadPoolExecutor() as threads:
            return [*threads.map(lambda command: self.run(*command), commands)]

    def write_settings(self) -> None:
        """Write `config.yaml` for the commands to come. The analysis cache is beside it."""
        values = deepcopy(self.settings)
        if "genreclf" in values:
            values["genreclf"].setdefault("cache", "genreclf-cache.db")
        config, settings = self.root / "config.yaml", yaml.safe_dump(values)
        if not config.exists() or config.read_text(encoding="utf-8") != settings:
            config.write_text(settings, encoding="utf-8")  # the folder may be read-only

    def __call__(self, *arguments: str) -> str:
        """Run `beet`, expect it to succeed, and return its output."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout

    def add(self, name: str, seconds: float = 5, seed: int = 0) -> Path:
        """Put a file of synthesized music where imports take it from, titled like the file."""
        path = make(self.music / name, seconds, seed)
        media = MediaFile(path)
        media.title = path.stem
        media.save()
        return path

    def add_every_container(self) -> None:
        """Put the same music there in a file of every container that beets tags."""
        for number, kind in enumerate(CONTAINERS):
            self.add(f"{number}.{kind}", seconds=4)

    def add_collection(self, artists: Iterable[int] = range(6), *, label: bool = True) -> None:
        """Put an album by each artist there, of a tune and a drum loop, in the user's genres."""
        for number in artists:
            for title, sound in (("tune", melody), ("loop", drums)):
                name = f"album {number}/{title} {number}.mp3"
                path = make(self.music / name, 6, number, sound)
                media = MediaFile(path)
                media.title, media.album = path.stem, path.parent.name
                media.artist = media.albumartist = f"artist {number}"
                media.genres = [f"My {title.title()}s"] if label else []
                media.save()

    def install(self, *plugins: str, first: bool = False, **sources: str) -> None:
        """Enable plugins of beets, and plugins of these sources. first: before this plugin."""
        folder = self.root / "plugins"
        folder.mkdir(exist_ok=True)
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(dedent(source), encoding="utf-8")
        self.settings["pluginpath"] = str(folder)
        others = [*plugins, *sources]
        self.settings["plugins"] = [*others, "genreclf"] if first else ["genreclf", *others]

    def import_music(self, *options: str) -> str:
        return self("import", "--quiet", "--noautotag", *options, str(self.music))

    def keep(self) -> None:
        """Keep all of it as it is now, for `restore`."""
        self._kept = self.root.with_name(f"{self.root.name}-kept"), deepcopy(self.settings)
        shutil.copytree(self.root, self._kept[0])

    def restore(self) -> None:
        """Make all of it what it was when it was kept, where it was, with the times it had."""
        kept, settings = self._kept
        shutil.rmtree(self.root)
        shutil.copytree(kept, self.root)
        self.settings, self.environment = deepcopy(settings), {}

    def field(self, name: str, *query: str) -> list[str]:
        """Return one field of each track, sorted by title."""
        return self("ls", "-f", f"${name}", *query, "title+").splitlines()

    def field_by_container(self, name: str) -> dict[str, str]:
        """Return one field of each track by the suffixes of its file."""
        lines = self("ls", "-f", f"$path|${name}").splitlines()
        return {container(Path(path)): value for path, value in (x.split("|") for x in lines)}

    def rows(self) -> list[tuple[Any, ...]]:
        """Return all that the database has, but for when beets last read each file."""
        found: list[tuple[Any, ...]] = []
        with closing(sqlite3.connect(self.root / "library.db")) as database:
            for table in ("items", "albums", "item_attributes", "album_attributes"):
                names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                skipped = {"mtime"} if table == "items" else {"id"} if "attr" in table else set()
                columns = ", ".join(name for name in names if name not in skipped)
                rows = database.execute(f"SELECT {columns} FROM {table}")
                found.extend((table, *row) for row in rows)
        return sorted(found, key=repr)

    def files(self) -> list[Path]:
        return sorted(path for path in self.library.rglob("*") if path.is_file())

    def file_by_container(self) -> dict[str, Path]:
        """Return the file of each track by its suffixes, where there is one of each."""
        files = self.files()
        found = {container(path): path for path in files}
        assert len(found) == len(files)
        return found


def container(path: Path) -> str:
    """Return the suffixes of a file as `tests.sounds.CONTAINERS` has them."""
    return path.name.partition(".")[2]


@pytest.fixture(scope="session", autouse=True)
def _fork_servers_closed() -> Iterator[None]:
    yield
    for server in _servers.values():
        server.close()


@pytest.fixture(scope="session", autouse=True)
def _workers_forked() -> Iterator[None]:
    """Fork the workers of pools in this process. Those of commands are started as by users."""
    if sys.platform != "linux":
        yield
        return
    from multiprocessing.context import ForkServerProcess  # not on Windows
    from multiprocessing.forkserver import ensure_running

    from genremodel.batch.spawning import WorkerContext

    get_context("forkserver").set_forkserver_preload(["tests.preloaded"])
    ensure_running()  # in the environment and the folder of no particular test
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WorkerContext, "Process", ForkServerProcess)
        yield


@pytest.fixture
def beets(tmp_path: Path) -> Beets:
    return Beets(tmp_path)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Return a function that returns a library as another one has prepared it.

    It is prepared once, and restored for each test: `prepared(add_two_tracks)`.
    """

    @cache
    def keep(prepare: Callable[[Beets], None]) -> Beets:
        beets = Beets(tmp_path_factory.mktemp(prepare.__name__))
        prepare(beets)
        beets.keep()
        return beets

    def restore(prepare: Callable[[Beets], None]) -> Beets:
        beets = keep(prepare)
        beets.restore()
        return beets

    return restore


@pytest.fixture
def server(library: Beets) -> Iterator[WebServer]:
    """Serve the review page of the library of a module."""
    from tests.web_client import serving

    with serving(library) as server:
        yield server


@pytest.fixture(scope="session")
def data() -> Path:
    """Return the folder of genre-labeled music, or skip the test.

    A test without it fails in CI, unless GENRE_DATA is `none`.
    """
    from training.corpus import DEFAULT_FOLDER  # slow to import

    if DEFAULT_FOLDER.is_dir():
        return DEFAULT_FOLDER
    if os.environ.get("CI") and os.environ.get("GENRE_DATA") != "none":
        pytest.fail(f"music is missing: {DEFAULT_FOLDER}")
    pytest.skip(f"music is missing: {DEFAULT_FOLDER}")


def pytest_addoption(parser: pytest.Parser) -> None:
    text = "run further variants of tests, and all combinations of plugins rather than all pairs"
    parser.addoption("--full-matrix", action="store_true", help=text)
    text = "test the review page in Chromium, too"
    parser.addoption("--browser", action="store_true", help=text)
    text = "test clusters, too"
    parser.addoption("--cluster", action="store_true", help=text)
    text = "rebuild the bundled model and compare its figures with those of the released one"
    parser.addoption("--rebuild", action="store_true", help=text)
    text = "how many damaged files to classify (default: %(default)s)"
    parser.addoption("--fuzz", type=int, default=80, metavar="N", help=text)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Never look for garbage among the tests and modules: it takes a fifth of the collection."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip variants, and begin with the longest files, or one worker ends long after the others."""
    if not config.getoption("--full-matrix"):
        skip = pytest.mark.skip(reason="a further variant: run with --full-matrix")
        for item in items:
            if item.get_closest_marker("variant"):
                item.add_marker(skip)
    order = {name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
