"""Hooks do to a container's files what they are called for, and say what they could not do."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cdi.discovery.ldcache import parse_ldcache
from cdi.errors import CdiError, FileError, UsageError
from cdi.hook.calls import HOOKS, Call, parse, perform
from cdi.hook.confined import run_ldconfig
from cdi.hook.cuda_compat import is_wanted
from cdi.hook.loader import add_directories, prefer_directory
from cdi.hook.nvidia import modified_parameters, restrict_graphics
from cdi.hook.root import ContainerRoot
from cdi.hook.state import root_of

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.skipif(os.geteuid() != 0 and "CI" not in os.environ, reason="needs root")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return the directory that the container's files are in."""
    top = tmp_path / "rootfs"
    (top / "etc").mkdir(parents=True)
    return top


@pytest.fixture(params=[False, True], ids=["openat2", "by steps"])
def root(files: Path, request: pytest.FixtureRequest) -> Iterator[ContainerRoot]:
    opened = ContainerRoot(str(files), by_steps=request.param)
    yield opened
    opened.close()


def call(root: ContainerRoot, *arguments: str) -> tuple[list[str], list[str]]:
    return tuple(perform(parse(arguments), root))  # type: ignore[return-value]


def link(root: ContainerRoot, *pairs: str) -> list[str]:
    return call(root, "create-symlinks", *(f"--link={pair}" for pair in pairs))[0]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_links_are_made_with_the_directories_that_they_need(root: ContainerRoot, files: Path) -> None:
    assert link(root, "libcuda.so.1::/usr/lib/libcuda.so") == ["/usr/lib/libcuda.so -> libcuda.so.1"]
    made = files / "usr/lib/libcuda.so"
    assert str(made.readlink()) == "libcuda.so.1"
    assert stat.S_IMODE(made.parent.stat().st_mode) == 0o755
    assert [path.name for path in made.parent.iterdir()] == ["libcuda.so"]


def test_a_link_that_is_right_is_left_alone_whatever_may_be_written(root: ContainerRoot, files: Path) -> None:
    link(root, "target::/etc/link")
    before = (files / "etc/link").lstat()
    assert link(root, "target::/etc/link", "target::/etc/link") == []
    assert (files / "etc/link").lstat() == before


@pytest.mark.parametrize("old", ["file", "link", "dangling"])
def test_a_link_takes_the_place_of_what_is_no_directory(root: ContainerRoot, files: Path, old: str) -> None:
    (files / "etc/other").write_text("untouched")
    place = files / "etc/link"
    place.write_text("old") if old == "file" else place.symlink_to("other" if old == "link" else "nowhere")
    assert link(root, "new::/etc/link") == ["/etc/link -> new"]
    assert str(place.readlink()) == "new"
    assert (files / "etc/other").read_text() == "untouched"


def test_a_directory_is_not_replaced_by_a_link(root: ContainerRoot, files: Path) -> None:
    (files / "etc/dir").mkdir()
    with pytest.raises(FileError, match="cannot make the link '/etc/dir': is a directory"):
        link(root, "new::/etc/dir")
    assert [path.name for path in (files / "etc").iterdir()] == ["dir"]


def test_links_of_the_image_are_followed_inside_it(root: ContainerRoot, files: Path) -> None:
    (files / "usr/lib").mkdir(parents=True)
    (files / "lib").symlink_to("usr/lib")
    (files / "lib64").symlink_to("/usr/lib")
    link(root, "a::/lib/one", "b::/lib64/two", "c::../../../etc/three")
    assert sorted(path.name for path in (files / "usr/lib").iterdir()) == ["one", "two"]
    assert str((files / "etc/three").readlink()) == "c"


@pytest.mark.parametrize("pair", ["", "a", "a::", "::b", "a::b::c"])
def test_a_link_without_target_or_path_is_wrong_usage(root: ContainerRoot, pair: str) -> None:
    with pytest.raises(UsageError, match="invalid link"):
        link(root, pair)


