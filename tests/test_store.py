"""Spec files on disk: whole or not at all, and never what is not ours."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from cdi import files, store
from cdi.document import MAX_BYTES
from cdi.encode import dump
from cdi.errors import CdiError, FileConflict, FileError, InvalidName, Locked, SpecInvalid
from cdi.model import ContainerEdits, Device, Spec

if TYPE_CHECKING:
    from types import FrameType

ROOT = Path(__file__).parent.parent
as_root = os.geteuid() == 0


def spec(value: str = "1", kind: str = "vendor.com/gpu") -> Spec:
    device = Device(name="gpu0", container_edits=ContainerEdits(env=(f"A={value}",)))
    return Spec(cdi_version="0.3.0", kind=kind, devices=(device,))


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Reading.


def test_load_returns_the_spec(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(dump(spec(), format="json"))
    assert store.load(path) == spec()
    assert store.load(str(path)) == spec()


def test_load_of_an_invalid_file_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("cdiVersion: 0.3.0\nkind: nope\n")
    with pytest.raises(SpecInvalid, match=r"a\.yaml:1:1: error: devices: .* \(and 1 more\)") as caught:
        store.load(path)
    assert {problem.rule for problem in caught.value.problems} >= {"kind", "no-devices"}


def test_read_follows_links_to_regular_files(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to("real")
    assert store.read(tmp_path / "link") == b"x" * 100_000


def test_read_refuses_what_is_not_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for path, kind in ((tmp_path, "a directory"), ("/dev/null", "a device")):
            with pytest.raises(FileError, match=f"cannot read .*: it is {kind}, not a regular file"):
                store.read(path)
        for name, kind in (("fifo", "a FIFO"), ("socket", "a socket")):
            with pytest.raises(FileError, match=f"it is {kind}, not a regular file"):
                store.read(tmp_path / name)


def test_read_refuses_huge_files_without_reading_them(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(FileError, match=f"it has more than the {MAX_BYTES} bytes that we read"):
        store.read(path)
    os.truncate(path, MAX_BYTES)
    assert len(store.read(path)) == MAX_BYTES


def test_read_of_what_is_missing_or_impossible_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read '.*/none': no such file or directory"):
        store.read(tmp_path / "none")
    with pytest.raises(FileError, match=r"cannot read .*null"):
        store.read("a\0b")


# Writing.


def test_write_names_the_file_after_the_kind(tmp_path: Path) -> None:
    directory = tmp_path / "not" / "yet"
    path = store.write(spec(), directory)
    assert path == directory / "vendor.com-gpu.yaml"
    assert path.read_text() == dump(spec())
    assert names(directory) == ["vendor.com-gpu.yaml"]


def test_write_takes_a_name_a_format_or_a_file(tmp_path: Path) -> None:
    assert (
        store.write(spec(), tmp_path, name="vendor.com-gpu_claim-1", format="json").name
        == "vendor.com-gpu_claim-1.json"
    )
    assert store.write(spec(), tmp_path, name="x.json").read_text() == dump(spec(), format="json")
    assert store.write(spec(), tmp_path / "y.json").read_text() == dump(spec(), format="json")
    assert store.write(spec(), str(tmp_path / "z.yaml"), format="json").read_text() == dump(spec())
    assert store.write(spec(), tmp_path / "dots.in.name").name == "vendor.com-gpu.yaml"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc/passwd", "../up", "nul\0"])
def test_write_refuses_names_that_leave_the_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidName, match="invalid file name"):
        store.write(spec(), tmp_path / "cdi", name=name)
    assert names(tmp_path) == []


def test_write_refuses_a_suffix_that_runtimes_do_not_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidName, match=r"runtimes do not read 'a\.yml'"):
        store.write(spec(), tmp_path / "a.yml")


def test_the_file_is_readable_by_all_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        path = store.write(spec(), tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert (mode(path), mode(path.parent), mode(path.parent.parent)) == (0o644, 0o755, 0o755)


def test_the_same_content_is_not_written_again(tmp_path: Path) -> None:
    path = store.write(spec(), tmp_path)
    os.utime(path, ns=(1, 1))
    before = path.stat()
    store.write(spec(), tmp_path)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, 1, before.st_ctime_ns)
    path.chmod(0o600)
    store.write(spec(), tmp_path)
    assert mode(path) == 0o644


def test_an_invalid_spec_is_never_written(tmp_path: Path) -> None:
    for force in (False, True):
        with pytest.raises(SpecInvalid, match="kind"):
            store.write(spec(kind="nope"), tmp_path / "cdi", name="x", force=force)
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["v/gpu", "vendor.com/g"])
def test_a_spec_that_crashes_runtimes_is_written_by_force_only(tmp_path: Path, kind: str) -> None:
    with pytest.raises(SpecInvalid, match="one letter"):
        store.write(spec(kind=kind), tmp_path / "cdi")
    assert names(tmp_path) == []
    assert store.load(store.write(spec(kind=kind), tmp_path, force=True)).kind == kind


def test_an_older_spec_of_the_kind_is_replaced_even_if_invalid(tmp_path: Path) -> None:
    path = store.write(spec("1"), tmp_path)
    assert store.load(store.write(spec("2"), tmp_path)) == spec("2")
    path.write_text("cdiVersion: 0.3.0\nkind: vendor.com/gpu\n")
    assert store.load(store.write(spec("3"), tmp_path)) == spec("3")


@pytest.mark.parametrize(
    ("content", "reason", "hint"),
    [
        ("", "does not hold a CDI spec", "uninstall it, or force replaces it"),
        ("root:x:0:0", "does not hold a CDI spec", "uninstall it, or force replaces it"),
        (dump(spec(kind="other.com/gpu")), "holds a spec of kind 'other.com/gpu'", "force replaces it"),
    ],
)
def test_a_file_of_something_else_is_replaced_by_force_only(
    tmp_path: Path, content: str, reason: str, hint: str
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(content)
    with pytest.raises(FileConflict, match=reason) as caught:
        store.write(spec(), path)
    assert caught.value.hint == hint
    assert path.read_text() == content
    assert store.load(store.write(spec(), path, force=True)) == spec()


def test_a_link_is_not_followed_and_is_replaced_by_force_only(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "a.yaml"
    target.write_text(dump(spec("old")))
    link.symlink_to(target)
    with pytest.raises(FileConflict, match="is a symbolic link, not a regular file"):
        store.write(spec(), link)
    store.write(spec(), link, force=True)
    assert not link.is_symlink()
    assert target.read_text() == dump(spec("old"))


def test_a_directory_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    for force in (False, True):
        with pytest.raises(FileConflict, match="is a directory"):
            store.write(spec(), tmp_path, name="a.yaml", force=force)
        with pytest.raises(FileConflict, match="is a directory"):
            store.remove(tmp_path / "a.yaml", force=force)
    assert names(tmp_path) == ["a.yaml"]


def test_a_fifo_in_the_way_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(FileConflict, match="is a FIFO"):
        store.write(spec(), tmp_path / "a.yaml")


def test_the_same_kind_in_the_other_format_is_a_conflict(tmp_path: Path) -> None:
    store.write(spec(), tmp_path, format="json")
    for force in (False, True):
        with pytest.raises(FileConflict, match="runtimes use no device that two files define"):
            store.write(spec(), tmp_path, format="yaml", force=force)
    assert names(tmp_path) == ["vendor.com-gpu.json"]


@pytest.mark.skipif(not as_root, reason="only root can give files away")
def test_a_file_of_another_user_is_touched_by_force_only(tmp_path: Path) -> None:
    path = store.write(spec("1"), tmp_path)
    os.chown(path, 12345, 12345)
    with pytest.raises(FileConflict, match="belongs to user 12345"):
        store.write(spec("2"), tmp_path)
    with pytest.raises(FileConflict, match="belongs to user 12345"):
        store.remove(path)
    store.write(spec("2"), tmp_path, force=True)
    assert path.stat().st_uid == 0


def test_a_path_below_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match=r"cannot open '.*/file/cdi': not a directory"):
        store.write(spec(), tmp_path / "file" / "cdi")
    with pytest.raises(FileError, match="not a directory"):
        store.write(spec(), tmp_path / "file")


def test_a_name_too_long_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot write .*: file name too long"):
        store.write(spec(), tmp_path, name="n" * 300)
    assert names(tmp_path) == []


def in_child(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """Run code that may restrict its own process."""
    head = "import os, sys\nfrom cdi import store\nfrom cdi.errors import CdiError\n"
    head += f"spec = store.load({str(args[0])!r})\n"
    tail = "\nexcept CdiError as error:\n    print(type(error).__name__, error, error.hint, sep='|')\n"
    body = head + "try:\n" + "\n".join(f"    {line}" for line in code.splitlines()) + tail
    command = [sys.executable, "-c", body, *map(str, args)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60)


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    # A limit on the size of files fails in the same place as a full disk does.
    source = store.write(spec("new"), tmp_path / "source")
    path = store.write(spec("old"), tmp_path / "cdi")
    code = """import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))
