"""A pytest plugin for beets' own tests, which loads genreclf beside every plugin of theirs.

Runs in the virtual environments that `tests.beets_suite` makes, where this project's own test
dependencies are missing.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml
from beets import plugins

import beetsplug.genreclf  # noqa: F401  # before beets.test limits `beetsplug` to beets' folder

NAME = "genreclf"
EXPECTED = Path(__file__).with_name("expected.yaml")


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup(NAME)
    places = ("first", "last", "none")
    group.addoption("--genreclf", choices=places, help="load it before or after the others")
    group.addoption("--genreclf-report", type=Path, help="write a summary as JSON to this file")


def pytest_configure(config: pytest.Config) -> None:
    place = config.getoption("--genreclf")
    if place != "none":
        _load_beside(first=place == "first")
    if report := config.getoption("--genreclf-report"):
        config.pluginmanager.register(_Summary(report))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    expected = expected_failures(config.getoption("--genreclf"))
    for item in items:
        if reason := expected.get(item.nodeid):
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        report.user_properties.append((NAME, _is_loaded()))
    return report


def expected_failures(place: str) -> dict[str, str]:
    """Return the reasons why tests fail with genreclf in this place, by the names of the tests."""
    if place == "none":
        return {}
    listed = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    return {**listed["always"], **(listed["first"] if place == "first" else {})}


def _is_loaded() -> bool:
    return any(plugin.name == NAME for plugin in plugins.find_plugins())


def _load_beside(*, first: bool) -> None:
    """Load genreclf with the plugins of the configuration, and with those that tests register.

    beets reports a plugin that cannot be loaded and goes on without it. Here, the test fails.
    """
    from beets.test.helper import PluginMixin

    configured, load = plugins.get_plugin_names, plugins.load_plugins
    register = PluginMixin.register_plugin

    def names() -> list[str]:
        others = [name for name in configured() if name != NAME]
        return [NAME, *others] if first else [*others, NAME]

    def load_strictly() -> None:
        load()
        assert _is_loaded(), f"{NAME} cannot be loaded"

    def register_beside(self: PluginMixin, plugin_class: type[plugins.BeetsPlugin]) -> None:
        register(self, plugin_class)
        if not _is_loaded():
            plugin = plugins._get_plugin(NAME)
            assert plugin, f"{NAME} cannot be loaded"
            plugins._instances.insert(0 if first else len(plugins._instances), plugin)

    plugins.get_plugin_names = names
    plugins.load_plugins = load_strictly
    PluginMixin.register_plugin = register_beside  # type: ignore[method-assign]


class _Summary:
    """Writes a JSON object with the tests that passed and failed when all workers are done."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loaded = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._loaded += report.when == "call" and [NAME, True] in map(list, report.user_properties)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        def names(*outcomes: str) -> list[str]:
            reports = (x for outcome in outcomes for x in terminalreporter.getreports(outcome))
            return sorted({report.nodeid for report in reports})

        summary = {
            "passed": len(names("passed")),
            "failed": names("failed", "error"),
            "expected": names("xfailed"),
            "loaded": self._loaded,
        }
        self._path.write_text(json.dumps(summary), encoding="utf-8")
