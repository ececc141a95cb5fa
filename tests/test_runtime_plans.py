"""What changes in the configuration of each runtime, and what cannot be changed."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdi.errors import CdiError, ConfigInvalid, UsageError
from cdi.host import Host
from cdi.runtimes import Daemon, Runtime
from cdi.runtimes.clients import buildkit, nerdctl
from cdi.runtimes.config import Plan, Request, apply, plan, undo
from cdi.runtimes.containerd import containerd
from cdi.runtimes.crio import crio
from cdi.runtimes.docker import docker
from cdi.runtimes.installed import Installed, Settings
from cdi.runtimes.podman import podman
from cdi.runtimes.processes import Process
from cdi.runtimes.programs import Program
from cdi.runtimes.rancher import k3s, rke2

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path

MAIN = "/etc/containerd/config.toml"
DROP_IN = "/etc/containerd/conf.d/9.toml"
IMPORTS = 'imports = ["/etc/containerd/conf.d/*.toml"]\n'
OLD = '[plugins."io.containerd.grpc.v1.cri"]\n'
NEW = "[plugins.'io.containerd.cri.v1.runtime']\n"
DAEMON = "/etc/docker/daemon.json"
ENABLE, DISABLE = Request(action="enable"), Request(action="disable")


def dirs(*paths: str) -> Request:
    return Request(action="set-dirs", dirs=paths)


def host(root: Path, files: Mapping[str, str]) -> Host:
    for path, text in files.items():
        file = root / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return Host(root)


READERS: dict[str, Callable[[Installed], Settings]] = {
    "buildkit": buildkit,
    "containerd": containerd,
    "cri-o": crio,
    "docker": docker,
    "k3s": k3s,
    "nerdctl": nerdctl,
    "podman": podman,
    "rke2": rke2,
}


def plan_for(  # noqa: PLR0913 - as the tests need it
    node: Host,
    name: str,
    version: str | None,
    request: Request,
    *arguments: str,
    at: str = "/usr/bin",
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Plan:
    """Return the plan for a runtime of this version, which runs with these arguments in this environment."""
    path = f"{at}/{name}"
    words = (path, *arguments)
    runs = bool(arguments or environment)
    process = Process(pid=1, program=path, arguments=words, started=0.0, environment=dict(environment))
    program = Program(path=path, version=version)
    installed = Installed(name=name, host=node, program=program, process=process if runs else None)
    seen = READERS[name](installed) if name in READERS else Settings(enabled=None, enabled_why="")
    daemon = Daemon(pid=1, program=path, started=0.0, arguments=words) if runs else None
    runtime = Runtime(
        name=name,
        program=path,
        version=version,
        enabled=seen.enabled,
        enabled_why=seen.enabled_why,
        spec_dirs=seen.spec_dirs,
        spec_dirs_why=seen.spec_dirs_why,
        daemon=daemon,
        configs=seen.configs,
        problems=seen.problems,
    )
    return plan(node, runtime, request)


def text(planned: Plan) -> tuple[str, str]:
    """Return the file that changes, and its new text."""
    assert planned.change is not None
    assert planned.change.new is not None
    return planned.change.path, planned.change.new.decode()


# containerd. What is expected was seen with `containerd config dump` of 1.7.24 and 2.1.9, but for 2.3.


@pytest.mark.parametrize(
    ("version", "files", "request_", "path", "expected"),
    [
        pytest.param("1.7.24", {}, ENABLE, MAIN, f"version = 2\n\n{OLD}enable_cdi = true\n", id="no file for 1.7"),
        pytest.param(
            "2.1.9",
            {},
            DISABLE,
            MAIN,
            'version = 3\n\n[plugins."io.containerd.cri.v1.runtime"]\nenable_cdi = false\n',
            id="no file for 2.1",
        ),
        pytest.param(
            "2.3.4",
            {},
            dirs("/a"),
            MAIN,
            'version = 4\n\n[plugins."io.containerd.cri.v1.runtime"]\ncdi_spec_dirs = ["/a"]\n',
            id="no file for 2.3",
        ),
        pytest.param(
            "1.7.24", {MAIN: "# a"}, ENABLE, MAIN, f"# a\nversion = 2\n\n{OLD}enable_cdi = true\n", id="only a comment"
        ),
        pytest.param(
            "1.7.24",
            {MAIN: "[plugins.cri]\n  a = 1\n"},
            ENABLE,
            MAIN,
            "[plugins.cri]\n  a = 1\n  enable_cdi = true\n",
            id="version 1",
        ),
        pytest.param(
            "1.7.24",
            {MAIN: f"version = 2\n{OLD}a = 1\n"},
            ENABLE,
            MAIN,
            f"version = 2\n{OLD}a = 1\nenable_cdi = true\n",
            id="version 2",
        ),
        pytest.param(
            "1.7.24",
            {MAIN: f"version = 2\n{IMPORTS}{OLD}enable_cdi = true\n", DROP_IN: f"version = 2\n{OLD}a = 1\n"},
            ENABLE,
            DROP_IN,
            f"version = 2\n{OLD}a = 1\nenable_cdi = true\n",
            id="1.7 replaces the table by that of the drop-in",
        ),
        pytest.param(
            "1.7.24",
            {MAIN: f"version = 2\n{IMPORTS}{OLD}a = 1\n", DROP_IN: 'version = 2\n[debug]\nlevel = "info"\n'},
            ENABLE,
            MAIN,
            f"version = 2\n{IMPORTS}{OLD}a = 1\nenable_cdi = true\n",
            id="a drop-in without the table has no word",
        ),
        pytest.param(
            "1.7.24",
            {MAIN: f"version = 2\n{OLD}a = 1\n", DROP_IN: f"version = 2\n{OLD}b = 1\n"},
            ENABLE,
            MAIN,
            f"version = 2\n{OLD}a = 1\nenable_cdi = true\n",
            id="a drop-in that nothing imports has no word",
        ),
        pytest.param(
            "2.1.9",
            {MAIN: f"version = 2\n{OLD}a = 1\n"},
            DISABLE,
            MAIN,
            f"version = 2\n{OLD}a = 1\nenable_cdi = false\n",
            id="version 2 for 2.1",
        ),
        pytest.param(
            "2.1.9",
            {MAIN: f"version = 3\n{NEW}a = 1\n"},
            DISABLE,
            MAIN,
            f"version = 3\n{NEW}a = 1\nenable_cdi = false\n",
            id="version 3",
        ),
        pytest.param(
            "2.1.9",
            {MAIN: f"version = 2\n{IMPORTS}{OLD}a = 1\n", DROP_IN: 'version = 3\n[debug]\nlevel = "info"\n'},
            DISABLE,
            MAIN,
            f'version = 2\n{IMPORTS}{OLD}a = 1\n\n[plugins."io.containerd.cri.v1.runtime"]\nenable_cdi = false\n',
            id="a newer version in a drop-in makes the old table one that nothing reads",
        ),
        pytest.param(
            "2.1.9",
            {
                MAIN: f"version = 3\n{IMPORTS}{NEW}enable_cdi = true\n",
                DROP_IN: f"version = 2\n{OLD}enable_cdi = false\n",
            },
            DISABLE,
            MAIN,
            f"version = 3\n{IMPORTS}{NEW}enable_cdi = false\n",
            id="the new table has the last word",
        ),
        pytest.param(
            "2.1.9",
            {
                MAIN: f"version = 2\n{IMPORTS}{OLD}enable_cdi = true\n",
                DROP_IN: f"version = 2\n{OLD}enable_cdi = false\n",
            },
            ENABLE,
            DROP_IN,
            f"version = 2\n{OLD}enable_cdi = true\n",
            id="the last file with the key has the last word",
        ),
        pytest.param(
            "2.3.4",
            {MAIN: f"version = 4\n{NEW}enable_cdi = false # why\n"},
            ENABLE,
            MAIN,
            f"version = 4\n{NEW}enable_cdi = true # why\n",
            id="version 4",
        ),
        pytest.param(
            None,
            {MAIN: f"version = 2\n{OLD}a = 1\n"},
            ENABLE,
            MAIN,
            f"version = 2\n{OLD}a = 1\nenable_cdi = true\n",
            id="an unknown release is told in any case",
        ),
        pytest.param(
            "devel",
            {MAIN: f"version = 2\n{OLD}a = 1\n"},
            ENABLE,
            MAIN,
            f"version = 2\n{OLD}a = 1\nenable_cdi = true\n",
            id="a version without numbers",
        ),
        pytest.param(
            None,
            {MAIN: f"version = 3\n{NEW}a = 1\n"},
            ENABLE,
            MAIN,
            f"version = 3\n{NEW}a = 1\nenable_cdi = true\n",
            id="an unknown release that must be 2",
        ),
    ],
)
def test_containerd_is_told_where_it_listens(  # noqa: PLR0913, PLR0917 - the columns of a table
    tmp_path: Path, version: str | None, files: dict[str, str], request_: Request, path: str, expected: str
) -> None:
    node = host(tmp_path, files)
    planned = plan_for(node, "containerd", version, request_)
    assert text(planned) == (path, expected)
    apply(planned, root=str(tmp_path))
    again = plan_for(node, "containerd", version, request_)
    assert (again.change, again.why) == (None, f"{path} says so")


@pytest.mark.parametrize(
    ("version", "files", "request_", "why"),
    [
        ("2.1.9", {}, ENABLE, "the default of containerd 2.1.9"),
        ("1.7.24", {}, DISABLE, "the default of containerd 1.7.24"),
        ("2.1.9", {MAIN: "version = 3\n"}, ENABLE, "the default of containerd 2.1.9"),
        ("1.7.24", {}, dirs("/etc/cdi", "/var/run/cdi"), "the default of containerd 1.7.24"),
        ("2.1.9", {MAIN: "[plugins.cri]\nenable_cdi = false\n"}, ENABLE, "the default of containerd 2.1.9"),
        ("1.7.24", {MAIN: f"version = 2\n{OLD}enable_cdi = true\n"}, ENABLE, f"{MAIN} says so"),
    ],
)
def test_containerd_as_wanted_is_left_alone(
    tmp_path: Path, version: str, files: dict[str, str], request_: Request, why: str
) -> None:
    planned = plan_for(host(tmp_path, files), "containerd", version, request_)
    assert (planned.change, planned.why) == (None, why)


@pytest.mark.parametrize(
    ("version", "files", "message"),
    [
        ("1.6.20", {}, "containerd 1.6.20 has no CDI"),
        (
            "1.7.24",
            {MAIN: "version = 3\n"},
            f"{MAIN}:1: version 3: containerd 1.7.24 reads at most version 2, and does not start",
        ),
        (
            "2.1.9",
            {MAIN: 'version = 3\nimports = ["/gone.toml"]\n'},
            f"{MAIN}:2: imports '/gone.toml', which is missing: containerd does not start",
        ),
        (
            "2.3.4",
            {MAIN: f"version = 3\n{IMPORTS}{NEW}enable_cdi = false\n", DROP_IN: "[plugins.cri]\nenable_cdi = true\n"},
            f"{MAIN}: containerd 2 does not read CRI settings of version 1 as containerd 1 does",
        ),
        (
            None,
            {MAIN: "[plugins.cri]\n"},
            f"{MAIN}: containerd 2 does not read CRI settings of version 1 as containerd 1 does",
        ),
        (
            "2.1.9",
            {MAIN: "[plugins.cri]\n"},
            f"{MAIN}: containerd 2 does not read CRI settings of version 1 as containerd 1 does",
        ),
        (
            "2.1.9",
            {MAIN: f"version = 2\n{IMPORTS}", DROP_IN: "[plugins.cri]\n"},
            f"{MAIN}: containerd 2 does not read CRI settings of version 1 as containerd 1 does",
        ),
        ("1.7.24", {MAIN: "version = 2\nplugins = [\n"}, f"{MAIN}:2:12: invalid value"),
        (
            "1.7.24",
            {MAIN: f"version = 2\n{IMPORTS}", DROP_IN: "a\n"},
            f"{DROP_IN}:1:2: expected '=' after a key in a key/value pair",
        ),
        (None, {}, f"cannot write '{MAIN}': the version of containerd is not known, and so not that of the file"),
    ],
)
def test_what_containerd_cannot_do_is_refused(
    tmp_path: Path, version: str | None, files: dict[str, str], message: str
) -> None:
    with pytest.raises(CdiError) as caught:
        plan_for(host(tmp_path, files), "containerd", version, dirs("/a"))
    assert caught.value.message == message
    assert caught.value.hint


def test_bytes_that_are_no_text_are_refused_with_their_place(tmp_path: Path) -> None:
    (tmp_path / "etc/containerd").mkdir(parents=True)
    (tmp_path / MAIN[1:]).write_bytes(b"version = 2\na = '\xff'\n")
    with pytest.raises(ConfigInvalid, match=rf"{MAIN}:2:6: not UTF-8"):
        plan_for(Host(tmp_path), "containerd", "1.7.24", ENABLE)


def test_the_file_of_the_running_containerd_counts(tmp_path: Path) -> None:
    node = host(tmp_path, {"/opt/c.toml": f"version = 2\n{OLD}", MAIN: f"version = 2\n{OLD}"})
    for arguments in (("--config", "/opt/c.toml"), ("--config=/opt/c.toml",), ("-c", "/opt/c.toml")):
        assert text(plan_for(node, "containerd", "1.7.24", ENABLE, *arguments))[0] == "/opt/c.toml"


def test_imports_of_imports_come_last(tmp_path: Path) -> None:
    files = {
        MAIN: f'version = 2\nimports = ["conf.d/*.toml", "{MAIN}"]\n{OLD}',
        "/etc/containerd/conf.d/1.toml": f'version = 2\nimports = ["/etc/containerd/more.toml"]\n{OLD}a = 1\n',
        "/etc/containerd/conf.d/2.toml": f"version = 2\n{OLD}b = 1\n",
        "/etc/containerd/more.toml": f"version = 2\n{OLD}c = 1\n",
    }
    planned = plan_for(host(tmp_path, files), "containerd", "1.7.24", ENABLE)
    assert text(planned) == ("/etc/containerd/more.toml", f"version = 2\n{OLD}c = 1\nenable_cdi = true\n")


def test_a_containerd_without_its_cri_plugin_is_remarked_on(tmp_path: Path) -> None:
    node = host(tmp_path, {MAIN: 'disabled_plugins = ["cri"]\n'})
    for version, changes in (("1.7.24", True), ("2.1.9", False)):
        planned = plan_for(node, "containerd", version, ENABLE)
        assert (planned.change is not None) == changes
        assert planned.remarks == (
            f"{MAIN} switches the CRI plugin off, which alone reads this: Kubernetes cannot use it",
        )


def test_a_switch_on_its_way_out_is_remarked_on(tmp_path: Path) -> None:
    remark = "enable_cdi is deprecated: a later containerd may have CDI on whatever it says"
    for files in ({}, {MAIN: "version = 3\n"}):
        assert plan_for(host(tmp_path, files), "containerd", "2.3.4", DISABLE).remarks == (remark,)


def test_directories_where_cdi_is_off_are_remarked_on(tmp_path: Path) -> None:
    planned = plan_for(host(tmp_path, {}), "containerd", "1.7.24", dirs("/a"))
    assert planned.remarks == (
        "CDI is off (default of containerd 1.7.24): 'cdi runtime enable containerd' switches it on",
    )


# Docker.


def test_docker_keeps_other_features(tmp_path: Path) -> None:
    old = '{\n  "features": {\n    "containerd-snapshotter": true\n  }\n}\n'
    planned = plan_for(host(tmp_path, {DAEMON: old}), "docker", "26.1.5", ENABLE)
    assert text(planned) == (DAEMON, old.replace("true\n", 'true,\n    "cdi": true\n'))


@pytest.mark.parametrize(
    ("version", "old", "request_", "new"),
    [
        ("26.1.5", None, ENABLE, {"features": {"cdi": True}}),
        ("28.5.2", None, DISABLE, {"features": {"cdi": False}}),
        ("28.5.2", {"features": {"cdi": False}}, ENABLE, {"features": {"cdi": True}}),
        ("26.1.5", {"a": 1}, dirs("/a", "/b"), {"a": 1, "cdi-spec-dirs": ["/a", "/b"]}),
        (None, None, ENABLE, {"features": {"cdi": True}}),
        ("28.5.2", None, ENABLE, None),
        ("26.1.5", None, DISABLE, None),
        ("26.1.5", {"features": {"cdi": True}}, ENABLE, None),
        ("26.1.5", None, dirs("/etc/cdi", "/var/run/cdi"), None),
    ],
)
def test_docker_is_told_what_is_not_its_default(
    tmp_path: Path, version: str | None, old: object, request_: Request, new: object
) -> None:
    node = host(tmp_path, {} if old is None else {DAEMON: json.dumps(old)})
    planned = plan_for(node, "docker", version, request_)
    assert (None if planned.change is None else json.loads(text(planned)[1])) == new


@pytest.mark.parametrize(
    ("arguments", "request_", "message"),
    [
        (
            ("--feature", "buildkit=true"),
            ENABLE,
            f"dockerd runs with --feature buildkit=true, and does not start when '{DAEMON}' has 'features' as well",
        ),
        (
            ("--cdi-spec-dir=/x",),
            dirs("/a"),
            f"dockerd runs with --cdi-spec-dir /x, and does not start when '{DAEMON}' has 'cdi-spec-dirs' as well",
        ),
    ],
)
def test_what_dockerd_has_on_its_command_line_is_not_set_in_the_file(
    tmp_path: Path, arguments: tuple[str, ...], request_: Request, message: str
) -> None:
    with pytest.raises(CdiError) as caught:
        plan_for(host(tmp_path, {}), "docker", "26.1.5", request_, *arguments)
    assert caught.value.message == message
    assert "off its command line" in (caught.value.hint or "")


def test_the_file_of_the_running_dockerd_counts(tmp_path: Path) -> None:
    planned = plan_for(host(tmp_path, {}), "docker", "26.1.5", ENABLE, "--config-file=/opt/d.json")
    assert text(planned)[0] == "/opt/d.json"


def test_json_with_comments_is_refused_with_its_place(tmp_path: Path) -> None:
    node = host(tmp_path, {DAEMON: '{\n  // why\n  "a": 1\n}\n'})
    with pytest.raises(ConfigInvalid, match=f"{DAEMON}:2:3: not JSON: expecting property name"):
        plan_for(node, "docker", "26.1.5", ENABLE)


def test_old_docker_has_no_cdi(tmp_path: Path) -> None:
    with pytest.raises(CdiError, match=r"docker 20\.10\.24 has no CDI"):
        plan_for(host(tmp_path, {}), "docker", "20.10.24", ENABLE)


def test_the_file_of_dockers_snap_is_elsewhere(tmp_path: Path) -> None:
    planned = plan_for(host(tmp_path, {}), "docker", "26.1.5", ENABLE, at="/snap/docker/current/bin")
    assert text(planned)[0] == "/var/snap/docker/current/config/daemon.json"


# The others.

OWN = "# Written by cdi; 'cdi runtime undo {}' takes it back.\n"


@pytest.mark.parametrize(
    ("name", "version", "files", "path", "expected"),
    [
        (
            "cri-o",
            "1.30.1",
            {},
            "/etc/crio/crio.conf.d/99-cdi-tools.conf",
            OWN.format("cri-o") + '\n[crio.runtime]\ncdi_spec_dirs = ["/a"]\n',
        ),
        (
            "cri-o",
            "1.30.1",
            {
                "/etc/crio/crio.conf": '[crio.runtime]\ncdi_spec_dirs = ["/x"]\n',
                "/etc/crio/crio.conf.d/10-a.conf": '[crio.runtime]\n# b\ncdi_spec_dirs = ["/y"] # c\n',
                "/etc/crio/crio.conf.d/20-d.conf": '[crio.image]\npause_image = "p"\n',
            },
            "/etc/crio/crio.conf.d/10-a.conf",
            '[crio.runtime]\n# b\ncdi_spec_dirs = ["/a"] # c\n',
        ),
        (
            "podman",
            "5.8.6",
            {"/usr/share/containers/containers.conf": '[engine]\ncdi_spec_dirs = ["/x"]\n'},
            "/etc/containers/containers.conf.d/99-cdi-tools.conf",
            OWN.format("podman") + '\n[engine]\ncdi_spec_dirs = ["/a"]\n',
        ),
        (
            "podman",
            None,
            {"/etc/containers/containers.conf": '[engine]\ncdi_spec_dirs = ["/x"]\n'},
            "/etc/containers/containers.conf",
            '[engine]\ncdi_spec_dirs = ["/a"]\n',
        ),
        (
            "nerdctl",
            "2.1.0",
            {"/etc/nerdctl/nerdctl.toml": "debug = false\n"},
            "/etc/nerdctl/nerdctl.toml",
            'debug = false\ncdi_spec_dirs = ["/a"]\n',
        ),
        (
            "buildkit",
            "0.21.0",
            {},
            "/etc/buildkit/buildkitd.toml",
            OWN.format("buildkit") + '\n[cdi]\nspecDirs = ["/a"]\n',
        ),
    ],
)
def test_directories_go_where_the_last_word_is(  # noqa: PLR0913, PLR0917 - the columns of a table
    tmp_path: Path, name: str, version: str | None, files: dict[str, str], path: str, expected: str
) -> None:
    node = host(tmp_path, files)
    planned = plan_for(node, name, version, dirs("/a"))
    assert text(planned) == (path, expected)
    apply(planned, root=str(tmp_path))
    assert plan_for(node, name, version, dirs("/a")).why == f"{path} says so"


@pytest.mark.parametrize("name", ["cri-o", "podman", "nerdctl"])
def test_what_is_always_on_cannot_be_switched_off(tmp_path: Path, name: str) -> None:
    node = host(tmp_path, {})
    assert plan_for(node, name, None, ENABLE) == Plan(runtime=name, action="enable", why=f"{name} always has it on")
    with pytest.raises(CdiError, match=f"CDI cannot be switched off in {name}") as caught:
        plan_for(node, name, None, DISABLE)
    assert "uninstall their specs" in (caught.value.hint or "")


def test_buildkit_can_be_switched(tmp_path: Path) -> None:
    node = host(tmp_path, {"/etc/buildkit/buildkitd.toml": "[cdi]\n  disabled = true\n"})
    planned = plan_for(node, "buildkit", "0.21.0", ENABLE)
    assert text(planned) == ("/etc/buildkit/buildkitd.toml", "[cdi]\n  disabled = false\n")


def test_directories_that_would_not_be_obeyed_are_refused(tmp_path: Path) -> None:
    node = host(tmp_path, {})
    with pytest.raises(CdiError) as caught:
        plan_for(node, "podman", "5.4.2", dirs("/a"))
    assert caught.value.message == "podman 5.4.2 does not obey cdi_spec_dirs, only 5.5 and later do"
    assert caught.value.hint == "put specs where it looks: /etc/cdi, /var/run/cdi"
    with pytest.raises(CdiError, match="cri-o runs with --cdi-spec-dirs /x, which has the last word"):
        plan_for(node, "cri-o", "1.30", dirs("/a"), "--cdi-spec-dirs", "/x")
    with pytest.raises(CdiError, match="cri-o has its directories from CONTAINER_CDI_SPEC_DIRS, whatever"):
        plan_for(node, "cri-o", "1.30", dirs("/a"), environment={"CONTAINER_CDI_SPEC_DIRS": "/x"})
    with pytest.raises(CdiError, match="cri-o runs with --config-dir /x"):
        plan_for(node, "cri-o", "1.30", dirs("/a"), "--config-dir=/x")


def test_a_packaged_file_that_would_win_is_not_written_in_vain(tmp_path: Path) -> None:
    share, etc = "/usr/share/containers/containers.conf.d", "/etc/containers/containers.conf.d"
    text_ = '[engine]\ncdi_spec_dirs = ["/x"]\n'
    node = host(tmp_path, {f"{share}/99-vendor.conf": text_})
    with pytest.raises(CdiError, match=f"'{share}/99-vendor.conf' has the last word") as caught:
        plan_for(node, "podman", "6.0.0", dirs("/a"))
    assert caught.value.hint == f"copy it to {etc}, where it replaces that one, then try again"
    host(tmp_path, {f"{etc}/99-vendor.conf": text_})
    assert text(plan_for(node, "podman", "6.0.0", dirs("/a")))[0] == f"{etc}/99-vendor.conf"


K3S = "/var/lib/rancher/k3s/agent/etc/containerd"


def test_k3s_gets_a_file_beside_the_one_that_it_generates(tmp_path: Path) -> None:
    generated = f'version = 3\nimports = ["{K3S}/config-v3.toml.d/*.toml"]\n{NEW}a = 1\n'
    node = host(tmp_path, {f"{K3S}/config.toml": generated})
    planned = plan_for(node, "k3s", "2.1.5", DISABLE)
    expected = 'version = 3\n\n[plugins."io.containerd.cri.v1.runtime"]\nenable_cdi = false\n'
    assert text(planned) == (f"{K3S}/config-v3.toml.d/99-cdi-tools.toml", expected)
    apply(planned, root=str(tmp_path))
    assert plan_for(node, "k3s", "2.1.5", DISABLE).change is None
    assert text(plan_for(node, "k3s", "2.1.5", ENABLE))[1] == expected.replace("false", "true")
    assert text(plan_for(node, "k3s", "2.1.5", dirs("/a")))[1] == expected + 'cdi_spec_dirs = ["/a"]\n'


@pytest.mark.parametrize(
    ("version", "generated", "why", "template"),
    [
        ("2.1.5", "version = 3\n", "this release imports no directory for more settings", "config-v3.toml.tmpl"),
        (
            "1.7.24",
            f'version = 2\nimports = ["{K3S}/config.toml.d/*.toml"]\n',
            "its containerd 1 would forget all other CRI settings",
            "config.toml.tmpl",
        ),
    ],
)
def test_k3s_without_room_is_refused_with_the_way_out(
    tmp_path: Path, version: str, generated: str, why: str, template: str
) -> None:
    with pytest.raises(CdiError) as caught:
        plan_for(host(tmp_path, {f"{K3S}/config.toml": generated}), "k3s", version, dirs("/a"))
    assert caught.value.message == f"k3s writes '{K3S}/config.toml' anew at each start, and {why}"
    assert template in (caught.value.hint or "")


def test_k3s_that_never_ran_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CdiError, match=r"rke2 has not written '.*/agent/etc/containerd/config.toml' yet"):
        plan_for(host(tmp_path, {}), "rke2", "1.30.0", ENABLE)


def test_what_microk8s_generates_is_left_alone(tmp_path: Path) -> None:
    path = "/var/snap/microk8s/current/args/containerd.toml"
    node = host(tmp_path, {path: "version = 2\n"})
    with pytest.raises(CdiError, match=f"MicroK8s writes '{path}' anew at each start") as caught:
        plan_for(node, "containerd", "1.7.24", ENABLE, at="/snap/microk8s/current/bin")
    assert "containerd-template.toml" in (caught.value.hint or "")
    assert plan_for(node, "containerd", "2.1.9", ENABLE, at="/snap/microk8s/current/bin").change is None


# What all have in common.


@pytest.mark.parametrize("name", ["buildah", "ctr", "nonesuch"])
def test_runtimes_without_a_configuration_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CdiError, match=f"the configuration of {name} cannot be changed") as caught:
        plan_for(host(tmp_path, {}), name, None, ENABLE)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ((), "no directory named"),
        (("etc/cdi",), "'etc/cdi' is not absolute"),
        (("",), "'' is not absolute"),
        (("/a", "/a"), "the same directory twice"),
    ],
)
def test_directories_that_make_no_sense_are_wrong_usage(tmp_path: Path, paths: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan_for(host(tmp_path, {}), "cri-o", None, dirs(*paths))
    assert caught.value.message == message


def test_what_the_command_line_switches_off_no_file_switches_on(tmp_path: Path) -> None:
    with pytest.raises(CdiError) as caught:
        plan_for(host(tmp_path, {}), "buildkit", "0.21.0", ENABLE, "--cdi-disabled")
    assert caught.value.message == (
        "buildkit has CDI off, whatever its files say: --cdi-disabled of the running daemon"
    )


def containerd_file(rng: random.Random, *, is_main: bool) -> str:
    """Return a file with tables of all versions, mostly in the right ones."""
    version = rng.choice([None, 1, 2, 2, 2, 3, 3])
    lines = [] if version is None else [f"version = {version}"]
    lines += ['imports = ["conf.d/*.toml"] # drop-ins'] if is_main and rng.random() < 0.8 else []
    names = ("cri", '"io.containerd.grpc.v1.cri"', "'io.containerd.cri.v1.runtime'")
    for number, name in enumerate(names, 1):
        if rng.random() < (0.7 if number == (version or 1) else 0.15):
            lines += ["", f"# {number}", f"[plugins.{name}]"]
            lines += ["  enable_cdi = " + rng.choice(["true", "false"]) + " # on?"] if rng.random() < 0.4 else []
            lines += ['  cdi_spec_dirs = [\n    "/x",\n  ]'] if rng.random() < 0.3 else []
            lines += (
                [f"  [plugins.{name}.containerd] # more", '    snapshotter = "native"'] if rng.random() < 0.3 else []
            )
    end = rng.choice(["\n", "\r\n"])
    return end.join("\n".join(lines).splitlines()) + rng.choice(["", end])


@settings(max_examples=60)
@given(
    st.randoms(use_true_random=False),
    st.sampled_from(["1.7.24", "2.1.9", "2.3.4", None]),
    st.sampled_from([ENABLE, DISABLE, dirs("/a", "/b")]),
)
def test_done_twice_changes_nothing_and_undone_is_as_before(
    tmp_path_factory: pytest.TempPathFactory, rng: random.Random, version: str | None, request_: Request
) -> None:
    root = tmp_path_factory.mktemp("node")
    files = {MAIN: containerd_file(rng, is_main=True)}
    files |= {f"/etc/containerd/conf.d/{n}.toml": containerd_file(rng, is_main=False) for n in range(rng.randint(0, 2))}
    node = host(root, files)
    try:
        planned = plan_for(node, "containerd", version, request_)
    except CdiError:
        return
    apply(planned, root=str(root))
    assert plan_for(node, "containerd", version, request_).change is None
    if version is not None:  # what changes it is what reads it
        program = Program(path="/usr/bin/containerd", version=version)
        seen = containerd(Installed(name="containerd", host=node, program=program))
        assert seen.problems == ()
        assert (seen.spec_dirs if request_.dirs else seen.enabled) == (request_.dirs or request_.on)
    if planned.change is not None:
        comments = [line.partition("#")[2] for line in files[planned.change.path].splitlines()]
        after = text(planned)[1]
        assert all(comment in after for comment in comments)
        undo("containerd", root=str(root))
    assert {path: (root / path[1:]).read_bytes().decode() for path in files} == files
