"""`cdi runtime status` says what each runtime really does."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from cdi.versions import VERSIONS
from tests.e2e.devices import gives, offer, touch
from tests.e2e.engines import Containerd, Docker
from tests.e2e.machine import CDI

if TYPE_CHECKING:
    from tests.e2e.engines import Engine

pytestmark = pytest.mark.e2e

DAEMONS = ("forky-containerd", "trixie-containerd", "forky-docker")


def status(engine: Engine) -> dict[str, Any]:
    """Return what `cdi` says of a runtime, in its machine."""
    done = engine.machine.cdi("runtime", "status", engine.client, "-o", "json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["runtimes"]
    return dict(found)


def test_the_version_is_that_of_the_program(engine: Engine) -> None:
    assert bare(status(engine)["version"]) == engine.version


def test_cdi_is_on_or_off_as_a_container_finds_it(engine: Engine) -> None:
    device = offer(engine.machine.etc, "device")
    engine.start()
    assert status(engine)["enabled"] is gives(engine, device)


def test_the_directories_are_those_in_which_devices_are_found(ready: Engine) -> None:
    machine = ready.machine
    directories = {"/etc/cdi": machine.etc, "/var/run/cdi": machine.run, "/opt/cdi": machine.root / "opt/cdi"}
    offered = {name: offer(path, path.parts[-2]) for name, path in directories.items()}
    found = [name for name, device in offered.items() if gives(ready, device)]
    assert status(ready)["specDirs"] == found


def test_the_newest_version_is_read_and_no_newer_one(ready: Engine) -> None:
    newest = status(ready)["newestVersion"]
    devices = {version: offer(ready.machine.etc, f"v{version}", version=version) for version in VERSIONS[4:]}
    loaded = [version for version, device in devices.items() if gives(ready, device)]
    assert loaded[-1] == newest


@pytest.mark.parametrize("engine", DAEMONS, indirect=True)
def test_a_daemon_is_seen_to_be_older_than_its_configuration(ready: Engine) -> None:
    assert status(ready)["daemon"]["outdatedBy"] == []
    path = ready.machine.root / ready.config
    path.write_text(path.read_text() + "\n")
    touch(path, later=60)
    assert status(ready)["daemon"]["outdatedBy"] == [f"/{ready.config}"]
    touch(path)
    ready.restart()
    assert status(ready)["daemon"]["outdatedBy"] == []


def test_a_machine_is_told_from_outside_as_from_inside(ready: Engine) -> None:
    inside = ready.machine.cdi("runtime", "status", "-o", "json")
    command = (CDI, "--root", ready.machine.root, "runtime", "status", "-o", "json")
    outside = subprocess.run(command, check=False, capture_output=True, text=True)
    assert outside.returncode == 0, outside.stderr
    assert facts(outside.stdout) == facts(inside.stdout)


def facts(answer: str) -> list[dict[str, Any]]:
    """Return what is said of each runtime, without how it is known: programs of another root are not asked."""
    wanted = ("name", "version", "enabled", "specDirs", "newestVersion", "configs", "problems")
    said = [{key: one[key] for key in wanted} for one in json.loads(answer)["runtimes"]]
    return [{**one, "version": bare(one["version"])} for one in said]


def bare(version: str) -> str:
    """Return a version without what a distribution adds to it: `2.1.9` for `2.1.9+ds1`."""
    return re.split(r"[^\d.]", version)[0]


@pytest.mark.parametrize("engine", DAEMONS, indirect=True)
def test_the_daemon_says_the_same_of_itself(ready: Engine) -> None:
    said = status(ready)
    if isinstance(ready, Containerd):
        config = ready.effective()
        assert (said["enabled"], said["specDirs"]) == (config["enableCDI"], config["cdiSpecDirs"])
    else:
        assert isinstance(ready, Docker)
        assert said["specDirs"] == ready.effective()["CDISpecDirs"]