def test_a_folder_is_searched_before_those_of_the_image(root: ContainerRoot, files: Path) -> None:
    (files / "etc/ld.so.conf").write_text("include /etc/ld.so.conf.d/*.conf\n")
    (files / "etc/ld.so.conf.d").mkdir()
    (files / "etc/ld.so.conf.d/libc.conf").write_text("/usr/local/lib\n")
    (files / "lib64").mkdir()
    add_directories(root, ["/opt/driver", "/usr/local/lib", "/lib64", "/opt/driver"])
    names = sorted(path.name for path in (files / "etc/ld.so.conf.d").iterdir())
    assert [name.partition("s-")[0] for name in names] == ["00-device", "libc.conf", "zz-device"]
    assert lines(files / "etc/ld.so.conf.d" / names[0]) == ["/opt/driver"]
    assert lines(files / "etc/ld.so.conf.d/zz-devices-system.conf") == ["/lib64"]
    assert lines(files / "etc/ld.so.conf") == ["include /etc/ld.so.conf.d/*.conf"]


def test_a_second_run_changes_nothing(root: ContainerRoot, files: Path) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.stat().st_ino, p.stat().st_mtime_ns) for p in files.rglob("*") if p.is_file()}

    add_directories(root, ["/opt/driver"])
    before = state()
    add_directories(root, ["/opt/driver"])
    assert state() == before


@pytest.mark.parametrize("text", ["", "/opt/own\n", "# include ld.so.conf.d/*.conf\n"])
def test_a_configuration_that_includes_no_drop_ins_is_told_to(root: ContainerRoot, files: Path, text: str) -> None:
    (files / "etc/ld.so.conf").write_text(text)
    add_directories(root, ["/opt/driver"])
    assert (files / "etc/ld.so.conf").read_text() == "include /etc/ld.so.conf.d/*.conf\n" + text


def test_drop_ins_of_another_folder_are_not_ours(root: ContainerRoot, files: Path) -> None:
    (files / "etc/ld.so.conf").write_text("include /none/ld.so.conf.d/*.conf\n")
    add_directories(root, ["/opt/driver"])
    assert lines(files / "etc/ld.so.conf")[0] == "include /etc/ld.so.conf.d/*.conf"


@pytest.mark.parametrize("include", ["include ld.so.conf.d/*.conf", "include /etc/ld.so.conf.d/*.conf # all"])
def test_a_configuration_that_includes_drop_ins_is_left_alone(root: ContainerRoot, files: Path, include: str) -> None:
    (files / "etc/ld.so.conf").write_text(include)
    add_directories(root, ["/opt/driver"])
    assert (files / "etc/ld.so.conf").read_text() == include


def test_a_container_without_etc_gets_one(root: ContainerRoot, files: Path) -> None:
    (files / "etc").rmdir()
    add_directories(root, ["/opt/driver"])
    assert lines(files / "etc/ld.so.conf") == ["include /etc/ld.so.conf.d/*.conf"]


def test_musl_keeps_its_own_folders(root: ContainerRoot, files: Path) -> None:
    (files / "lib").mkdir()
    (files / "lib/ld-musl-x86_64.so.1").write_text("")
    add_directories(root, ["/opt/driver"])
    assert lines(files / "etc/ld-musl-x86_64.path") == ["/lib", "/usr/local/lib", "/usr/lib", "/opt/driver"]
    assert not (files / "etc/ld.so.conf").exists()


def test_the_folders_that_musl_was_told_stay(root: ContainerRoot, files: Path) -> None:
    (files / "lib").mkdir()
    (files / "lib/ld-musl-aarch64.so.1").write_text("")
    (files / "etc/ld-musl-aarch64.path").write_text("/own:/lib")
    add_directories(root, ["/opt/driver", "/lib"])
    assert lines(files / "etc/ld-musl-aarch64.path") == ["/own", "/lib", "/opt/driver"]


