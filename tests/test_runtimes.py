"""The runtimes of a host: text trees, with a fake that answers `--version`, and the machine itself."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from cdi.host import Host
from cdi.problem import Problem
from cdi.runtimes import RUNTIMES, Daemon, LowLevel, Runtime, find_runtimes, ignored_fields, newest_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOTH = ("/etc/cdi", "/var/run/cdi")
V2, V3 = '[plugins."io.containerd.grpc.v1.cri"]\n', "[plugins.'io.containerd.cri.v1.runtime']\n"
MAIN, DROP_IN = "/etc/containerd/config.toml", "/etc/containerd/conf.d/99.toml"
IMPORTS = 'imports = ["/etc/containerd/conf.d/*.toml"]\n'
PROGRAMS = {"containerd": "containerd", "cri-o": "crio", "docker": "dockerd", "buildkit": "buildkitd"}
BOOT = 1_764_000_000


def tree(files: Mapping[str, str], *programs: str) -> Host:
    """Return a host with these files and programs; a file whose text starts with `->` is a link."""
    lines = [
        f"{path} {text}" if text.startswith("->") else f"{path} = {json.dumps(text)}" for path, text in files.items()
    ]
    return Host.from_tree("\n".join([*lines, *(f"{path} : f 0755" for path in programs)]))


def ask(said: Mapping[str, str]) -> Any:
    """Return a fake that knows what the programs of these names say to `--version`, or to other words after a slash."""

    def answer(command: Sequence[str]) -> str | None:
        name = command[0].rpartition("/")[2]
        return said.get(name if command[1] == "--version" else f"{name}/{command[1]}")

    return answer


def runtime(name: str, version: str | None, files: Mapping[str, str] | None = None, *programs: str) -> Runtime:
    """Return the only runtime of a host, of this version."""
    program = PROGRAMS.get(name, name)
    said = {} if version is None else {program: f"{program} version {version}"}
    (found,) = find_runtimes(tree(files or {}, f"/usr/bin/{program}", *programs), ask=ask(said))
    assert found.name == name
    return found


def daemon(
    pid: int, *arguments: str, exe: str | None = None, environment: str = "", started: int = 300
) -> dict[str, str]:
    """Return the files in /proc of a daemon, started so many seconds after the boot."""
    return {
        "/proc/stat": f"cpu 0\nbtime {BOOT}\n",
        f"/proc/{pid}/exe": f"-> {exe or arguments[0]}",
        f"/proc/{pid}/cmdline": "".join(f"{word}\0" for word in arguments),
        f"/proc/{pid}/environ": environment,
        f"/proc/{pid}/stat": f"{pid} (a (b) c) S {' '.join(['0'] * 18)} {started * 100} 0 0\n",
    }


# --- what is installed


def test_a_host_without_runtimes_has_none() -> None:
    assert find_runtimes(tree({"/etc/hostname": "a\n"})) == ()


def test_podman_as_it_comes() -> None:
    said = {"podman": "podman version 4.3.1\n", "crun": "crun version 1.8.1\ncommit: f8a0\n"}
    assert find_runtimes(tree({}, "/usr/bin/podman", "/usr/bin/crun"), ask=ask(said)) == (
        Runtime(
            name="podman",
            program="/usr/bin/podman",
            version="4.3.1",
            version_why="/usr/bin/podman --version",
            enabled=True,
            enabled_why="always on",
            spec_dirs=BOTH,
            spec_dirs_why="default of podman 4.3.1",
            newest_version="0.5.0",
            newest_version_why="by its release",
            low_level=LowLevel(
                name="crun",
                program="/usr/bin/crun",
                version="1.8.1",
                lacks=("netDevices", "intelRdt", "intelRdt.enableMonitoring"),
            ),
        ),
    )


def test_runtimes_come_in_one_order_and_clients_are_among_them() -> None:
    programs = ["containerd", "crio", "dockerd", "podman", "buildah", "k3s", "rke2", "nerdctl", "ctr", "buildkitd"]
    host = tree({}, *(f"/usr/local/bin/{name}" for name in programs))
    assert tuple(one.name for one in find_runtimes(host)) == RUNTIMES


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("containerd github.com/containerd/containerd/v2 2.1.9 64b8a811b07ba6288238eefc14d898ee0b5b99ba\n", "2.1.9"),
        ("containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da\n", "1.7.27"),
        ("containerd github.com/containerd/containerd 1.7.24~ds1 1.7.24~ds1-6\n", "1.7.24~ds1"),
        ("containerd github.com/containerd/containerd/v2 v2.0.0-rc.3 27de5fea73\n", "2.0.0-rc.3"),
        ("containerd\n", None),
    ],
)
def test_what_containerd_says_to_version(said: str, version: str | None) -> None:
    (found,) = find_runtimes(tree({}, "/usr/bin/containerd"), ask=ask({"containerd": said}))
    assert (found.version, found.newest_version is None) == (version, version is None)


def test_what_others_say_to_version() -> None:
    said = {
        "dockerd": "Docker version 28.5.2, build ecc6942\n",
        "buildkitd": "buildkitd github.com/moby/buildkit v0.20.0 121ecd5b9083b8eef32183cd404dd13e15b4a3df\n",
        "buildah": "buildah version 1.39.3 (image-spec 1.1.0, runtime-spec 1.2.0)\n",
        "crio": "crio version 1.33.1\n   GitCommit:      unknown\n   GoVersion:      go1.24.2\n",
    }
    host = tree({}, *(f"/usr/bin/{name}" for name in said))
    found = {one.name: (one.version, one.newest_version) for one in find_runtimes(host, ask=ask(said))}
    assert found == {
        "cri-o": ("1.33.1", "1.0.0"),
        "docker": ("28.5.2", "1.0.0"),
        "buildah": ("1.39.3", "0.8.0"),
        "buildkit": ("0.20.0", "0.8.0"),
    }


def test_a_program_that_others_than_root_can_change_is_not_asked() -> None:
    said = ask({"podman": "podman version 4.3.1"})
    for line in ("/usr/bin/podman : f 0775 0 50", "/usr/bin/podman : f 0755 1000 1000"):
        (found,) = find_runtimes(Host.from_tree(line), ask=said)
        assert (found.version, found.version_why) == (None, "neither it nor a package says")


def test_programs_below_another_root_are_never_run(tmp_path: Any) -> None:
    program = tmp_path / "usr/bin/podman"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho podman version 4.3.1\n")
    program.chmod(0o755)
    (found,) = find_runtimes(Host(tmp_path))
    assert (found.program, found.version) == ("/usr/bin/podman", None)
    assert not (tmp_path / "ran").exists()


def test_what_may_not_be_executed_is_no_program() -> None:
    assert find_runtimes(tree({"/usr/bin/podman": "text", "/usr/local/bin/podman": "-> /usr/bin/podman"})) == ()


def test_several_programs_are_said_and_the_running_one_wins() -> None:
    programs = ("/usr/local/bin/containerd", "/usr/bin/containerd")
    (found,) = find_runtimes(tree({"/bin": "-> usr/bin"}, *programs))
    assert (found.program, found.remarks) == (programs[0], (f"there are others of the same name: {programs[1]}",))
    (found,) = find_runtimes(tree(daemon(7, programs[1]), *programs))
    assert (found.program, found.remarks) == (programs[1], (f"there are others of the same name: {programs[0]}",))


def test_a_version_comes_from_the_package_that_owns_the_program() -> None:
    files = {
        "/var/lib/dpkg/status": "Package: docker-ce\nStatus: install ok installed\n"
        "Description: x\n Version: 1\nVersion: 5:28.5.2-1~debian.12~bookworm\n\nPackage: podman\nVersion: 4.3.1\n\n",
        "/var/lib/dpkg/info/docker-ce.list": "/.\n/usr/bin/dockerd\n",
        "/var/lib/dpkg/info/podman.list": "/usr/bin/podman\n",
    }
    found = find_runtimes(tree(files, "/usr/bin/dockerd", "/usr/bin/podman"))
    assert [(one.version, one.version_why) for one in found] == [
        ("28.5.2", "package docker-ce"),
        (None, "neither it nor a package says"),  # it was removed, its configuration is still there
    ]
    (foreign,) = find_runtimes(tree(files, "/usr/local/bin/dockerd"))
    assert foreign.version is None


@pytest.mark.parametrize("error", ["EACCES", "EIO"])
def test_what_cannot_be_read_hides_nothing_else(error: str) -> None:
    lines = [
        "/usr/bin/containerd : f 0755",
        f"/etc/containerd/config.toml ! {error}",
        f"/etc/containers/containers.conf.d/ ! {error}",
        "/usr/bin/podman : f 0755",
        "/usr/bin/k3s : f 0755",
        f"/opt/ ! {error}",
        f"/proc/ ! {error}",
        f"/usr/local/bin/ ! {error}",
        f"/var/lib/rancher/k3s/data/ ! {error}",
        f"/var/lib/dpkg/info/ ! {error}",
    ]
    found = {one.name: one for one in find_runtimes(Host.from_tree("\n".join(lines)))}
    assert list(found) == ["containerd", "podman", "k3s"]
    assert [one.where for one in found["containerd"].problems] == [MAIN]
    assert [one.rule for one in found["podman"].problems] == ["config-unreadable"]
    assert found["podman"].enabled is None


# --- containerd


def containerd(version: str, main: str | None = None, drop_in: str | None = None) -> Runtime:
    files = {MAIN: main, DROP_IN: drop_in}
    return runtime("containerd", version, {path: text for path, text in files.items() if text is not None})


@pytest.mark.parametrize(
    ("version", "enabled"), [("1.6.20", False), ("1.7.34", False), ("2.0.0", True), ("2.1.9", True), ("2.3.4", True)]
)
def test_containerd_by_default(version: str, enabled: bool) -> None:  # noqa: FBT001 - of a table
    found = containerd(version)
    assert (found.enabled, found.spec_dirs) == (enabled, BOTH if enabled else ())
    why = "containerd reads specs since 1.7" if version == "1.6.20" else f"default of containerd {version}"
    assert found.enabled_why == why


@pytest.mark.parametrize(("version", "on"), [("1.7.24", True), ("2.1.9", True), ("2.3.4", True), ("1.6.20", False)])
def test_a_file_of_version_2_switches_it_on(version: str, on: bool) -> None:  # noqa: FBT001 - of a table
    found = containerd(version, f'version = 2\n{V2}  enable_cdi = true\n  cdi_spec_dirs = ["/a", "/b"]\n')
    assert found.enabled is on
    assert found.spec_dirs == (("/a", "/b") if on else ())
    if on:
        assert (found.enabled_why, found.spec_dirs_why) == (f"{MAIN}:3", f"{MAIN}:4")


def test_a_file_of_version_3_switches_it_off_in_2() -> None:
    found = containerd("2.1.9", f"version = 3\n{V3}enable_cdi = false\n")
    assert (found.enabled, found.enabled_why) == (False, f"{MAIN}:3")


def test_without_a_version_a_file_has_version_1() -> None:
    for version in ("1.7.24", "2.3.4"):
        found = containerd(version, "[plugins.cri]\nenable_cdi = true\n")
        assert (found.enabled, found.enabled_why) == (True, f"{MAIN}:2")
    found = containerd("2.1.9", "[plugins.cri]\nenable_cdi = false\n")
    assert found.enabled is True
    assert found.remarks == (f"{MAIN}:1: containerd 2.1.9 loses this table, since no file has version 2",)
    found = containerd("1.7.24", f"{V2}enable_cdi = true\n")
    assert found.enabled is False
    assert found.remarks == (f'{MAIN}:2: enable_cdi has no effect here, its table is [plugins."cri"]',)


@pytest.mark.parametrize("version", ["1.7.24", "2.1.9", "2.3.4"])
def test_drop_ins_count_only_when_they_are_imported(version: str) -> None:
    default = containerd(version)
    on = f"version = 2\n{V2}enable_cdi = {'false' if default.enabled else 'true'}\n"
    assert containerd(version, None, on).enabled is default.enabled
    assert containerd(version, "version = 2\n", on).enabled is default.enabled
    imported = containerd(version, f"version = 2\n{IMPORTS}", on)
    assert (imported.enabled, imported.enabled_why) == (not default.enabled, f"{DROP_IN}:3")
    assert imported.configs == (MAIN, DROP_IN)


def test_up_to_1_7_a_drop_in_replaces_the_table() -> None:
    main = f'version = 2\n{IMPORTS}{V2}enable_cdi = true\ncdi_spec_dirs = ["/a"]\n'
    drop_in = f'{V2}cdi_spec_dirs = ["/b"]\n'
    replaced = containerd("1.7.24", main, drop_in)
    assert (replaced.enabled, replaced.enabled_why) == (False, "default of containerd 1.7.24")
    assert replaced.remarks == (
        f"{MAIN}:3: containerd 1.7.24 reads nothing of this table, that of {DROP_IN} replaces it",
    )
    for version in ("2.1.9", "2.3.4"):
        merged = containerd(version, main, drop_in)
        assert (merged.enabled, merged.enabled_why, merged.spec_dirs) == (True, f"{MAIN}:4", ("/b",))


@pytest.mark.parametrize("version", ["1.7.24", "2.1.9", "2.3.4"])
def test_a_drop_in_without_a_version_works(version: str) -> None:
    found = containerd(version, f"version = 2\n{IMPORTS}", f"{V2}enable_cdi = true\n")
    assert (found.enabled, found.enabled_why, found.problems) == (True, f"{DROP_IN}:2", ())


def test_a_drop_in_of_a_higher_version() -> None:
    main = f"version = 2\n{IMPORTS}{V2}enable_cdi = false\n"
    drop_in = f'version = 3\n{V3}cdi_spec_dirs = ["/b"]\n'
    old = containerd("1.7.24", main, drop_in)
    assert (old.enabled, old.enabled_why) == (None, f"containerd does not start with this {DROP_IN}")
    message = "version 3: containerd 1.7.24 reads at most version 2, and does not start"
    assert old.problems == (Problem(severity="error", rule="config-version", message=message, where=DROP_IN, line=1),)
    lost = containerd("2.1.9", main, drop_in)
    assert (lost.enabled, lost.spec_dirs, lost.problems) == (True, ("/b",), ())
    assert lost.remarks == (f"{MAIN}:3: containerd 2.1.9 loses this table, since the version of all files is 3",)
    strict = containerd("2.3.4", main, drop_in)
    assert strict.enabled is None
    assert strict.problems[0].message == (
        f"version 3 is higher than version 2 of {MAIN}: containerd 2.3.4 does not start"
    )


def test_a_drop_in_of_a_lower_version_is_migrated() -> None:
    for version in ("2.1.9", "2.3.4"):
        found = containerd(version, f"version = 3\n{IMPORTS}", f"version = 2\n{V2}enable_cdi = false\n")
        assert (found.enabled, found.enabled_why, found.problems) == (False, f"{DROP_IN}:3", ())


def test_up_to_2_2_the_last_version_is_that_of_all_files() -> None:
    """As `containerd config dump` of 2.1.9 shows it."""
    old, new = f"{V2}enable_cdi = false\n", f'{V3}cdi_spec_dirs = ["/new"]\n'
    assert containerd("2.1.9", f"version = 3\n{IMPORTS}{old}", "version = 2\n").enabled is False
    assert containerd("2.1.9", f"version = 3\n{IMPORTS}{old}", "version = 1\n").enabled is True
    assert containerd("2.1.9", f"{IMPORTS}[plugins.cri]\nenable_cdi = false\n", "version = 2\n").enabled is False
    assert containerd("2.1.9", f"version = 2\n{IMPORTS}", "[plugins.cri]\nenable_cdi = false\n").enabled is False
    both = containerd("2.1.9", f"version = 3\n{IMPORTS}{new}", f'version = 2\n{V2}cdi_spec_dirs = ["/old"]\n')
    assert (both.spec_dirs, both.spec_dirs_why) == (("/new",), f"{MAIN}:4")


def test_up_to_1_7_a_later_file_may_lower_the_version_but_short_names_are_of_version_1() -> None:
    """As `containerd config dump` of 1.7.24 shows it."""
    lowered = containerd("1.7.24", f"version = 3\n{IMPORTS}", f"version = 2\n{V2}enable_cdi = true\n")
    assert (lowered.enabled, lowered.problems) == (True, ())
    short = containerd("1.7.24", "version = 2\n[plugins.cri]\nenable_cdi = true\n")
    (problem,) = short.problems
    assert (problem.line, problem.message) == (
        2,
        "[plugins.cri] is a table of version 1, the version is 2: containerd 1.7.24 does not start",
    )


def test_the_table_of_version_2_in_a_file_of_version_3_has_no_effect() -> None:
    found = containerd("2.1.9", f"version = 3\n{V2}enable_cdi = false\n")
    assert found.enabled is True
    assert found.remarks == (
        f'{MAIN}:3: enable_cdi has no effect here, its table is [plugins."io.containerd.cri.v1.runtime"]',
    )


@pytest.mark.parametrize("version", ["1.7.24", "2.1.9", "2.3.4"])
def test_a_key_in_a_table_below_has_no_effect(version: str) -> None:
    found = containerd(version, 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\nenable_cdi = true\n')
    assert found.enabled is containerd(version).enabled
    assert found.remarks == (
        f'{MAIN}:3: enable_cdi has no effect here, its table is [plugins."io.containerd.grpc.v1.cri"]',
    )


@pytest.mark.parametrize(("version", "highest"), [("1.7.24", 2), ("2.1.9", 3), ("2.3.4", 4)])
def test_a_version_newer_than_the_daemon_keeps_it_from_starting(version: str, highest: int) -> None:
    assert containerd(version, f"version = {highest}\n").problems == ()
    (problem,) = containerd(version, f"root = '/x'\nversion = {highest + 1}\n").problems
    assert (problem.rule, problem.where, problem.line) == ("config-version", MAIN, 2)


def test_an_import_of_a_missing_file_keeps_it_from_starting() -> None:
    found = containerd("2.1.9", "version = 3\nimports = ['more.toml', 'conf.d/*.toml']\n")
    (problem,) = found.problems
    assert problem.message == "imports '/etc/containerd/more.toml', which is missing: containerd does not start"
    assert (problem.where, problem.line, found.enabled) == (MAIN, 2, None)


def test_imports_import_and_files_that_import_each_other_are_read_once() -> None:
    files = {
        MAIN: "version = 3\nimports = ['a.toml']\n",
        "/etc/containerd/a.toml": "imports = ['config.toml', 'b.toml']\n",
        "/etc/containerd/b.toml": f"version = 3\n{V3}enable_cdi = false\n",
    }
    found = runtime("containerd", "2.1.9", files)
    assert found.configs == tuple(files)
    assert found.enabled_why == "/etc/containerd/b.toml:3"


def test_a_cri_plugin_that_is_switched_off_has_no_cdi() -> None:
    found = containerd("1.7.27", 'disabled_plugins = ["cri"]\n')  # as Docker's package of containerd has it
    assert (found.enabled, found.enabled_why) == (False, f"{MAIN}:1: the CRI plugin is switched off")


def test_the_key_on_its_way_out_is_said() -> None:
    found = containerd("2.3.4", f"version = 4\n{V3}enable_cdi = true\n")
    assert found.remarks == (f"{MAIN}:3: enable_cdi is deprecated since containerd 2.3, CDI is on without it",)


def test_the_line_of_a_key_is_not_that_of_a_comment_or_a_text() -> None:
    text = (
        'version = 2\r\nroot = """\nenable_cdi = true\u2028\n"""\n# enable_cdi = true\n'
        f'{V2}# enable_cdi\n"enable_cdi" = true # not false\n# enable_cdi = false\n[x]\nenable_cdi = false\n'
    )
    assert containerd("1.7.24", text).enabled_why == f"{MAIN}:8"
    inline = 'version = 2\nplugins."io.containerd.grpc.v1.cri" = {enable_cdi = true}\n'
    assert containerd("1.7.24", inline).enabled_why == f"{MAIN}:2"


def test_a_file_that_cannot_be_parsed_has_line_and_column() -> None:
    found = containerd("2.1.9", f"version = 3\n{V3}enable_cdi = yes\n")
    assert (found.enabled, found.enabled_why) == (None, f"containerd does not start with this {MAIN}")
    assert found.problems == (
        Problem(
            severity="error",
            rule="config-syntax",
            message="not TOML: invalid value",
            where=MAIN,
            line=3,
            column=14,
        ),
    )
    unfinished = containerd("2.1.9", "a = [1,\n2").problems[0]
    assert (unfinished.line, unfinished.column) == (2, 2)


def test_the_default_runtime_of_containerd() -> None:
    table = "[plugins.'io.containerd.cri.v1.runtime'.containerd"
    main = (
        f"version = 3\n{table}]\ndefault_runtime_name = 'crun'\n{table}.runtimes.crun]\n"
        f"runtime_type = 'io.containerd.runc.v2'\n{table}.runtimes.crun.options]\nBinaryName = '/opt/bin/crun'\n"
    )
    files = {MAIN: main}
    said = {"containerd": "containerd x 2.1.9", "crun": "crun version 1.28"}
    (found,) = find_runtimes(tree(files, "/usr/bin/containerd", "/opt/bin/crun", "/usr/bin/runc"), ask=ask(said))
    assert found.low_level == LowLevel(name="crun", program="/opt/bin/crun", version="1.28")
    kata = main.replace("io.containerd.runc.v2", "io.containerd.kata.v2")
    (found,) = find_runtimes(tree({MAIN: kata}, "/usr/bin/containerd"), ask=ask(said))
    assert found.low_level == LowLevel(name="crun")  # by its name in the file, which says nothing of its program


# --- the others


@pytest.mark.parametrize(
    ("version", "enabled"),
    [("24.0.7", False), ("26.1.5", False), ("28.1.1", False), ("28.2.0", True), ("29.2.0", True)],
)
def test_docker_by_default(version: str, enabled: bool) -> None:  # noqa: FBT001 - of a table
    assert runtime("docker", version).enabled is enabled


def test_docker_by_its_file() -> None:
    text = '{\n  "features": {\n    "cdi": %s},\n  "cdi-spec-dirs": ["/a"]\n}\n'
    on = runtime("docker", "26.1.5", {"/etc/docker/daemon.json": text % "true"})
    assert (on.enabled, on.enabled_why) == (True, "/etc/docker/daemon.json:3")
    assert (on.spec_dirs, on.spec_dirs_why) == (("/a",), "/etc/docker/daemon.json:4")
    off = runtime("docker", "28.5.2", {"/etc/docker/daemon.json": text % "false"})
    assert (off.enabled, off.enabled_why, off.spec_dirs) == (False, "/etc/docker/daemon.json:3", ())


def test_an_empty_directory_switches_docker_off_and_no_directory_is_the_default() -> None:
    empty = runtime("docker", "28.5.2", {"/etc/docker/daemon.json": '{"cdi-spec-dirs": [""]}'})
    assert (empty.enabled, empty.enabled_why) == (False, "/etc/docker/daemon.json:1")
    none = runtime("docker", "28.5.2", {"/etc/docker/daemon.json": '{"cdi-spec-dirs": []}'})
    assert (none.enabled, none.spec_dirs) == (True, BOTH)
    assert runtime("docker", "28.5.2", {"/etc/docker/daemon.json": " \n"}).problems == ()


def test_docker_by_its_command_line() -> None:
    words = ("/usr/bin/dockerd", "--feature", "cdi=true", "--cdi-spec-dir=/a", "--cdi-spec-dir", "/b")
    found = runtime("docker", "26.1.5", daemon(9, *words))
    assert (found.enabled, found.enabled_why) == (True, "--feature cdi=true of the running daemon")
    assert (found.spec_dirs, found.spec_dirs_why) == (("/a", "/b"), "--cdi-spec-dir of the running daemon")
    both = runtime("docker", "26.1.5", daemon(9, *words) | {"/etc/docker/daemon.json": '{"cdi-spec-dirs": ["/c"]}'})
    assert [(one.rule, one.line) for one in both.problems] == [("config-twice", 1)]
    other = daemon(9, "/usr/bin/dockerd", "--config-file=/x.json") | {"/x.json": '{"features": {"cdi": true}}'}
    assert runtime("docker", "26.1.5", other).enabled_why == "/x.json:1"


def test_docker_s_json_that_is_none_has_line_and_column() -> None:
    found = runtime("docker", "28.5.2", {"/etc/docker/daemon.json": '{\n  // comment\n  "features": {}\n}'})
    assert (found.enabled, found.enabled_why) == (None, "dockerd does not start with this /etc/docker/daemon.json")
    assert [(one.line, one.column) for one in found.problems] == [(2, 3)]
    for text in ("[1]", '"\\u0000"', "{} {}"):
        assert runtime("docker", "28.5.2", {"/etc/docker/daemon.json": text}).problems[0].rule == "config-syntax"


def test_snaps_have_files_of_their_own() -> None:
    files = {
        "/snap/docker/current": "-> 2932",
        "/var/snap/docker/current/config/daemon.json": '{"features": {"cdi": true}}',
        "/var/snap/microk8s/current/args/containerd.toml": f"version = 2\n{V2}enable_cdi = true\n",
    }
    programs = ("/snap/docker/2932/bin/dockerd", "/snap/microk8s/current/bin/containerd")
    found = {one.name: (one.enabled, one.configs) for one in find_runtimes(tree(files, *programs))}
    assert found == {"containerd": (True, tuple(files)[2:]), "docker": (True, tuple(files)[1:2])}


@pytest.mark.parametrize(
    ("version", "dirs"), [("5.4.2", BOTH), ("5.5.0", BOTH[:1]), ("5.5.2", BOTH[:1]), ("5.6.0", BOTH), ("5.8.6", BOTH)]
)
def test_podman_by_default(version: str, dirs: tuple[str, ...]) -> None:
    assert runtime("podman", version).spec_dirs == dirs


def test_podman_s_directories_count_from_5_5_on() -> None:
    files = {"/etc/containers/containers.conf": '[engine]\ncdi_spec_dirs = ["/a"]\n'}
    ignored = runtime("podman", "5.4.2", files)
    assert ignored.spec_dirs == BOTH
    assert ignored.remarks == (
        "/etc/containers/containers.conf:2: podman 5.4.2 ignores cdi_spec_dirs, podman 5.5 obeys it",
    )
    obeyed = runtime("podman", "5.8.6", files)
    assert (obeyed.spec_dirs, obeyed.spec_dirs_why) == (("/a",), "/etc/containers/containers.conf:2")


def test_containers_conf_is_looked_for_in_order() -> None:
    files = {
        "/usr/share/containers/containers.conf": '[engine]\ncdi_spec_dirs = ["/1"]\nruntime = "runc"\n',
        "/etc/containers/containers.conf": '[engine]\ncdi_spec_dirs = ["/3"]\n',
        "/etc/containers/containers.conf.d/10.conf": '[engine]\ncdi_spec_dirs = ["/4"]\n',
        "/etc/containers/containers.conf.d/20.conf": '[engine]\ncdi_spec_dirs = ["/5"]\n',
        "/etc/containers/containers.conf.d/30.toml": "no",
    }
    del_last = dict(files)
    for last in ("/5", "/4", "/3", "/1"):
        found = runtime("podman", "5.8.6", del_last)
        assert found.spec_dirs == (last,)
        assert found.low_level == LowLevel(name="runc")
        path = next(path for path, text in del_last.items() if f'"{last}"' in text)
        del del_last[path]


def test_podman_6_reads_one_main_file_and_drop_ins_of_packages() -> None:
    engine = '[engine]\ncdi_spec_dirs = ["%s"]\n'
    files = {
        "/usr/share/containers/containers.conf": "not read [",
        "/usr/share/containers/containers.conf.d/10.conf": "replaced by name [",
        "/usr/share/containers/containers.conf.d/99.conf": engine % "/99",
        "/etc/containers/containers.conf": engine % "/main",
        "/etc/containers/containers.conf.d/10.conf": engine % "/10",
        "/etc/containers/containers.rootful.conf.d/50.conf": engine % "/50",
    }
    found = runtime("podman", "6.0.1", files)
    assert (found.spec_dirs, found.problems) == (("/99",), ())
    assert [path.rpartition("/")[2] for path in found.configs] == ["containers.conf", "10.conf", "50.conf", "99.conf"]
    older = {path: text for path, text in files.items() if path.startswith("/etc")}
    assert runtime("podman", "5.8.6", older).spec_dirs == ("/10",)
    main = {"/usr/share/containers/containers.conf": engine % "/share"}
    assert runtime("podman", "6.0.1", main).spec_dirs == ("/share",)


def test_podman_starts_what_is_configured_or_crun_or_runc() -> None:
    conf = "/etc/containers/containers.conf"
    said = {"podman": "podman version 5.4.2", "runc": "runc version 1.4.0", "crun": "crun version 1.21"}
    programs = ("/usr/bin/podman", "/usr/sbin/runc", "/usr/bin/crun")

    def low_level(files: dict[str, str], *programs: str) -> LowLevel | None:
        (found,) = find_runtimes(tree(files, *programs), ask=ask(said))
        return found.low_level

    assert low_level({}, *programs) == LowLevel(
        name="crun", program="/usr/bin/crun", version="1.21", lacks=("netDevices", "intelRdt.enableMonitoring")
    )
    runc = LowLevel(name="runc", program="/usr/sbin/runc", version="1.4.0")
    assert low_level({}, *programs[:2]) == runc
    assert low_level({conf: '[engine]\nruntime = "runc"\n'}, *programs) == runc
    assert low_level({conf: '[engine]\nruntime = "/usr/sbin/runc"\n'}, *programs) == runc
    named = '[engine]\nruntime = "mine"\n[engine.runtimes]\nmine = ["/none", "/usr/bin/crun"]\n'
    mine = low_level({conf: named}, *programs)
    assert mine is not None
    assert (mine.name, mine.program, mine.lacks[:1]) == ("mine", "/usr/bin/crun", ("netDevices",))
    assert low_level({}, programs[0]) is None


def test_crio_is_always_on_and_drop_ins_come_later() -> None:
    files = {
        "/etc/crio/crio.conf": '[crio.runtime]\ncdi_spec_dirs = ["/1"]\n',
        "/etc/crio/crio.conf.d/10-crio.conf": '[crio.runtime]\ndefault_runtime = "runc"\n',
        "/etc/crio/crio.conf.d/99-cdi.conf": '[crio.runtime]\n# cdi_spec_dirs\ncdi_spec_dirs = [\n "/2",\n "/3",\n]\n',
    }
    found = runtime("cri-o", "1.33.1", files)
    assert (found.enabled, found.spec_dirs) == (True, ("/2", "/3"))
    assert found.spec_dirs_why == "/etc/crio/crio.conf.d/99-cdi.conf:3"
    assert found.configs == tuple(files)
    assert found.low_level == LowLevel(name="runc")
    assert runtime("cri-o", "1.30.0").low_level == LowLevel(name="runc")
    assert runtime("cri-o", "1.31.0").low_level == LowLevel(name="crun")
    assert runtime("cri-o", "1.23.5").enabled is False


def test_crio_by_its_command_line_and_environment() -> None:
    files = {"/etc/crio/crio.conf": '[crio.runtime]\ncdi_spec_dirs = ["/1"]\n'}
    variable = daemon(9, "/usr/bin/crio", environment="A=b\0CONTAINER_CDI_SPEC_DIRS=/2,/3\0")
    found = runtime("cri-o", "1.33.1", files | variable)
    assert (found.spec_dirs, found.spec_dirs_why) == (
        ("/2", "/3"),
        "CONTAINER_CDI_SPEC_DIRS of the running daemon",
    )
    option = daemon(9, "/usr/bin/crio", "--cdi-spec-dirs=/4", "--cdi-spec-dirs", "/5,/6", environment="")
    assert runtime("cri-o", "1.33.1", files | option).spec_dirs == ("/4", "/5", "/6")
    elsewhere = daemon(9, "/usr/bin/crio", "-c", "/x.conf", "-d", "/x.d") | {
        "/x.d/1": '[crio.runtime]\ncdi_spec_dirs = ["/7"]\n'
    }
    assert runtime("cri-o", "1.33.1", files | elsewhere).spec_dirs == ("/7",)


def test_k3s_reads_what_its_containerd_reads() -> None:
    directory = "/var/lib/rancher/k3s/agent/etc/containerd"
    inside = "/var/lib/rancher/k3s/data/current/bin"
    config = f"{directory}/config.toml"
    files = {
        "/usr/local/bin/ctr": "-> k3s",
        "/usr/local/bin/containerd": "-> k3s",
        config: f'version = 3\nimports = ["{directory}/config-v3.toml.d/*.toml"]\n{V3}enable_cdi = true\n',
        f"{directory}/config-v3.toml.d/cdi.toml": f'version = 3\n{V3}cdi_spec_dirs = ["/a"]\n',
        **daemon(4, f"{inside}/k3s", "server", started=100),
        **daemon(5, "containerd", "-c", config, exe=f"{inside}/k3s"),
    }
    said = {
        "k3s": "k3s version v1.33.1+k3s1 (99d91538)\ngo version go1.24.2\n",
        "containerd": "containerd github.com/k3s-io/containerd/v2 v2.0.5-k3s1 0123\n",
    }
    programs = ("/usr/local/bin/k3s", f"{inside}/containerd", f"{inside}/runc", "/usr/bin/runc")
    (found,) = find_runtimes(tree(files, *programs), ask=ask(said))
    assert found.low_level == LowLevel(name="runc", program=f"{inside}/runc")
    assert (found.name, found.version, found.enabled, found.spec_dirs) == ("k3s", "1.33.1+k3s1", True, ("/a",))
    assert (found.newest_version, found.newest_version_why) == ("1.0.0", "by its release")
    assert (found.daemon is not None and found.daemon.pid, found.program) == (5, "/usr/local/bin/k3s")
    assert found.remarks == (
        "its containerd 2.0.5-k3s1",
        f"K3s writes {config} at every start: change config-v3.toml.tmpl beside it",
    )


def test_clients_of_containerd() -> None:
    assert runtime("ctr", "1.7.24").enabled is False
    ctr = runtime("ctr", "2.1.9")
    assert (ctr.enabled, ctr.newest_version, ctr.spec_dirs) == (True, "1.0.0", BOTH)
    files = {"/etc/nerdctl/nerdctl.toml": 'cdi_spec_dirs = ["/a"]\n'}
    assert runtime("nerdctl", "2.1.0", files).spec_dirs == ("/a",)
    assert runtime("nerdctl", "2.0.3", files).enabled is False


def test_buildkit() -> None:
    own = (*BOTH, "/etc/buildkit/cdi")
    assert runtime("buildkit", "0.19.0").enabled is False
    assert (runtime("buildkit", "0.20.0").enabled, runtime("buildkit", "0.20.0").spec_dirs) == (True, own)
    file = {"/etc/buildkit/buildkitd.toml": '[cdi]\ndisabled = true\nspecDirs = ["/a"]\n'}
    off = runtime("buildkit", "0.20.0", file)
    assert (off.enabled, off.enabled_why) == (False, "/etc/buildkit/buildkitd.toml:2")
    started = daemon(9, "/usr/bin/buildkitd", "--cdi-disabled=false", "--cdi-spec-dir", "/b")
    on = runtime("buildkit", "0.20.0", file | started)
    assert (on.enabled, on.spec_dirs) == (True, ("/b",))


def test_of_an_unknown_version_only_what_a_file_says_is_known() -> None:
    unknown = runtime("containerd", None)
    assert (unknown.enabled, unknown.newest_version) == (None, None)
    assert unknown.newest_version_why == "its version is not known"
    assert runtime("containerd", None, {MAIN: f"version = 2\n{V2}enable_cdi = true\n"}).enabled is True
    assert runtime("docker", None).enabled is None


# --- daemons


def test_a_daemon_is_older_than_what_was_changed_since() -> None:
    text = "\n".join(
        [
            "/usr/bin/containerd : f 0755",
            f"{MAIN} = {json.dumps(IMPORTS)}",
            f"{MAIN} : f 0644 @{BOOT + 301}",  # the start may be up to a second later than it can be told
            f"{DROP_IN} : f 0644 @{BOOT + 302}",
            *(
                f"{path} {text}" if text.startswith("->") else f"{path} = {json.dumps(text)}"
                for path, text in daemon(9, "/usr/bin/containerd").items()
            ),
        ]
    )
    (found,) = find_runtimes(Host.from_tree(text))
    assert found.daemon == Daemon(
        pid=9,
        program="/usr/bin/containerd",
        started=BOOT + 300.0,
        arguments=("/usr/bin/containerd",),
        outdated_by=(DROP_IN,),
    )


def test_a_daemon_s_program_that_was_replaced_is_said() -> None:
    files = daemon(9, "/usr/bin/dockerd", exe="/usr/bin/dockerd (deleted)")
    assert runtime("docker", "28.5.2", files).remarks == (
        "the running daemon is an older program than /usr/bin/dockerd: restart it",
    )


@pytest.mark.parametrize(
    "files",
    [
        daemon(9, "/usr/bin/containerd") | {"/proc/9/status": "Name:\tcontainerd\nNSpid:\t9\t1\n"},  # in a container
        daemon(9, "/usr/bin/containerd") | {"/proc/9/root": "-> /srv/chroot"},
        daemon(9, "/usr/bin/containerd", "config", "dump"),
        daemon(9, "/usr/bin/containerd", "--config", "/var/run/docker/containerd/containerd.toml"),
        daemon(9, "/var/lib/rancher/k3s/data/current/bin/containerd", "-c", "/var/lib/rancher/k3s/x"),
    ],
    ids=["container", "chroot", "no daemon", "docker's own", "k3s"],
)
def test_what_is_not_the_daemon_of_this_host(files: dict[str, str]) -> None:
    assert runtime("containerd", "2.1.9", files).daemon is None


def test_the_daemon_s_own_config_counts() -> None:
    started = daemon(9, "/usr/bin/containerd", "--config=/x.toml") | {
        "/proc/9/status": "NSpid:\t9\n",
        "/proc/9/root": "-> /",
    }
    found = runtime("containerd", "1.7.24", started | {"/x.toml": f"version = 2\n{V2}enable_cdi = true\n"})
    assert found.enabled_why == "/x.toml:3"


# --- low-level runtimes, and what all can read


@pytest.mark.parametrize(
    ("name", "version", "lacks"),
    [
        ("runc", "1.3.6", ("netDevices", "intelRdt.schemata", "intelRdt.enableMonitoring")),
        ("runc", "1.4.0", ()),
        ("runc", "1.1.5+ds1", ("netDevices", "intelRdt.schemata", "intelRdt.enableMonitoring")),
        ("crun", "1.21", ("netDevices", "intelRdt.enableMonitoring")),
        ("crun", "1.22", ("intelRdt.enableMonitoring",)),
        ("crun", "1.28", ()),
    ],
)
def test_what_low_level_runtimes_ignore(name: str, version: str, lacks: tuple[str, ...]) -> None:
    said = {name: f"{name} version {version}\nspec: 1.2.0\n"}
    (found,) = find_runtimes(tree({}, "/usr/bin/podman", f"/usr/bin/{name}"), ask=ask(said))
    assert found.low_level is not None
    assert found.low_level.lacks == lacks


def test_features_are_believed_before_the_version() -> None:
    features = {"linux": {"netDevices": {"enabled": True}}}
    said = {"runc": "runc version 1.3.6", "runc/features": json.dumps(features)}
    (found,) = find_runtimes(tree({}, "/usr/bin/podman", "/usr/bin/runc"), ask=ask(said))
    assert found.low_level is not None
    assert found.low_level.lacks == ("intelRdt.schemata", "intelRdt.enableMonitoring")
    said["runc/features"] = "not JSON"
    (found,) = find_runtimes(tree({}, "/usr/bin/podman", "/usr/bin/runc"), ask=ask(said))
    assert found.low_level is not None
    assert found.low_level.lacks[0] == "netDevices"


def test_the_lowest_version_of_those_that_use_cdi_counts() -> None:
    on, off = runtime("podman", "5.4.2"), runtime("docker", "26.1.5")
    unknown = runtime("containerd", None)
    cap = newest_for([unknown, off, on])
    assert cap.version == "0.8.0"
    assert cap.notes == (
        "containerd does not count: its version is not known",
        "docker 26.1.5 does not count: CDI is off (default of docker 26.1.5)",
        "podman 5.4.2 reads CDI 0.8.0 (by its release)",
    )
    assert newest_for([on, runtime("podman", "4.3.1")]).version == "0.5.0"
    assert newest_for([]).version is None
    assert newest_for([off]).version is None
    assert ignored_fields([], [on]) == ()


def test_a_daemon_that_does_not_start_counts_all_the_same() -> None:
    broken = runtime("docker", "26.1.5", {"/etc/docker/daemon.json": "{"})
    assert (broken.enabled, newest_for([broken]).version) == (None, "0.6.0")


@pytest.mark.skipif(shutil.which("podman") is None, reason="needs podman")
def test_the_podman_of_this_machine_says_its_version() -> None:
    podman = next(one for one in find_runtimes(Host("/")) if one.name == "podman")
    assert podman.version is not None
    assert podman.version_why == f"{podman.program} --version"
    assert newest_for([podman]).version == podman.newest_version
    assert podman.low_level is not None
    assert podman.low_level.version is not None