store.write(spec, sys.argv[2])"""
    assert in_child(code, source, path).stdout.startswith(f"FileError|cannot write {str(path)!r}: file too large")
    assert store.load(path) == spec("old")
    assert names(path.parent) == [path.name]


def test_a_full_disk_says_so() -> None:
    with (
        pytest.raises(FileError, match="cannot write 'x': no space left") as caught,
        files.os_errors("write", "x", writing=True),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.hint == "free some space; what was there before is untouched"


@pytest.mark.skipif(not as_root, reason="drops the rights of root")
def test_without_permission_the_hint_says_what_to_do(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    source = store.write(spec(), tmp_path / "source")
    code = (
        "os.setresgid(12345, 12345, 12345)\nos.setresuid(12345, 12345, 12345)\nstore.write(spec, sys.argv[2], name='x')"
    )
    answer = in_child(code, source, tmp_path).stdout
    message, hint = (
        f"cannot write {str(tmp_path / 'x.yaml')!r}: permission denied",
        "run as root, or choose another directory",
    )
    assert answer == f"FileError|{message}|{hint}\n"


# Removing.


def test_remove_says_whether_there_was_a_file(tmp_path: Path) -> None:
    path = store.write(spec(), tmp_path)
    assert store.remove(path)
    assert names(tmp_path) == []
    assert not store.remove(path)
    assert not store.remove(tmp_path / "none" / "a.yaml")
    assert names(tmp_path) == []


def test_remove_takes_away_a_broken_spec_and_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_bytes(b"\xff")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    assert store.remove(tmp_path / "broken.json")
    assert store.remove(tmp_path / "link.yaml")
    assert names(tmp_path) == []


def test_remove_refuses_what_is_not_called_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "passwd"
    path.write_text("")
    with pytest.raises(FileConflict, match="is not a spec file by its name"):
        store.remove(path)
    assert store.remove(path, force=True)


# Locking.


def test_a_second_writer_waits_for_its_turn(tmp_path: Path) -> None:
    def hold() -> None:
        with store.lock(tmp_path):
            held.set()
            time.sleep(0.2)
            order.append("first")

    order: list[str] = []
    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    store.write(spec(), tmp_path)
    order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_a_writer_gives_up_after_the_timeout(tmp_path: Path) -> None:
    with store.lock(tmp_path / "cdi"):
        with pytest.raises(Locked, match=r"another process has held the lock of '.*/cdi' for 0\.1 s") as caught:
            store.write(spec(), tmp_path / "cdi", timeout=0.1)
        assert names(tmp_path / "cdi") == []
    assert caught.value.hint == "try again; lslocks shows who holds it"
    store.write(spec(), tmp_path / "cdi", timeout=0)


def test_several_changes_fit_in_one_turn(tmp_path: Path) -> None:
    store.write(spec(), tmp_path, name="old")
    with store.lock(tmp_path) as locked:
        locked.write(spec(), name="new")
        assert locked.remove("old.yaml")
        assert not locked.remove("old.yaml")
        with pytest.raises(InvalidName):
            locked.remove("../x.yaml")
    assert names(tmp_path) == ["new.yaml"]


def test_many_writers_leave_one_whole_file(tmp_path: Path) -> None:
    specs = [replace(spec(), annotations={"a": f"{i}" * 1000}, cdi_version="0.6.0") for i in range(8)]
    threads = [threading.Thread(target=store.write, args=(one, tmp_path)) for one in specs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == ["vendor.com-gpu.yaml"]
    assert store.load(tmp_path / "vendor.com-gpu.yaml") in specs


# Kills.


def killed_at(step: int, function: Any, *args: Any) -> bool:
    """Call a function in a child that is killed at its `step`th call or return; tell whether it came so far."""

    def count(frame: FrameType, _event: str, _: object) -> None:
        nonlocal step
        if frame.f_code.co_filename in {store.__file__, files.__file__}:
            step -= 1
            if step < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        sys.setprofile(count)
        try:
            function(*args)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the runner's threads do nothing meanwhile
@pytest.mark.parametrize("old", [None, "old"])
def test_a_kill_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path, old: str | None) -> None:
    seen = set()
    step = 0
    while True:
        directory = tmp_path / str(step)
        target = directory / "vendor.com-gpu.yaml"
        if old is not None:
            store.write(spec(old), directory)
        killed = killed_at(step, store.write, spec("new"), directory)
        content = target.read_text() if target.exists() else None
        assert content in {dump(spec(old)) if old else None, dump(spec("new"))}
        if content is not None:
            assert mode(target) == 0o644
        temporaries = set(names(directory) if directory.exists() else []) - {target.name}
        assert not {name for name in temporaries if name.endswith((".json", ".yaml"))}
        seen.add((content == dump(spec("new")), bool(temporaries)))
        store.write(spec("newer"), directory, timeout=0)
        assert store.load(target) == spec("newer")
        assert names(directory) == [target.name]
        if not killed:
            break
        step += 1
    # The kills came before, during and after the change.
    assert seen == {(False, False), (False, True), (True, False)}
    assert step > 50


def test_an_interrupt_leaves_no_temporary(tmp_path: Path) -> None:
    def interrupt(frame: FrameType, event: str, _: object) -> None:
        if event == "c_call" and frame.f_code.co_name == "_write_all":
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            store.write(spec(), tmp_path / "cdi")
    finally:
        sys.setprofile(None)
    assert names(tmp_path / "cdi") == []


def test_errors_are_all_of_the_library(tmp_path: Path) -> None:
    for where in (tmp_path / "x" / "\0", "/proc/nope", "/dev/null/x", ""):
        with pytest.raises(CdiError):
            store.write(spec(kind="vendor.com/never"), where, name="\0" if where == "" else None)