@needs_root
def test_the_cache_lists_the_libraries_of_a_folder(root: ContainerRoot, files: Path) -> None:
    library = next(Path("/lib").glob("*-linux-gnu/libc.so.6"))
    (files / "opt/driver").mkdir(parents=True)
    shutil.copy(library, files / "opt/driver/libc.so.6")
    done, lost = call(root, "update-ldcache", "--folder", "/opt/driver", "--ldconfig-path", "@/sbin/ldconfig")
    assert (done, lost) == (["cached the libraries of 1 folders"], [])
    cache = parse_ldcache((files / "etc/ld.so.cache").read_bytes())
    assert [entry.path for entry in cache] == ["/opt/driver/libc.so.6"]


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("/no/ldconfig", "there is no '/no/ldconfig' on this host"),
        ("/bin/cat", "is no statically linked program"),
        ("{tmp}/script", "is no statically linked program"),
        ("{tmp}/open", "may be changed by others than root"),
        ("{tmp}", "is not a regular file"),
    ],
)
def test_no_other_program_runs_in_the_place_of_ldconfig(
    root: ContainerRoot, tmp_path: Path, program: str, message: str
) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\ntouch /ran\n")
    shutil.copy("/sbin/ldconfig", tmp_path / "open")
    (tmp_path / "script").chmod(0o755)
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(CdiError, match=message):
        run_ldconfig(root, program.format(tmp=tmp_path), ())


@needs_root
def test_an_ldconfig_that_fails_is_an_error(root: ContainerRoot) -> None:
    with pytest.raises(CdiError, match="failed on the container's libraries: exit code 1"):
        run_ldconfig(root, "/sbin/ldconfig", ("-C", "/no/such/directory/cache"))


@needs_root
def test_an_ldconfig_that_waits_for_ever_is_stopped(root: ContainerRoot, files: Path) -> None:
    os.mkfifo(files / "etc/ld.so.conf")
    with pytest.raises(CdiError, match=r"took more than 0\.3 s"):
        run_ldconfig(root, "/sbin/ldconfig", ("-C", "/etc/marker-of-test"), longest=0.3)
    time.sleep(0.2)
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"/etc/marker-of-test" in read_if_there(path)]


