"""`cdi runtime`: what the runtimes of a host have switched on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

NODE = Path(__file__).parents[2] / "spec-examples/runtimes/node.tree"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return a copy of the example, to be changed."""
    copy = tmp_path / "node.tree"
    copy.write_text(NODE.read_text())
    return copy


def add(node: Path, line: str) -> None:
    with node.open("a") as tree:
        tree.write(f"\n{line}\n")


def test_status_is_a_line_for_each_runtime_and_what_to_know(cdi: Cdi) -> None:
    result = cdi("--root", NODE, "runtime", "status")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "RUNTIME     VERSION       CDI  READS UP TO  DIRECTORIES            STARTS",
        "containerd  1.7.24~ds1    off  0.7.0        none                   runc 1.1.15+ds1",
        "docker      26.1.5+dfsg1  on   0.6.0        /etc/cdi /var/run/cdi  runc 1.1.15+ds1",
        "podman      5.4.2+ds1     on   0.8.0        /etc/cdi /var/run/cdi  crun 1.21",
        "",
        "containerd: the running daemon is older than /etc/containerd/conf.d/99-driver.toml",
        (
            "containerd: /etc/containerd/config.toml:4: containerd 1.7.24~ds1 reads nothing of this table, that of "
            "/etc/containerd/conf.d/99-driver.toml replaces it"
        ),
        "podman: /etc/containers/containers.conf:3: podman 5.4.2+ds1 ignores cdi_spec_dirs, podman 5.5 obeys it",
    ]
    assert len(cdi("--root", NODE, "-q", "runtime", "status").out.splitlines()) == 6


def test_verbose_says_where_it_is_from(cdi: Cdi) -> None:
    assert cdi("--root", NODE, "runtime", "status", "docker", "-v").out.splitlines() == [
        "docker 26.1.5+dfsg1",
        "  program      /usr/sbin/dockerd",
        "  version      26.1.5+dfsg1 (package docker.io)",
        "  CDI          on (/etc/docker/daemon.json:3)",
        "  directories  /etc/cdi /var/run/cdi (default of docker 26.1.5+dfsg1)",
        "  reads up to  0.6.0 (by its release)",
        (
            "  starts       runc 1.1.15+ds1 (/usr/sbin/runc), ignores netDevices, intelRdt.schemata, "
            "intelRdt.enableMonitoring"
        ),
        "  reads        /etc/docker/daemon.json",
    ]
    assert (
        "  daemon       PID 812 since 2025-11-24 16:05:00 UTC (/usr/bin/containerd)\n"
        in cdi("--root", NODE, "runtime", "status", "containerd", "-v").out
    )


def test_json_has_the_same(cdi: Cdi) -> None:
    (containerd,) = cdi("--root", NODE, "runtime", "status", "containerd", "-o", "json").json["runtimes"]
    assert containerd == {
        "name": "containerd",
        "program": "/usr/bin/containerd",
        "version": "1.7.24~ds1",
        "versionWhy": "package containerd",
        "enabled": False,
        "enabledWhy": "default of containerd 1.7.24~ds1",
        "specDirs": [],
        "specDirsWhy": "",
        "newestVersion": "0.7.0",
        "newestVersionWhy": "by its release",
        "lowLevel": {
            "name": "runc",
            "program": "/usr/sbin/runc",
            "version": "1.1.15+ds1",
            "lacks": ["netDevices", "intelRdt.schemata", "intelRdt.enableMonitoring"],
        },
        "daemon": {
            "pid": 812,
            "program": "/usr/bin/containerd",
            "started": 1764000300.0,
            "arguments": ["/usr/bin/containerd"],
            "outdatedBy": ["/etc/containerd/conf.d/99-driver.toml"],
        },
        "configs": ["/etc/containerd/config.toml", "/etc/containerd/conf.d/99-driver.toml"],
        "problems": [],
        "remarks": [
            (
                "/etc/containerd/config.toml:4: containerd 1.7.24~ds1 reads nothing of this table, that of "
                "/etc/containerd/conf.d/99-driver.toml replaces it"
            )
        ],
    }


def test_a_configuration_that_is_wrong_is_exit_1_with_its_place(cdi: Cdi, node: Path) -> None:
    add(node, '/etc/docker/daemon.json = "{\\n  \\"features\\": {cdi: true}\\n}\\n"')
    result = cdi("--root", node, "runtime", "status", "docker")
    assert result.code == 1
    assert "docker   26.1.5+dfsg1  unknown " in result.out
    assert (
        "docker: /etc/docker/daemon.json:2:16: error: not JSON: expecting property name enclosed in double quotes "
        "[config-syntax]\n"
    ) in result.out


def test_a_configuration_that_cannot_be_read_is_exit_4(cdi: Cdi, node: Path) -> None:
    node.write_text(
        "".join(f"{line}\n" for line in NODE.read_text().splitlines() if not line.startswith("/etc/docker"))
    )
    add(node, "/etc/docker/daemon.json ! EACCES")
    assert cdi("--root", node, "runtime", "status").code == 4


def test_what_is_not_installed_is_exit_3(cdi: Cdi, tmp_path: Path) -> None:
    result = cdi("--root", NODE, "runtime", "status", "cri-o")
    assert (result.code, result.out) == (3, "")
    assert result.err == "cdi: error: cri-o: not installed\nhint: looked for the programs of cri-o\n"
    partly = cdi("--root", NODE, "runtime", "status", "cri-o", "docker")
    assert (partly.code, partly.err) == (0, "cdi: cri-o is not installed\n")
    assert cdi("--root", tmp_path, "runtime", "status").code == 3


def test_an_unknown_runtime_is_wrong_usage(cdi: Cdi) -> None:
    result = cdi("--root", NODE, "runtime", "status", "dokcer")
    assert (result.code, result.err) == (2, "cdi: error: unknown runtime 'dokcer'\nhint: did you mean 'docker'?\n")
