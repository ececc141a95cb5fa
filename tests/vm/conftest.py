"""Tests in a guest: this machine asks for their reports, the guest has their fixtures."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.cli.harness import run
from tests.e2e.roots import KERNEL, sizes
from tests.vm.guest import Guest, GuestError
from tests.vm.hardware import Cards, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator

INSIDE = "CDI_TOOLS_GUEST" in os.environ
PACKAGES = {"busybox": "busybox-static", "depmod": "kmod", "mmdebstrap": "mmdebstrap", "unshare": "util-linux"}
GUEST = pytest.StashKey[Guest]()
DIRECTORY = pytest.StashKey["tempfile.TemporaryDirectory[str]"]()


def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Have a test run in the guest, which starts with the first one."""
    if INSIDE or item.get_closest_marker("vm") is None:  # this file is loaded with those of other tests, too
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in _reports(item):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _reports(item: pytest.Item) -> Iterator[pytest.TestReport]:
    try:
        missing = _missing()
        if missing:
            yield _instead(item, f"a virtual machine needs {', '.join(missing)}", skip="CI" not in os.environ)
            return
        for report in _guest(item.session).reports(item.nodeid):
            yield item.config.hook.pytest_report_from_serializable(config=item.config, data=report)
    except GuestError as error:
        yield _instead(item, str(error))


def _missing() -> list[str]:
    missing = [f"the Debian package {package}" for tool, package in PACKAGES.items() if not shutil.which(tool)]
    return missing if os.geteuid() == 0 else ["root", *missing]


def _guest(session: pytest.Session) -> Guest:
    if GUEST not in session.stash:
        directory = tempfile.TemporaryDirectory(prefix="cdi-tools-vm-")
        tests = [item.nodeid for item in session.items if item.get_closest_marker("vm")]
        session.stash[DIRECTORY] = directory
        session.stash[GUEST] = Guest.testing(Path(directory.name), tests)
    return session.stash[GUEST]


def _instead(item: pytest.Item, why: str, *, skip: bool = False) -> pytest.TestReport:
    """Return a report of a test that was not run."""
    path, line, _ = item.location
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="skipped" if skip else "failed",
        longrepr=(path, line or 0, why) if skip else why,
        when="call",
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    if GUEST in session.stash:
        session.stash[GUEST].close()
        session.stash[DIRECTORY].cleanup()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.markexpr == "vm" and not INSIDE:
        for root, size in sizes(KERNEL):
            terminalreporter.write_line(f"{root}: {size / 2**20:.0f} MiB on disk")


# In the guest.


class Found(NamedTuple):
    """What `cdi discover` says of the guest."""

    all: list[dict[str, Any]]
    common: list[dict[str, Any]]
    kept: list[dict[str, Any]]

    def named(self, family: str) -> dict[str, dict[str, Any]]:
        """Return the devices of a family by name."""
        return {device["name"]: device for device in self.all if device["family"] == family}

    def shared(self, family: str) -> dict[str, Any]:
        """Return what the devices of a family share."""
        (shared,) = (shared for shared in self.common if shared["family"] == family)
        return shared

    def skipped(self, family: str) -> dict[str, str]:
        """Return what of a family is not offered, and why."""
        return {skipped["what"]: skipped["why"] for skipped in self.kept if skipped["family"] == family}


@pytest.fixture(scope="session", autouse=True)
def cards() -> Cards:
    return set_up()


@pytest.fixture(scope="session")
def found(cards: Cards) -> Found:
    answer = run("discover", "-o", "json").json
    assert not answer["problems"], cards
    return Found(answer["found"], answer["shared"], answer["skipped"])
