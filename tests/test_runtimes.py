"""The runtimes of a host: text trees, with a fake that answers `--version`, and the machine itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from cdi.host import Host
from cdi.runtimes import LowLevel, Runtime, find_runtimes, newest_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def tree(files: Mapping[str, str], *, programs: Sequence[str] = ()) -> Host:
    """Return a host with these files and programs."""
    lines = [f"{path} = {json.dumps(text)}" for path, text in files.items()]
    return Host.from_tree("\n".join([*lines, *(f"{path} : f 0755" for path in programs)]))


def answers(**versions: str) -> dict[str, str]:
    """Return what programs say to `--version`."""
    return {name: f"{name} version {version}" for name, version in versions.items()}


def find(
    files: Mapping[str, str] | None = None, *, programs: Sequence[str] = (), said: Mapping[str, str] | None = None
) -> tuple[Runtime, ...]:
    """Return the runtimes of a host whose programs say what `said` has for their name."""

    def ask(command: Sequence[str]) -> str | None:
        return (said or {}).get(command[0].rpartition("/")[2]) if command[1:] == ["--version"] else None

    return find_runtimes(tree(files or {}, programs=programs), ask=ask)


def one(
    files: Mapping[str, str] | None = None, *, programs: Sequence[str] = (), said: Mapping[str, str] | None = None
) -> Runtime:
    found = find(files, programs=programs, said=said)
    assert len(found) == 1
    return found[0]


def test_a_host_without_runtimes_has_none() -> None:
    assert find({"/etc/hostname": "a\n"}) == ()


def test_podman_as_it_comes() -> None:
    runtime = one(programs=["/usr/bin/podman", "/usr/bin/crun"], said=answers(podman="4.3.1", crun="1.8.1"))
    assert runtime == Runtime(
        name="podman",
        program="/usr/bin/podman",
        version="4.3.1",
        version_why="/usr/bin/podman --version",
        enabled=True,
        enabled_why="always on",
        spec_dirs=("/etc/cdi", "/var/run/cdi"),
        spec_dirs_why="default of podman 4.3.1",
        newest_version="0.5.0",
        newest_version_why="by its release",
        low_level=LowLevel(
            name="crun",
            program="/usr/bin/crun",
            version="1.8.1",
            lacks=("netDevices", "intelRdt", "intelRdt.enableMonitoring"),
        ),
    )


@pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman")
def test_the_podman_of_this_machine_says_its_version() -> None:
    podman = next(one for one in find_runtimes(Host("/")) if one.name == "podman")
    assert podman.version is not None
    assert podman.version_why == f"{podman.program} --version"
    assert newest_for([podman]).version == podman.newest_version
