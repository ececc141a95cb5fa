"""`cdi runtime enable`, `disable`, `set-dirs` and `undo`."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cdi.host.tree import parse_tree

if TYPE_CHECKING:
    from tests.cli.harness import Cdi

NODE = Path(__file__).parents[2] / "spec-examples/runtimes/node.tree"
DROP_IN = "etc/containerd/conf.d/99-driver.toml"
DAEMON = "etc/docker/daemon.json"
RESTART = (
    "containerd: needs 'systemctl restart containerd.service': containerd reads its configuration when it starts, "
    "and ends on SIGHUP; containers go on\n"
)


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """Return the example as a directory."""
    for path, entry in parse_tree(NODE.read_text(), source="node.tree").items():
        file = tmp_path / path[1:]
        if entry.stat.type == "f":
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(entry.content or b"")
            file.chmod(entry.stat.mode)
    return tmp_path


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in (root / "etc").rglob("*") if path.is_file()}


def test_enable_changes_the_file_and_says_what_to_restart(cdi: Cdi, node: Path) -> None:
    result = cdi("--root", node, "runtime", "enable", "containerd")
    assert result == (0, f"containerd: CDI is on in /{DROP_IN}\n{RESTART}", "")
    assert '[plugins."io.containerd.grpc.v1.cri"]\nenable_cdi = true\n' in (node / DROP_IN).read_text()
    status = cdi("--root", node, "runtime", "status", "containerd").out
    assert status.splitlines()[1].split()[:3] == ["containerd", "1.7.24~ds1", "on"]


def test_what_is_on_already_is_left_alone(cdi: Cdi, node: Path) -> None:
    before = tree(node)
    result = cdi("--root", node, "runtime", "enable", "docker", "podman")
    assert result == (
        0,
        f"docker: CDI is on already: /{DAEMON} says so\npodman: CDI is on already: podman always has it on\n",
        "",
    )
    assert tree(node) == before
    assert not (node / "var/lib/cdi-tools").exists()


def test_dry_run_shows_the_differences_and_writes_nothing(cdi: Cdi, node: Path) -> None:
    before = tree(node)
    result = cdi("--root", node, "runtime", "disable", "docker", "--dry-run")
    assert result.code == 0
    assert result.out.splitlines() == [
        f"--- /{DAEMON}",
        f"+++ /{DAEMON}",
        "@@ -1,5 +1,5 @@",
        " {",
        '   "features": {',
        '-    "cdi": true',
        '+    "cdi": false',
        "   }",
        " }",
        (
            "docker: would need 'systemctl restart docker.service': dockerd does not look at CDI settings on SIGHUP; "
            "containers stop, but for live-restore"
        ),
    ]
    assert tree(node) == before
    assert not (node / "var/lib/cdi-tools").exists()


def test_dry_run_works_on_a_text_tree_and_writing_does_not(cdi: Cdi) -> None:
    assert cdi("--root", NODE, "runtime", "disable", "docker", "--dry-run").code == 0
    for action in ("disable", "undo"):
        result = cdi("--root", NODE, "runtime", action, "docker")
        assert (result.code, result.out) == (2, "")
        assert result.err == "cdi: error: a text tree cannot be changed\nhint: --dry-run shows what would change\n"


def test_undo_puts_everything_back(cdi: Cdi, node: Path) -> None:
    before = tree(node)
    assert cdi("--root", node, "runtime", "enable", "containerd").code == 0
    assert cdi("--root", node, "runtime", "disable", "docker").code == 0
    assert cdi("--root", node, "runtime", "set-dirs", "docker", "/a", "/b").code == 0
    dry = cdi("--root", node, "runtime", "undo", "docker", "--dry-run")
    assert '-  "cdi-spec-dirs": [\n' in dry.out
    assert cdi("--root", node, "runtime", "undo", "docker", "containerd").out == (
        f"docker: taken back in /{DAEMON}\n"
        "docker: needs 'systemctl restart docker.service': dockerd does not look at CDI settings on SIGHUP; "
        "containers stop, but for live-restore\n"
        f"containerd: taken back in /{DROP_IN}\n{RESTART}"
    )
    assert b'"cdi": false' in tree(node)[DAEMON]
    assert cdi("--root", node, "runtime", "undo", "docker").code == 0
    assert tree(node) == before
    result = cdi("--root", node, "runtime", "undo", "docker")
    assert (result.code, result.err) == (
        3,
        "cdi: error: nothing to take back for docker\nhint: only changes that cdi itself made can be undone\n",
    )


def test_undo_of_what_somebody_else_changed_needs_force(cdi: Cdi, node: Path) -> None:
    before = tree(node)
    cdi("--root", node, "runtime", "disable", "docker")
    (node / DAEMON).write_text("{}")
    result = cdi("--root", node, "runtime", "undo", "docker")
    assert (result.code, result.out) == (5, "")
    assert "was changed by somebody else since 'disable'" in result.err
    assert cdi("--root", node, "runtime", "undo", "docker", "--force").code == 0
    assert tree(node) == before


def test_one_that_cannot_be_changed_keeps_all_as_they_are(cdi: Cdi, node: Path) -> None:
    before = tree(node)
    result = cdi("--root", node, "runtime", "disable", "docker", "podman")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("cdi: error: CDI cannot be switched off in podman\nhint: ")
    assert tree(node) == before


def test_a_broken_configuration_is_refused_with_its_place(cdi: Cdi, node: Path) -> None:
    (node / DAEMON).write_text('{\n  "a": 1,\n}\n')
    result = cdi("--root", node, "runtime", "disable", "docker")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"cdi: error: /{DAEMON}:")
    assert "not JSON" in result.err
    assert (node / DAEMON).read_text() == '{\n  "a": 1,\n}\n'


def test_json_has_the_diff_and_what_to_restart(cdi: Cdi, node: Path) -> None:
    result = cdi("--root", node, "runtime", "disable", "docker", "--dry-run", "-o", "json")
    (docker,) = result.json["runtimes"]
    diff = docker.pop("diff")
    assert diff.startswith(f"--- /{DAEMON}\n+++ /{DAEMON}\n@@")
    assert result.json["dryRun"] is True
    assert docker == {
        "name": "docker",
        "action": "disable",
        "path": f"/{DAEMON}",
        "why": None,
        "remarks": [],
        "restart": "systemctl restart docker.service",
        "restartWhy": "dockerd does not look at CDI settings on SIGHUP; containers stop, but for live-restore",
        "outcome": None,
        "up": None,
    }


def test_the_diff_of_a_new_file_and_one_without_a_last_line_end_is_as_patch_takes_it(cdi: Cdi, node: Path) -> None:
    (node / DAEMON).write_bytes(b'{"a":\t1}')
    result = cdi("--root", node, "runtime", "enable", "docker", "--dry-run", "-o", "json")
    assert result.json["runtimes"][0]["diff"].splitlines()[2:] == [
        "@@ -1 +1 @@",
        '-{"a":\t1}',
        "\\ No newline at end of file",
        '+{"a":\t1, "features": {"cdi": true}}',
        "\\ No newline at end of file",
    ]
    (node / DAEMON).unlink()
    result = cdi("--root", node, "runtime", "enable", "docker", "--dry-run")
    assert result.out.startswith(f"--- /dev/null\n+++ /{DAEMON}\n@@ -0,0 +1,5 @@\n+{{\n")


def test_another_root_is_not_restarted(cdi: Cdi, node: Path) -> None:
    result = cdi("--root", node, "runtime", "enable", "containerd", "--restart")
    assert result.code == 0
    assert (
        "containerd: not done: it would be on this machine, and the files are of another root\n" + RESTART
    ) in result.out


def test_a_daemon_older_than_its_configuration_needs_a_restart_even_if_nothing_changes(cdi: Cdi, node: Path) -> None:
    (node / "proc/812/exe").symlink_to("/usr/bin/containerd")
    (node / "proc/812/cmdline").write_bytes(b"/usr/bin/containerd\0")
    cdi("--root", node, "runtime", "enable", "containerd")
    result = cdi("--root", node, "runtime", "enable", "containerd")
    assert result.out == f"containerd: CDI is on already: /{DROP_IN} says so\n{RESTART}"


def test_the_mode_of_the_file_stays(cdi: Cdi, node: Path) -> None:
    (node / DAEMON).chmod(0o600)
    assert cdi("--root", node, "runtime", "disable", "docker").code == 0
    assert stat.S_IMODE((node / DAEMON).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("enable",), 2, "'enable' needs the name of a runtime"),
        (("enable", "dokcer"), 2, "unknown runtime 'dokcer'"),
        (("enable", "cri-o"), 3, "cri-o is not installed"),
        (("set-dirs", "docker"), 2, "no directory named"),
        (("set-dirs", "docker", "etc/cdi"), 2, "'etc/cdi' is not absolute"),
        (("status", "--dry-run"), 2, "'status' has no option --dry-run"),
        (("enable", "docker", "--force"), 2, "'enable' has no option --force"),
    ],
)
def test_what_makes_no_sense_is_refused(
    cdi: Cdi, node: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = cdi("--root", node, "runtime", *arguments)
    assert (result.code, result.out) == (code, "")
    assert result.err.startswith(f"cdi: error: {message}\nhint: ")


def test_when_writing_one_fails_the_others_are_put_back(cdi: Cdi, node: Path) -> None:
    (node / DAEMON).write_text("{}\n")
    before = tree(node)
    (node / "var/lib/cdi-tools/runtimes").mkdir(parents=True)
    (node / "var/lib/cdi-tools/runtimes/docker").write_text("in the way")
    result = cdi("--root", node, "runtime", "enable", "containerd", "docker")
    assert (result.code, result.out) == (4, "")
    assert result.err.startswith("cdi: error: cannot write '/var/lib/cdi-tools/runtimes/docker': not a directory\n")
    assert tree(node) == before