def read_if_there(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""


@needs_root
def test_a_library_larger_than_the_memory_that_ldconfig_may_use_is_listed(root: ContainerRoot, files: Path) -> None:
    library = next(Path("/lib").glob("*-linux-gnu/libc.so.6"))
    (files / "opt/driver").mkdir(parents=True)
    shutil.copy(library, files / "opt/driver/libc.so.6")
    os.truncate(files / "opt/driver/libc.so.6", 6 << 30)  # a hole
    call(root, "update-ldcache", "--folder", "/opt/driver")
    cache = parse_ldcache((files / "etc/ld.so.cache").read_bytes())
    assert [entry.path for entry in cache] == ["/opt/driver/libc.so.6"]


def test_the_mode_is_that_of_the_file_in_the_container(root: ContainerRoot, files: Path) -> None:
    (files / "dri").mkdir(mode=0o700)
    (files / "link").symlink_to("/dri")
    assert call(root, "chmod", "--mode", "755", "--path", "/link", "--path", "/none") == (["there is no /none"], [])
    assert stat.S_IMODE((files / "dri").stat().st_mode) == 0o755


@pytest.mark.parametrize("mode", ["", "9", "0o755", "77777", "u+x"])
def test_a_mode_is_octal(root: ContainerRoot, mode: str) -> None:
    with pytest.raises(UsageError, match="invalid mode"):
        call(root, "chmod", "--mode", mode, "--path", "/")


def compat(files: Path, version: str, note: dict[str, Any] | None) -> None:
    """Write a library of CUDA's forward compatibility: an ELF file that has nothing but that note."""
    name, description = b"NVIDIA Corporation\0", json.dumps(note).encode() + b"\0"
    padded = name.ljust(-(-len(name) // 4) * 4, b"\0")
    content = struct.pack("<III", len(name), len(description), 1) + padded + description
    strings = b"\0.note.cuda.fwd_compatibility\0.shstrtab\0"
    start = 64
    sections = start + len(content) + len(strings)
    head = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
        "<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, sections, 0, 64, 0, 0, 64, 3 if note is not None else 1, 2
    )

    def section(at: int, kind: int, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", at, kind, 0, 0, offset, size, 0, 0, 4, 0)

    table = (
        section(0, 0, 0, 0) + section(1, 7, start, len(content)) + section(30, 3, start + len(content), len(strings))
    )
    folder = files / "usr/local/cuda/compat"
    folder.mkdir(parents=True)
    (folder / f"libcuda.so.{version}").write_bytes(head + content + strings + table)


@pytest.mark.parametrize(
    ("own", "note", "driver", "cuda", "wanted"),
    [
        ("570.86.15", None, "535.1.2", None, True),
        ("570.86.15", None, "570.1.2", None, False),
        ("570.86.15", None, None, "12.2", False),
        ("570.86.15", {"CUDA Version": "12.8", "Driver": [535, 550]}, "535.1.2", None, True),
        ("570.86.15", {"CUDA Version": "12.8", "Driver": [550]}, "535.1.2", None, False),
        ("535.1.1", {"CUDA Version": "12.2", "Driver": [535]}, "535.1.2", None, False),
        ("570.86.15", {"CUDA Version": "12.8", "Driver": []}, None, "12.2", True),
        ("570.86.15", {"CUDA Version": "12.8", "Driver": []}, None, "12.10", False),
        ("570.86.15", {"CUDA Version": 12, "Driver": 535}, "535.1.2", "12.2", False),
        ("570.86.15", None, None, None, False),
    ],
)
def test_cuda_of_the_container_is_used_where_it_is_newer_and_fits(  # noqa: PLR0913, PLR0917 - a table
    root: ContainerRoot, files: Path, own: str, note: dict[str, Any] | None, driver: str, cuda: str, wanted: object
) -> None:
    compat(files, own, note)
    assert is_wanted(root, "/usr/local/cuda/compat", driver, cuda) is wanted


def test_cuda_of_the_container_comes_before_the_driver_of_the_host(root: ContainerRoot, files: Path) -> None:
    compat(files, "570.86.15", None)
    arguments = ("--host-driver-version=535.1.2", "--cuda-compat-container-root=/usr/local/cuda/compat")
    done, _ = call(root, "enable-cuda-compat", *arguments)
    assert done == ["the container's own CUDA libraries in /usr/local/cuda/compat are used"]
    add_directories(root, ["/opt/driver"])
    first, second, *_ = sorted((files / "etc/ld.so.conf.d").iterdir())
    assert (lines(first), lines(second)) == (["/usr/local/cuda/compat"], ["/opt/driver"])
    assert prefer_directory(root, "/usr/local/cuda/compat") is False


def test_a_container_without_such_libraries_is_left_alone(root: ContainerRoot, files: Path) -> None:
    assert call(root, "enable-cuda-compat", "--host-driver-version=535.1.2") == ([], [])
    assert list((files / "etc").iterdir()) == []


def test_damaged_libraries_have_no_note(root: ContainerRoot, files: Path) -> None:
    compat(files, "570.86.15", {"CUDA Version": "12.8", "Driver": [535]})
    library = files / "usr/local/cuda/compat/libcuda.so.570.86.15"
    whole = library.read_bytes()
    for end in range(0, len(whole) - 64, 7):
        library.write_bytes(whole[:end])
        assert is_wanted(root, "/usr/local/cuda/compat", None, "12.2") is False
    for at in range(len(whole)):
        library.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])
        is_wanted(root, "/usr/local/cuda/compat", "535.1.2", "12.2")


@pytest.mark.parametrize(
    ("text", "modified"),
    [
        ("A: 1\nModifyDeviceFiles: 1\nB: 2\n", b"A: 1\nModifyDeviceFiles: 0\nB: 2\n"),
        ("ModifyDeviceFiles: 0\n", None),
        ("ModifyDeviceFiles: 10\n", None),
        ("", None),
    ],
)
def test_the_driver_is_told_to_make_no_nodes(tmp_path: Path, text: str, modified: bytes | None) -> None:
    (tmp_path / "params").write_text(text)
    assert modified_parameters(str(tmp_path / "params")) == modified
    assert modified_parameters(str(tmp_path / "none")) is None


@needs_root
def test_graphics_sees_the_gpus_of_the_container(root: ContainerRoot, files: Path) -> None:
    (files / "dev").mkdir()
    for name, minor in {"nvidia0": 0, "nvidia9": 9, "nvidiactl": 255, "nvidia70": 70}.items():
        os.mknod(files / "dev" / name, 0o020600, os.makedev(195, minor))
    (files / "dev/nvidia3").symlink_to("nvidia9")
    assert restrict_graphics(root) is True
    profile = files / "etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf"
    assert '"EGLVisibleDGPUDevices",0x201' in profile.read_text()
    assert stat.S_IMODE(profile.stat().st_mode) == 0o444
    assert restrict_graphics(root) is False


def test_a_container_without_gpus_has_no_profile(root: ContainerRoot, files: Path) -> None:
    assert restrict_graphics(root) is False
    assert list((files / "etc").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no hook is named"),
        (("create-symlinks", "--folder", "/a"), "create-symlinks: option --folder not recognized"),
        (("create-symlinks", "--link"), "create-symlinks: option --link requires argument"),
        (("update-application-profile", "more"), "unexpected argument 'more'"),
    ],
)
def test_wrong_arguments_are_told(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(arguments)


@pytest.mark.parametrize("front", [(), ("hook",), ("--debug", "hook"), ("-d",), ("--quiet=true",)])
def test_flags_and_the_word_hook_stand_in_front(front: tuple[str, ...]) -> None:
    assert parse([*front, "create-symlinks", "--link=a::/b"]) == Call("create-symlinks", {"link": ["a::/b"]})


def test_arguments_are_those_of_the_vendors_program() -> None:
    given = ("update-ldcache", "--ldconfig-path", "@/sbin/ldconfig", "--folder=/a", "--folder", "/b")
    assert parse(given) == Call("update-ldcache", {"ldconfig-path": ["@/sbin/ldconfig"], "folder": ["/a", "/b"]})


def test_every_hook_that_specs_name_is_there() -> None:
    assert set(HOOKS) == {
        "create-symlinks",
        "update-ldcache",
        "chmod",
        "enable-cuda-compat",
        "disable-device-node-modification",
        "update-application-profile",
    }


def state(bundle: Path, **more: object) -> bytes:
    return json.dumps({"ociVersion": "1.2.0", "id": "a", "status": "creating", "bundle": str(bundle), **more}).encode()


def test_the_root_is_where_the_bundle_says(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"root": {"path": "rootfs"}}')
    assert root_of(state(tmp_path)) == f"{tmp_path}/rootfs"
    (tmp_path / "config.json").write_text('{"root": {"path": "/var/lib/rootfs"}}')
    assert root_of(state(tmp_path)) == "/var/lib/rootfs"


def test_the_root_that_the_runtime_says_needs_no_bundle(tmp_path: Path) -> None:
    assert root_of(state(tmp_path, root="/merged")) == "/merged"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "cannot read '.*config.json': no such file"),
        ("", "is not JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "root of .* has no 'path'"),
        ('{"root": 1}', "root of .* has no 'path'"),
        ('{"root": {"path": 1}}', "root of .* has no 'path'"),
    ],
)
def test_a_bundle_that_says_no_root_is_an_error(tmp_path: Path, config: str | None, message: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(CdiError, match=message):
        root_of(state(tmp_path))


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"[]", b"{}", b'{"bundle": ""}', b'{"bundle": 1}', b"[" * 100_000, b"x" * (17 << 20)]
)
def test_what_is_no_state_is_told(text: bytes) -> None:
    with pytest.raises(UsageError, match="the container's state"):
        root_of(text)


def test_the_root_of_this_host_is_no_containers() -> None:
    with pytest.raises(CdiError, match="is that of this host"):
        ContainerRoot("/")
