"""`cdi doctor` names the cause of what a runtime really does, and its advice helps."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.e2e.devices import gives, offer, touch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.engines import Engine
    from tests.e2e.machine import Machine

pytestmark = pytest.mark.e2e

DEVICE = "vendor.com/e2e=device"
MOUNT = {"hostPath": "/opt/lib", "containerPath": "/opt/lib", "options": ["ro", "bind"]}
SWITCHED = ("forky-containerd", "trixie-containerd", "forky-docker")


def write(machine: Machine, name: str = "device.json", *, version: str = "0.5.0", **edits: Any) -> None:
    edits = {"env": ["CDI_DEVICE=device"], **edits}
    devices = [{"name": "device", "containerEdits": edits}]
    (machine.etc / name).write_text(json.dumps({"cdiVersion": version, "kind": "vendor.com/e2e", "devices": devices}))


def finding(engine: Engine, device: str = DEVICE) -> dict[str, Any]:
    """Return the problem that the doctor finds with a device in a runtime."""
    done = engine.machine.cdi("doctor", device, "--runtime", engine.client, "-o", "json")
    problems = [one for one in json.loads(done.stdout)["findings"] if one["status"] == "problem"]
    assert (done.returncode, len(problems)) == (1, 1), done.stdout
    return dict(problems[0])


def is_well(engine: Engine) -> bool:
    done = engine.machine.cdi("doctor", DEVICE, "--runtime", engine.client)
    assert done.returncode == 0, done.stdout
    return gives(engine, DEVICE)


class Illness(NamedTuple):
    """What is wrong with a file, what the runtime and the doctor say to that, and what the doctor's hint does."""

    make: Callable[[Machine], object]
    error: str
    step: str
    message: str
    hint: str
    cure: Callable[[Machine], object]


def _hook(machine: Machine) -> None:
    hook = machine.root / "opt/hook"
    hook.write_text("#!/bin/sh\ncat >/dev/null\n")
    hook.chmod(0o755)


def _conflict(machine: Machine) -> None:
    write(machine)
    write(machine, "again.json")


ILLNESSES = {
    "too-new": Illness(
        lambda machine: write(machine, version="1.1.0"),
        r"unresolvable CDI devices vendor.com/e2e=device",
        "loads",
        r"does not read cdiVersion 1\.1\.0, it knows up to",
        r"write cdiVersion '0\.3\.0'",
        lambda machine: write(machine, version="0.3.0"),
    ),
    "invalid": Illness(
        lambda machine: write(machine, env=["CDI_DEVICE"]),
        r"unresolvable CDI devices vendor.com/e2e=device",
        "loads",
        r"invalid environment entry 'CDI_DEVICE'",
        r"write NAME=value",
        write,
    ),
    "conflict": Illness(
        _conflict,
        r"unresolvable CDI devices vendor.com/e2e=device",
        "unique",
        r"again\.json",
        r"remove",
        lambda machine: (machine.etc / "again.json").unlink(),
    ),
    "no-node": Illness(
        lambda machine: write(machine, deviceNodes=[{"path": "/dev/cdi-missing"}]),
        r'failed to stat CDI host device "/dev/cdi-missing": no such file or directory',
        "nodes",
        r"there is no '/dev/cdi-missing'",
        r"`cdi generate` writes what is there",
        lambda machine: write(machine, deviceNodes=[{"path": "/dev/cdi-missing", "hostPath": "/dev/null"}]),
    ),
    "no-mount": Illness(
        lambda machine: write(machine, mounts=[MOUNT]),
        r"/opt/lib: no such file or directory",
        "mounts",
        r"there is no '/opt/lib' to mount",
        r"an update of its driver may have renamed it",
        lambda machine: (machine.root / "opt/lib").mkdir(),
    ),
    "no-bind": Illness(
        lambda machine: write(machine, mounts=[{**MOUNT, "hostPath": "/opt", "options": ["ro"]}]),
        r"no such device",
        "mounts",
        r"the mount of '/opt' has neither a type nor a bind option",
        r"add 'bind' or 'rbind'",
        lambda machine: write(machine, mounts=[{**MOUNT, "hostPath": "/opt"}]),
    ),
    "no-hook": Illness(
        lambda machine: write(machine, hooks=[{"hookName": "createContainer", "path": "/opt/hook"}]),
        r"hook #0: fork/exec /opt/hook: no such file or directory",
        "mounts",
        r"there is no '/opt/hook' to run",
        r"install what it belongs to",
        _hook,
    ),
}


@pytest.mark.parametrize("engine", ["host-podman", "forky-containerd"], indirect=True)
@pytest.mark.parametrize("name", ILLNESSES)
def test_what_is_wrong_with_a_file_is_found_and_can_be_cured(name: str, ready: Engine) -> None:
    illness = ILLNESSES[name]
    illness.make(ready.machine)

    done = ready.run(DEVICE)
    found = finding(ready)

    assert done.returncode != 0
    assert re.search(illness.error, done.stderr)
    assert found["step"] == illness.step
    assert re.search(illness.message, found["message"])
    assert re.search(illness.hint, found["hint"])
    illness.cure(ready.machine)
    assert is_well(ready)


