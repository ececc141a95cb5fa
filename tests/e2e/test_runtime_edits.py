"""What `cdi runtime` writes into configurations is what the runtimes obey, and `undo` leaves no trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.devices import gives, offer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.engines import Engine

pytestmark = pytest.mark.e2e

SWITCHED = ("forky-containerd", "trixie-containerd", "forky-docker")
DIRECTED = ("forky-podman", *SWITCHED)
NOTHING_TO_UNDO = 3


def change(engine: Engine, *arguments: str) -> None:
    done = engine.machine.cdi("runtime", *arguments)
    assert done.returncode == 0, done.stderr


def undo_all(engine: Engine) -> None:
    for _ in range(10):
        done = engine.machine.cdi("runtime", "undo", engine.name)
        if done.returncode == NOTHING_TO_UNDO:
            return
        assert done.returncode == 0, done.stderr
    pytest.fail("there is always more to undo")


def files(root: Path) -> dict[str, bytes]:
    """Return every file of the configuration of runtimes."""
    places = ("etc/containerd", "etc/containers", "etc/docker")
    found = [path for place in places for path in (root / place).rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in found}


@pytest.mark.parametrize("engine", SWITCHED, indirect=True)
def test_a_device_is_given_when_enabled_and_not_when_disabled(engine: Engine) -> None:
    before = files(engine.machine.root)
    device = offer(engine.machine.etc, "device")

    change(engine, "enable", engine.name)
    engine.start()
    assert gives(engine, device)

    change(engine, "disable", engine.name)
    engine.restart()
    assert not gives(engine, device)

    change(engine, "enable", engine.name)
    engine.restart()
    assert gives(engine, device)

    undo_all(engine)
    assert files(engine.machine.root) == before
    engine.restart()


@pytest.mark.parametrize("engine", DIRECTED, indirect=True)
def test_the_directories_that_are_set_are_those_that_are_read(ready: Engine) -> None:
    before = files(ready.machine.root)
    usual = offer(ready.machine.etc, "usual")
    other = offer(ready.machine.root / "opt/cdi", "other")
    assert [gives(ready, usual), gives(ready, other)] == [True, False]

    change(ready, "set-dirs", ready.name, "/opt/cdi")
    ready.restart()
    assert [gives(ready, usual), gives(ready, other)] == [False, True]

    change(ready, "undo", ready.name)
    assert files(ready.machine.root) == before
    ready.restart()
    assert [gives(ready, usual), gives(ready, other)] == [True, False]


@pytest.mark.parametrize("engine", ["host-podman"], indirect=True)
def test_a_directory_that_would_be_ignored_is_not_set(engine: Engine) -> None:
    before = files(engine.machine.root)
    done = engine.machine.cdi("runtime", "set-dirs", "podman", "/opt/cdi")
    assert done.returncode == 1
    assert "podman 4.3.1" in done.stderr
    assert files(engine.machine.root) == before


@pytest.mark.parametrize("engine", ["forky-containerd", "trixie-containerd"], indirect=True)
def test_what_a_drop_in_says_last_is_what_changes(engine: Engine) -> None:
    """The table of a drop-in is merged by containerd 2 and replaces that of the main file in 1.7."""
    main = engine.machine.root / engine.config
    settings = main.read_text()
    main.write_text('imports = ["/etc/containerd/conf.d/*.toml"]\n' + settings)
    drop_in = engine.machine.root / "etc/containerd/conf.d/99-driver.toml"
    drop_in.parent.mkdir()
    drop_in.write_text(f"# of a driver\n{settings}".replace('cri"]\n', 'cri"]\n    enable_cdi = false\n'))
    before = files(engine.machine.root)
    device = offer(engine.machine.etc, "device")

    change(engine, "enable", "containerd")
    engine.start()

    assert gives(engine, device)
    assert main.read_bytes() == before[str(main)]
    change(engine, "undo", "containerd")
    assert files(engine.machine.root) == before


@pytest.mark.parametrize("engine", ["forky-containerd", "trixie-containerd"], indirect=True)
def test_containerd_starts_on_a_configuration_that_was_not_there(engine: Engine) -> None:
    (engine.machine.root / engine.config).unlink()
    change(engine, "set-dirs", "containerd", "/opt/cdi")
    change(engine, "enable", "containerd")
    engine.start()

    config = engine.effective()

    assert (config["enableCDI"], config["cdiSpecDirs"]) == (True, ["/opt/cdi"])
    undo_all(engine)
    assert not (engine.machine.root / engine.config).exists()


@pytest.mark.parametrize("engine", ["forky-docker"], indirect=True)
def test_docker_keeps_its_other_settings(engine: Engine) -> None:
    path = engine.machine.root / engine.config
    settings = json.loads(path.read_text()) | {"features": {"containerd-snapshotter": False}, "labels": ["a=b"]}
    path.write_text(json.dumps(settings))
    change(engine, "disable", "docker")
    change(engine, "set-dirs", "docker", "/opt/cdi", "/etc/cdi")
    change(engine, "enable", "docker")
    engine.start()

    info = engine.effective()

    assert (info["Labels"], info["CDISpecDirs"]) == (["a=b"], ["/opt/cdi", "/etc/cdi"])
    assert json.loads(path.read_text())["features"] == {"containerd-snapshotter": False, "cdi": True}
