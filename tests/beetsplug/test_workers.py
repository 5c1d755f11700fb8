"""Systems where workers cannot be started, and programs that run beets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from tests.beetsplug.test_faults import start, wait_for_tags
from tests.conftest import Beets
from tests.platforms import posix
from tests.tags import our_tags
from tests.variants import variant, variants

pytestmark = posix

MAIN = "import beets.ui, sys; beets.ui.main(sys.argv[1:])"
CIRCUMSTANCES = {
    "daemonic": """
import multiprocessing, sys
from beets.ui import main

fork = multiprocessing.get_context("fork")
process = fork.Process(target=main, args=[sys.argv[1:]], daemon=True)
process.start()
process.join()
sys.exit(process.exitcode)
""",
    "few files": "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (26, 26)); " + MAIN,
    "executable": "import multiprocessing.spawn as s; s.set_executable('/none'); " + MAIN,
}
# A script without `if __name__ == "__main__"`.
UNGUARDED = """
import sys
from beets.ui import main

with open("ran", "a") as ran:
    ran.write("once ")
main(["import", "-qA", "music"])
"""

# Makes a run last, so that it goes on when a test has noticed its first tags.
SLOW = """
import time
from beets.plugins import BeetsPlugin

class SlowPlugin(BeetsPlugin):
    def __init__(self):
        super().__init__()
        self.register_listener("after_write", lambda item, path: time.sleep(0.2))
"""
# Sends SIGTERM as soon as beets has changed the level of the plugin's log during a run.
ENDING = """
import os, signal, sys
from beets.plugins import BeetsPlugin

def profile(frame, event, argument):
    if (
        event == "return"
        and frame.f_code.co_name == "setLevel"
        and frame.f_locals["self"].name == "beets.genreclf"
        and signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGTERM)

class EndingPlugin(BeetsPlugin):
    def __init__(self):
        super().__init__()
        sys.setprofile(profile)
"""


def run(
    beets: Beets, arguments: Sequence[str], stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "BEETSDIR": str(beets.root)},
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=beets.root,
    )


@pytest.mark.parametrize(
    "code",
    variants(CIRCUMSTANCES.values(), default=[CIRCUMSTANCES["daemonic"]]),
    ids=CIRCUMSTANCES,
)
def test_import_and_command_without_workers(code: str, beets: Beets) -> None:
    for name in ("a.mp3", "b.mp3"):
        beets.add(name)
    beets.write_settings()
    done = run(beets, ["-c", code, "import", "-qA", "music"])
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("genreclf: worker processes could not be started (") == 1
    first, second = beets.files()
    assert our_tags(first)
    assert our_tags(second)
    first.write_text("la la la")
    done = run(beets, ["-c", code, "genreclf", "-f", "--no-cache"])
    assert done.returncode == 1
    assert f"genreclf: {first}: Invalid data" in done.stderr
    assert "1 failed" in done.stderr
    assert done.stderr.count("genreclf: worker processes could not be started (") == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        (["script.py"], ""),
        pytest.param(["-m", "script"], "", marks=variant),
        pytest.param(["-c", UNGUARDED], "", marks=variant),
        pytest.param(["-"], UNGUARDED, marks=variant),
    ],
    ids=["file", "module", "command", "standard input"],
)
def test_workers_do_not_run_a_script_again(arguments: list[str], stdin: str, beets: Beets) -> None:
    beets.add("a.mp3")
    (beets.root / "script.py").write_text(UNGUARDED)
    beets.write_settings()
    done = run(beets, arguments, stdin)
    assert done.returncode == 0, done.stderr
    assert (beets.root / "ran").read_text() == "once "
    assert "no worker process" not in done.stderr
    assert all(beets.field("genre_model"))


def assert_quiet_end(process: subprocess.Popen[str], status: int) -> str:
    """Wait for a process and its workers, and return what was printed.

    multiprocessing's tracker holds the standard error open as long as there is a worker.
    """
    _, printed = process.communicate(timeout=100)
    assert process.returncode == status, printed
    assert "Traceback" not in printed
    assert "leaked" not in printed
    return printed


@pytest.mark.parametrize("whole_group", variants([False, True], default=[True]))
def test_sigterm_ends_the_command_quietly(beets: Beets, whole_group: bool) -> None:
    beets.settings["genreclf"]["auto"] = False
    for seed in range(16):
        beets.add(f"{seed:02}.flac", seconds=8, seed=seed)
    beets.import_music()
    beets.install(slow=SLOW)
    process = start(beets, "genreclf", new_session=True)
    wait_for_tags(beets, process, 2)  # a change that is interrupted is taken back
    if whole_group:  # as a service manager does
        os.killpg(process.pid, signal.SIGTERM)
    else:
        process.terminate()
    printed = assert_quiet_end(process, 128 + signal.SIGTERM)
    assert " updated, " in printed
    tagged = [path for path in beets.files() if our_tags(path)]
    assert 0 < len(tagged) < 16
    beets.settings["plugins"] = ["genreclf"]
    beets("genreclf")
    assert all(our_tags(path) for path in beets.files())


def test_summary_is_printed_if_sigterm_interrupts_a_call_of_listeners(beets: Beets) -> None:
    """beets changes the level of the log for listeners, and does not always restore it then."""
    beets.settings["genreclf"]["auto"] = False
    for seed in range(2):
        beets.add(f"{seed}.flac", seed=seed)
    beets.import_music()
    beets.install(ending=ENDING)
    done = beets.run("genreclf")
    assert done.returncode == 128 + signal.SIGTERM
    assert " updated, " in done.stderr
    assert "Traceback" not in done.stderr


def test_sigterm_ends_an_import_as_beets_does(beets: Beets) -> None:
    for seed in range(16):
        beets.add(f"{seed:02}/{seed:02}.flac", seconds=8, seed=seed)
    process = start(beets, "import", "-qA", str(beets.music), new_session=True)
    while not any(beets.library.rglob("*.flac")):
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert_quiet_end(process, -signal.SIGTERM)
    assert 0 < len([*filter(None, beets.field("genre_model"))]) < 16


def test_sigterm_handler_is_restored_after_the_command(beets: Beets) -> None:
    """Another handler stays in place, and other plugins do not notice."""
    beets.add("a.mp3")
    beets.write_settings()
    code = """
import signal, sys
from beets import plugins, ui

def other(*_):
    pass

assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
for handler in (signal.SIG_DFL, signal.SIG_IGN, other):
    signal.signal(signal.SIGTERM, handler)
    ui.main(["genreclf", "-f"])
    assert signal.getsignal(signal.SIGTERM) is handler
"""
    done = run(beets, ["-c", code])
    assert done.returncode == 0, done.stderr