@pytest.mark.parametrize("engine", ["host-podman", "forky-docker"], indirect=True)
def test_the_name_that_was_meant_is_offered(ready: Engine) -> None:
    offer(ready.machine.etc, "device")

    done = ready.run("vendor.com/e2e=devise")
    found = finding(ready, "vendor.com/e2e=devise")

    assert "unresolvable CDI devices vendor.com/e2e=devise" in done.stderr
    assert found["step"] == "place"
    assert DEVICE in found["hint"]
    assert is_well(ready)


@pytest.mark.parametrize("engine", SWITCHED, indirect=True)
def test_cdi_that_is_off_is_found_and_switched_on_as_the_doctor_says(engine: Engine) -> None:
    offer(engine.machine.etc, "device")
    assert engine.machine.cdi("runtime", "disable", engine.name).returncode == 0
    engine.start()

    done = engine.run(DEVICE, script="echo ${CDI_DEVICE-nothing}")
    if engine.name == "docker":
        assert 'could not select device driver "cdi" with capabilities: []' in done.stderr
    else:
        assert (done.returncode, done.stdout) == (0, "nothing\n")  # it starts, without a word
    found = finding(engine)
    assert (found["step"], found["hint"]) == ("enabled", f"`cdi runtime enable {engine.name} --restart`")

    assert engine.machine.cdi("runtime", "enable", engine.name).returncode == 0
    engine.restart()  # there is no systemd that could
    assert is_well(engine)


@pytest.mark.parametrize("engine", SWITCHED, indirect=True)
def test_a_daemon_that_has_not_read_its_configuration_is_found(engine: Engine) -> None:
    offer(engine.machine.etc, "device")
    assert engine.machine.cdi("runtime", "disable", engine.name).returncode == 0
    engine.start()
    assert engine.machine.cdi("runtime", "enable", engine.name).returncode == 0
    config = engine.machine.root / engine.config
    touch(config, later=60)  # a minute has gone

    assert not gives(engine, DEVICE)
    found = finding(engine)
    assert found["step"] == "enabled"
    assert f"/{engine.config}" in found["message"]

    touch(config)
    engine.restart()
    assert is_well(engine)


@pytest.mark.parametrize("engine", ["forky-podman", *SWITCHED], indirect=True)
def test_a_directory_that_this_runtime_does_not_read_is_found(ready: Engine) -> None:
    offer(ready.machine.run, "device")
    assert ready.machine.cdi("runtime", "set-dirs", ready.name, "/etc/cdi").returncode == 0
    ready.restart()

    assert f"unresolvable CDI devices {DEVICE}" in ready.run(DEVICE).stderr
    found = finding(ready)
    assert found["step"] == "place"
    assert f"`cdi runtime set-dirs {ready.name} /etc/cdi /var/run/cdi`" in found["hint"]

    assert ready.machine.cdi("runtime", "set-dirs", ready.name, "/etc/cdi", "/var/run/cdi").returncode == 0
    ready.restart()
    assert is_well(ready)


@pytest.mark.parametrize("engine", ["trixie-containerd", "forky-containerd", "forky-docker"], indirect=True)
def test_a_configuration_that_keeps_a_daemon_down_is_found_with_its_line(engine: Engine) -> None:
    offer(engine.machine.etc, "device")
    config = engine.machine.root / engine.config
    good = config.read_text()
    config.write_text(f"{good}\n]\n")

    with pytest.raises(RuntimeError, match="ended with"):
        engine.start()
    found = finding(engine)
    assert (found["step"], found["path"]) == ("enabled", f"/{engine.config}")
    assert found["line"] == len(good.splitlines()) + 2

    config.write_text(good)
    assert engine.machine.cdi("runtime", "enable", engine.name).returncode == 0
    engine.start()
    assert is_well(engine)


@pytest.mark.parametrize("engine", ["host-podman", "forky-podman", *SWITCHED], indirect=True)
def test_a_directory_that_is_a_link_is_not_followed_but_one_above_is(engine: Engine) -> None:
    machine = engine.machine
    assert (machine.root / "var/run").is_symlink()
    offer(machine.run, "device")
    if engine.is_off:
        assert machine.cdi("runtime", "enable", engine.name).returncode == 0
    engine.start()
    assert is_well(engine)

    assert machine.execute("mv", "/run/cdi", "/run/real").returncode == 0
    assert machine.execute("ln", "-s", "/run/real", "/run/cdi").returncode == 0
    engine.restart()

    assert not gives(engine, DEVICE)
    assert machine.cdi("devices").stdout == ""
    done = machine.cdi("doctor", DEVICE, "--runtime", engine.client, "-o", "json")
    assert "'/run/cdi' is a link to '/run/real'" in done.stdout.replace("/var/run", "/run")
