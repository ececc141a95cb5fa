"""A container's files are its image's: whatever they are, hooks touch nothing of the host, run nothing, and end."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from cdi.discovery.ldcache import parse_ldcache
from cdi.errors import CdiError
from cdi.hook.calls import parse, perform
from cdi.hook.nvidia import shadow_parameters
from cdi.hook.root import ContainerRoot

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
LIBRARY = "/usr/lib/x86_64-linux-gnu"
HOOKS = (
    ("create-symlinks", f"--link=libcuda.so.1::{LIBRARY}/libcuda.so", "--link=../card0::/dev/dri/by-path/pci-card"),
    ("enable-cuda-compat", "--host-driver-version=535.1.2"),
    ("update-ldcache", f"--folder={LIBRARY}", "--folder=/opt/driver"),
    ("update-application-profile",),
    ("disable-device-node-modification",),
    ("chmod", "--mode=755", "--path=/dev/dri", f"--path={LIBRARY}"),
)
GRACE = 25  # seconds for one hook, on a busy machine


@pytest.fixture(autouse=True)
def _root() -> None:
    """Hooks run as root, and only then is there something to protect."""
    if os.geteuid() != 0:
        if "CI" in os.environ:
            pytest.fail("hooks run as root")
        pytest.skip("hooks run as root")


class Scene(NamedTuple):
    """A bundle, its container's files, and beside them files of the host, which must stay as they are."""

    bundle: Path
    files: Path
    host: Path

    def witness(self) -> dict[str, object]:
        """Return what there is beside the container's files."""
        seen: dict[str, object] = {}
        for path in sorted([self.host, *self.host.rglob("*")]):
            status = path.lstat()
            content: object = path.readlink() if path.is_symlink() else None
            if stat.S_ISREG(status.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            seen[str(path)] = (status.st_mode, status.st_uid, status.st_ino, content)
        return seen

    def run(
        self, *arguments: str, before: str = "", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a hook in a mount namespace of its own, as a process; `before` is a shell script that prepares it."""
        program = self.bundle.parent / "cdi-hook"  # as pip writes it
        paths = [str(REPOSITORY), str(REPOSITORY / "cli")]
        program.write_text(f"import sys\nsys.path[:0] = {paths!r}\nfrom cdi_cli.hooking import main\nmain()\n")
        state = json.dumps({"ociVersion": "1.2.0", "id": "a", "status": "creating", "bundle": str(self.bundle)})
        script = f'set -e; {before}\nexec "$@"'
        enter = ("unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")
        return subprocess.run(
            [*enter, sys.executable, program, *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=state,
            timeout=GRACE,
            cwd=self.files,
            env={"PATH": os.environ["PATH"], "FILES": str(self.files), **(env or {})},
        )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    bundle = tmp_path / "bundle"
    host = tmp_path / "host"
    for directory in ("etc/ld.so.conf.d", "dev/dri", "usr/lib/x86_64-linux-gnu", "sbin", "tmp", "proc", "sys"):
        (bundle / "rootfs" / directory).mkdir(parents=True)
    for directory in ("etc/ld.so.conf.d", "dri/by-path", "lib", "cache"):
        (host / directory).mkdir(parents=True)
    for name in ("secret", "etc/ld.so.conf", "etc/ld.so.cache", "lib/libcuda.so", "etc/passwd"):
        (host / name).write_text(f"the host's {name}\n")
        (host / name).chmod(0o600)
    (bundle / "config.json").write_text('{"root": {"path": "rootfs"}}')
    return Scene(bundle, bundle / "rootfs", host)


def replaced(path: Path) -> Path:
    """Return a path at which there is nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    return path


def absolute_links(scene: Scene) -> None:
    replaced(scene.files / "etc").symlink_to(scene.host / "etc")
    replaced(scene.files / "usr").symlink_to(scene.host)
    replaced(scene.files / "dev/dri").symlink_to(scene.host / "dri")


def relative_links(scene: Scene) -> None:
    up = "../" * 30 + str(scene.host).lstrip("/")
    replaced(scene.files / "etc").symlink_to(f"{up}/etc")
    replaced(scene.files / "usr/lib/x86_64-linux-gnu").symlink_to(f"{up}/lib")
    replaced(scene.files / "dev/dri").symlink_to("../../../host/dri")


def links_in_last_place(scene: Scene) -> None:
    for name in ("ld.so.conf", "ld.so.cache", "ld.so.cache~"):
        replaced(scene.files / "etc" / name).symlink_to(scene.host / "secret")
    (scene.files / "etc/ld.so.conf.d/zz-devices-system.conf").symlink_to(scene.host / "secret")
    (scene.files / "usr/lib/x86_64-linux-gnu/libcuda.so").symlink_to(scene.host / "lib/libcuda.so")
    replaced(scene.files / "dev/dri").symlink_to(scene.host / "secret")


def links_in_circles(scene: Scene) -> None:
    replaced(scene.files / "etc").symlink_to("/loop")
    (scene.files / "loop").symlink_to("/etc")
    replaced(scene.files / "usr/lib/x86_64-linux-gnu").symlink_to("x86_64-linux-gnu")


def links_by_the_kernel(scene: Scene) -> None:
    """Lead out by the links of /proc, which is mounted in the container."""
    inner = str(scene.host).lstrip("/")
    replaced(scene.files / "etc").symlink_to(f"/proc/self/root/{inner}/etc")
    replaced(scene.files / "usr/lib/x86_64-linux-gnu").symlink_to(f"/proc/1/root/{inner}/lib")
    replaced(scene.files / "dev/dri").symlink_to("/proc/self/cwd/../../host/dri")


def switches_of_the_kernel(scene: Scene) -> None:
    replaced(scene.files / "etc").symlink_to("/proc/sys/kernel")
    replaced(scene.files / "usr/lib/x86_64-linux-gnu").symlink_to("/sys/fs/cgroup")
    replaced(scene.files / "dev/dri").symlink_to("/proc/sys/kernel/core_pattern")


def odd_files(scene: Scene) -> None:
    os.mkfifo(scene.files / "etc/ld.so.conf.d/a.conf")
    os.mkfifo(scene.files / "etc/ld.so.cache")
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(scene.files / "etc/ld.so.conf.d")
        server.bind("b.conf")
    os.mknod(scene.files / "etc/ld.so.conf.d/c.conf", 0o020666, os.makedev(1, 5))
    (scene.files / "etc/ld.so.conf.d/d.conf").mkdir()
    (scene.files / "etc/ld.so.conf").write_text("include /none/ld.so.conf.d/*.conf\n")
    os.mkfifo(scene.files / "usr/lib/x86_64-linux-gnu/libcuda.so")


def endless_configuration(scene: Scene) -> None:
    os.mknod(scene.files / "etc/ld.so.conf", 0o020666, os.makedev(1, 5))  # /dev/zero


def huge_configuration(scene: Scene) -> None:
    with (scene.files / "etc/ld.so.conf").open("wb") as file:
        file.truncate(1 << 40)
    for number in range(3000):
        (scene.files / f"etc/ld.so.conf.d/{number}.conf").write_text("/opt\n" * 100)


def recursive_configuration(scene: Scene) -> None:
    (scene.files / "etc/ld.so.conf").write_text("include /etc/ld.so.conf\ninclude /etc/ld.so.conf.d/*.conf\n" * 3)
    (scene.files / "etc/ld.so.conf.d/a.conf").write_text("include ../ld.so.conf\n/../../..\n")


def hard_links(scene: Scene) -> None:
    os.link(scene.host / "etc/ld.so.conf", scene.files / "etc/ld.so.conf")
    os.link(scene.host / "etc/ld.so.cache", scene.files / "etc/ld.so.cache")
    os.link(scene.host / "lib/libcuda.so", scene.files / "usr/lib/x86_64-linux-gnu/libcuda.so")
    os.link(scene.host / "secret", replaced(scene.files / "dev/dri"))


def programs_of_the_image(scene: Scene) -> None:
    (scene.files / "lib64").mkdir()
    for place in ("sbin/ldconfig", "sbin/ldconfig.real", "lib64/ld-linux-x86-64.so.2", "sbin/nvidia-modprobe"):
        (scene.files / place).write_text(f"#!/bin/sh\ntouch {scene.host}/ran /ran\n")
        (scene.files / place).chmod(0o755)
    for place in ("json.py", "sitecustomize.py", "encodings.py", "getopt.py"):
        (scene.files / place).write_text(f"open({str(scene.host / 'ran')!r}, 'w')\n")


ATTACKS = (
    absolute_links,
    relative_links,
    links_in_last_place,
    links_in_circles,
    links_by_the_kernel,
    switches_of_the_kernel,
    odd_files,
    endless_configuration,
    huge_configuration,
    recursive_configuration,
    hard_links,
    programs_of_the_image,
)
MOUNTS = (
    'mount -t proc proc "$FILES/proc"; mount -t sysfs -o ro sysfs "$FILES/sys"; '
    'mount -t cgroup2 none "$FILES/sys/fs/cgroup" 2>/dev/null || mount --rbind /sys/fs/cgroup "$FILES/sys/fs/cgroup"'
)
KERNELS = ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/kernel/panic")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_the_host_is_left_alone(scene: Scene, attack: Callable[[Scene], None]) -> None:
    attack(scene)
    before = scene.witness()
    switches = [Path(path).read_text() for path in KERNELS]
    groups = sorted(path.name for path in Path("/sys/fs/cgroup").iterdir())

    for hook in HOOKS:
        result = scene.run(*hook, before=MOUNTS)
        assert result.returncode in {0, 1, 4}, result.stderr
        assert "bug" not in result.stderr
        assert result.returncode == 0 or result.stderr.startswith("cdi-hook: error: ")

    assert scene.witness() == before
    assert [Path(path).read_text() for path in KERNELS] == switches
    assert sorted(path.name for path in Path("/sys/fs/cgroup").iterdir()) == groups
    assert not list(scene.files.rglob("ran"))
    assert not list(scene.files.rglob(".cdi-hook-*"))


def exchange(one: Path, other: Path) -> None:
    """Let two names change places, at once."""
    at_cwd, rename_exchange = -100, 2  # renameat2(2)
    assert ctypes.CDLL(None).renameat2(at_cwd, bytes(one), at_cwd, bytes(other), rename_exchange) == 0


def test_links_that_are_swapped_meanwhile_lead_nowhere(scene: Scene) -> None:
    """Another container, say, with a volume in common, turns directories into links and back all the time."""
    before = scene.witness()
    ended = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        pairs = {"etc": scene.host / "etc", "usr/lib/x86_64-linux-gnu": scene.host / "lib"}
        for name, target in pairs.items():
            (scene.files / f"{name}.link").symlink_to(target)
        while not ended.is_set():
            for name in pairs:
                exchange(scene.files / name, scene.files / f"{name}.link")
                swaps += 1

    attacker = threading.Thread(target=swap)
    attacker.start()
    failed = 0
    try:
        for by_steps in (False, True):
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                failed += _swapped_under(scene, by_steps=by_steps)
    finally:
        ended.set()
        attacker.join()

    assert swaps > 1000
    assert failed
    assert scene.witness() == before


def _swapped_under(scene: Scene, *, by_steps: bool) -> int:
    """Run the hooks that write, and return how many failed for what they met."""
    root = ContainerRoot(str(scene.files), by_steps=by_steps)
    failed = 0
    try:
        for number in range(20):
            for path in (f"/etc/{number}.conf", f"{LIBRARY}/{number}/link"):
                try:
                    root.link(path, "target")
                    root.write(path, b"content")
                    perform(parse(["chmod", "--mode=700", f"--path={LIBRARY}"]), root)
                except CdiError:  # of a path that is the attacker's at the moment
                    failed += 1
    finally:
        root.close()
    return failed


@pytest.mark.parametrize(
    ("name", "value"),
    [("GLIBC_TUNABLES", "glibc.malloc.check=3"), ("LD_LIBRARY_PATH", "."), ("LD_PRELOAD", "./evil.so")],
)
def test_an_environment_that_may_be_the_containers_is_refused(scene: Scene, name: str, value: str) -> None:
    (scene.files / "evil.so").write_bytes(b"\x7fELF not really")
    # The shell that prepares the namespace is not the hook's: it sets the variable for what it starts.
    result = scene.run("create-symlinks", "--link=a::/usr/lib/b", before=f"export {name}={value}")
    assert result.returncode == 1
    assert f"cdi-hook: error: the environment has {name}, maybe the container's own" in result.stderr
    assert not (scene.files / "usr/lib/b").exists()


def test_the_current_directory_is_no_place_of_modules(scene: Scene) -> None:
    programs_of_the_image(scene)
    before = scene.witness()
    assert scene.run("update-ldcache", "--folder=/opt/driver").returncode == 0
    assert scene.witness() == before
    assert not list(scene.files.rglob("ran"))


VOLUME = 'mount --bind "$FILES" "$FILES"; cd "$FILES"; mkdir -p data; mount --bind "$FILES/../../host" "$FILES/data"; '


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook[0])
def test_a_link_to_a_volume_brings_nothing_into_it(scene: Scene, hook: tuple[str, ...]) -> None:
    """A volume is the host's, and whom the container runs as may not be able to write to it."""
    replaced(scene.files / "etc").symlink_to("/data/etc")
    replaced(scene.files / "usr/lib/x86_64-linux-gnu").symlink_to("/data/lib")
    replaced(scene.files / "dev/dri").symlink_to("/data/dri")
    before = scene.witness()
    result = scene.run(*hook, before=VOLUME)
    assert scene.witness() == before
    if hook[0] in {"create-symlinks", "update-ldcache", "chmod"}:
        assert result.returncode == 4
        assert "it is in a volume, or in another file system of the host" in result.stderr


def test_a_folder_of_a_volume_is_searched_but_not_written_to(scene: Scene) -> None:
    """Else ldconfig makes links there, for each library that lacks the one of its name."""
    library = next(Path("/lib").glob("*-linux-gnu/libc.so.6"))
    shutil.copy(library, scene.host / "lib/libother.so")
    before = scene.witness()
    result = scene.run("update-ldcache", "--folder=/data/lib", before=VOLUME)
    assert (result.returncode, result.stderr) == (0, "")
    assert scene.witness() == before
    cache = parse_ldcache((scene.files / "etc/ld.so.cache").read_bytes())
    assert [entry.path for entry in cache] == ["/data/lib/libc.so.6"]


def test_a_tmpfs_of_the_containers_own_is_written_to(scene: Scene) -> None:
    own = 'mount --bind "$FILES" "$FILES"; cd "$FILES"; mount -t tmpfs tmpfs dev; mkdir dev/dri; '
    link = "--link=../card0::/dev/dri/by-path/pci-card"
    result = scene.run(
        "create-symlinks", link, before=f'{own}set -- sh -c \'"$@"; readlink dev/dri/by-path/*\' sh "$@"'
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "../card0\n", "")


def test_a_mount_in_the_place_of_a_link_stays(scene: Scene) -> None:
    (scene.files / "usr/lib/libcuda.so").touch()
    mounted = 'mount --bind "$FILES" "$FILES"; cd "$FILES"; mount --bind etc/hosts usr/lib/libcuda.so'
    (scene.files / "etc/hosts").write_text("")
    result = scene.run("create-symlinks", "--link=a::/usr/lib/libcuda.so", before=mounted)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_hook_of_a_later_version_is_left_out(scene: Scene) -> None:
    result = scene.run("make-coffee", "--sugar=2")
    assert result.returncode == 0
    assert result.stderr == "cdi-hook: there is no hook 'make-coffee'; the container starts without\n"


def test_a_root_that_is_read_only_is_said(scene: Scene) -> None:
    (scene.files / "usr/lib/x86_64-linux-gnu/libcuda.so").symlink_to("libcuda.so.1")
    read_only = 'mount --bind "$FILES" "$FILES"; mount -o remount,ro,bind "$FILES"'
    there = scene.run("create-symlinks", f"--link=libcuda.so.1::{LIBRARY}/libcuda.so", before=read_only)
    assert (there.returncode, there.stderr) == (0, "")
    missing = scene.run("create-symlinks", "--link=a::/usr/lib/b", before=read_only)
    assert missing.returncode == 4
    assert missing.stderr.splitlines() == [
        "cdi-hook: error: cannot make the link '/usr/lib/b': read-only file system",
        "hint: the container's root is read-only",
    ]
    cache = scene.run("update-ldcache", "--folder=/opt/driver", before=read_only)
    assert cache.returncode == 0
    assert cache.stderr.endswith("read-only file system; the container starts without\n")


def test_the_drivers_parameters_are_hidden_in_the_container_only(scene: Scene) -> None:
    """Another file of /proc stands in for the driver's, whose rules are the same."""
    code = """import os, sys
from cdi.hook.nvidia import shadow_parameters
from cdi.hook.root import ContainerRoot
root = ContainerRoot(sys.argv[1])
before = sorted(os.listdir(sys.argv[1] + "/proc/tty"))
assert shadow_parameters(root, b"ModifyDeviceFiles: 0\\n", "/proc/tty/drivers")
path = sys.argv[1] + "/proc/tty/drivers"
print(open(path).read(), end="")
assert sorted(os.listdir(sys.argv[1] + "/proc/tty")) == before
try:
    open(path, "w")
except OSError as error:
    print(error.strerror)
"""
    script = 'mount -t proc proc "$1/proc"; exec "$0" -c "$2" "$1"'
    enter = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    env = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/cli", "PATH": os.environ["PATH"]}
    command = [*enter, sys.executable, str(scene.files), code]
    result = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert (result.stdout, result.stderr) == ("ModifyDeviceFiles: 0\nRead-only file system\n", "")
    assert "ModifyDeviceFiles" not in Path("/proc/tty/drivers").read_text()


def test_nothing_is_mounted_over_a_file_of_the_image(scene: Scene) -> None:
    (scene.files / "proc/driver/nvidia").mkdir(parents=True)
    (scene.files / "proc/driver/nvidia/params").symlink_to("/etc/passwd")
    (scene.files / "etc/passwd").write_text("")
    root = ContainerRoot(str(scene.files))
    assert shadow_parameters(root, b"ModifyDeviceFiles: 0\n") is False
    root.close()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"bundle": "/no/such/bundle"}', '{"bundle": "/", "root": "/"}', "[" * 9999]
)
def test_a_state_that_is_not_one_is_an_error_and_no_bug(text: str) -> None:
    paths = [str(REPOSITORY), str(REPOSITORY / "cli")]
    code = f"import sys; sys.path[:0] = {paths!r}; from cdi_cli.hooking import main; main()"
    command = [sys.executable, "-c", code, "create-symlinks", "--link=a::/b"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, input=text, env={})
    assert result.returncode in {1, 2, 4}
    assert result.stderr.startswith("cdi-hook: error: ")
