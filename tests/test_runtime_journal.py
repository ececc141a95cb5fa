"""Changes of configurations on disk: whole or not at all, and taken back byte for byte."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cdi.runtimes.config.journal
import cdi.runtimes.config.place
from cdi import files
from cdi.errors import FileConflict, FileError, Locked, NothingFound
from cdi.files import locked_directory
from cdi.runtimes.config import Change, Plan, apply, planned_undo, undo

if TYPE_CHECKING:
    from types import FrameType

as_root = os.geteuid() == 0
JOURNAL = "var/lib/cdi-tools/runtimes"
MAIN = "/etc/containerd/config.toml"


def plan(old: bytes | None, new: bytes, path: str = MAIN, runtime: str = "containerd") -> Plan:
    return Plan(runtime=runtime, action="enable", why="", change=Change(path=path, old=old, new=new))


def tree(root: Path) -> dict[str, object]:
    """Return all below a root but for the journal: what each thing is, its mode, owner and content."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.partition("/")[0] == "var":
            continue
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else None
        found[name] = (oct(status.st_mode), status.st_uid, status.st_gid, content)
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    config = tmp_path / "etc/containerd/config.toml"
    config.parent.mkdir(parents=True)
    config.write_bytes(b"old")
    config.chmod(0o640)
    return tmp_path


def test_a_change_keeps_mode_and_owner(root: Path) -> None:
    config = root / MAIN[1:]
    if as_root:
        os.chown(config, 12, 34)
        config.chmod(0o640)
    before = config.stat()
    apply(plan(b"old", b"new"), root=str(root))
    after = config.stat()
    assert config.read_bytes() == b"new"
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.skipif(not as_root, reason="only root may set such attributes")
def test_a_change_keeps_the_access_list(root: Path) -> None:
    config = root / MAIN[1:]
    # Version 2; owner, user 12, group, mask, others: each with tag, permissions and identity (linux/posix_acl_xattr.h).
    entries = ((1, 6, -1), (2, 4, 12), (4, 4, -1), (16, 4, -1), (32, 0, -1))
    acl = (2).to_bytes(4, "little") + b"".join(
        tag.to_bytes(2, "little") + rights.to_bytes(2, "little") + (who & 0xFFFFFFFF).to_bytes(4, "little")
        for tag, rights, who in entries
    )
    try:
        os.setxattr(config, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access lists")
    apply(plan(b"old", b"new"), root=str(root))
    assert os.getxattr(config, "system.posix_acl_access") == acl
    undo("containerd", root=str(root))
    assert os.getxattr(config, "system.posix_acl_access") == acl


def test_undo_gives_back_the_file_with_its_mode_and_owner(root: Path) -> None:
    if as_root:
        os.chown(root / MAIN[1:], 12, 34)
    before = tree(root)
    apply(plan(b"old", b"new"), root=str(root))
    assert tree(root) != before
    done = undo("containerd", root=str(root))
    assert tree(root) == before
    assert done.change == Change(path=MAIN, old=b"new", new=b"old")


def test_a_new_file_is_readable_by_all_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        apply(plan(None, b"new", "/etc/crio/crio.conf.d/99.conf", "cri-o"), root=str(tmp_path))
    finally:
        os.umask(before)
    made = [tmp_path / name for name in ("etc", "etc/crio", "etc/crio/crio.conf.d", "etc/crio/crio.conf.d/99.conf")]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o755, 0o755, 0o755, 0o644]
    assert stat.S_IMODE((tmp_path / JOURNAL / "cri-o").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var/lib").stat().st_mode) == 0o755
    entry = tmp_path / JOURNAL / "cri-o/000001.json"
    assert stat.S_IMODE(entry.stat().st_mode) == 0o600


def test_undo_removes_a_new_file_and_the_directories_made_for_it(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    before = tree(tmp_path)
    apply(plan(None, b"new", "/etc/a/b/c.conf"), root=str(tmp_path))
    undo("containerd", root=str(tmp_path))
    assert tree(tmp_path) == before


def test_undo_leaves_directories_that_hold_something_else(tmp_path: Path) -> None:
    apply(plan(None, b"new", "/etc/a/b/c.conf"), root=str(tmp_path))
    (tmp_path / "etc/a/other").write_text("x")
    undo("containerd", root=str(tmp_path))
    assert sorted(tree(tmp_path)) == ["etc", "etc/a", "etc/a/other"]


def test_several_changes_are_taken_back_one_by_one(root: Path) -> None:
    config = root / MAIN[1:]
    for old, new in ((b"old", b"1"), (b"1", b"2"), (b"2", b"1")):
        apply(plan(old, new), root=str(root))
    for content in (b"2", b"1", b"old"):
        undo("containerd", root=str(root))
        assert config.read_bytes() == content
    with pytest.raises(NothingFound, match="nothing to take back for containerd"):
        undo("containerd", root=str(root))


def test_nothing_to_take_back_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NothingFound):
        undo("docker", root=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_undo_leaves_what_somebody_else_has_changed_since(root: Path) -> None:
    config = root / MAIN[1:]
    apply(plan(b"old", b"new"), root=str(root))
    config.write_bytes(b"theirs")
    for function in (planned_undo, undo):
        with pytest.raises(FileConflict, match="was changed by somebody else since 'enable'"):
            function("containerd", root=str(root))
    assert config.read_bytes() == b"theirs"
    undo("containerd", root=str(root), force=True)
    assert config.read_bytes() == b"old"


def test_undo_of_a_file_that_has_gone_needs_force(root: Path) -> None:
    config = root / MAIN[1:]
    apply(plan(b"old", b"new"), root=str(root))
    config.unlink()
    config.parent.rmdir()
    with pytest.raises(FileConflict):
        undo("containerd", root=str(root))
    undo("containerd", root=str(root), force=True)
    assert config.read_bytes() == b"old"
    assert stat.S_IMODE(config.stat().st_mode) == 0o640


def test_a_file_changed_since_the_plan_was_made_is_left_alone(root: Path) -> None:
    (root / MAIN[1:]).write_bytes(b"theirs")
    with pytest.raises(FileConflict, match="was changed by somebody else just now"):
        apply(plan(b"old", b"new"), root=str(root))
    with pytest.raises(FileConflict, match="just now"):
        apply(plan(None, b"new"), root=str(root))
    assert (root / MAIN[1:]).read_bytes() == b"theirs"
    assert list((root / JOURNAL / "containerd").iterdir()) == []


def test_a_file_changed_at_the_last_moment_is_left_alone(root: Path) -> None:
    config = root / MAIN[1:]

    def interfere(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "give" and b"new" not in config.read_bytes():
            config.write_bytes(b"theirs")

    sys.setprofile(interfere)
    try:
        with pytest.raises(FileConflict, match="just now"):
            apply(plan(b"old", b"new"), root=str(root))
    finally:
        sys.setprofile(None)
    assert config.read_bytes() == b"theirs"
    assert [path.name for path in config.parent.iterdir()] == ["config.toml"]


def test_links_are_followed_inside_the_root_and_stay(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "config.toml"
    outside.write_bytes(b"old")
    config = root / MAIN[1:]
    config.unlink()
    config.symlink_to(outside)  # absolute: inside the root it leads to another place
    apply(plan(None, b"new"), root=str(root))
    assert config.is_symlink()
    assert outside.read_bytes() == b"old"
    assert Path(f"{root}{outside}").read_bytes() == b"new"
    undo("containerd", root=str(root))
    assert not Path(f"{root}{outside}").exists()
    assert config.is_symlink()


def test_a_directory_that_is_a_link_out_leads_nowhere_else(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/containerd").symlink_to("/../../.." + str(outside))
    apply(plan(None, b"new"), root=str(tmp_path))
    assert list(outside.iterdir()) == []
    assert Path(f"{tmp_path}{outside}/config.toml").read_bytes() == b"new"


def test_a_directory_that_becomes_a_link_meanwhile_is_not_followed(root: Path) -> None:
    (root / "evil").mkdir()
    (root / "evil/config.toml").write_bytes(b"old")

    def interfere(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_name == "push":
            (root / "etc/containerd").rename(root / "etc/away")
            (root / "etc/containerd").symlink_to("../evil")

    sys.setprofile(interfere)
    try:
        with pytest.raises(FileError, match="cannot write"):
            apply(plan(b"old", b"new"), root=str(root))
    finally:
        sys.setprofile(None)
    assert (root / "evil/config.toml").read_bytes() == b"old"
    assert (root / "etc/away/config.toml").read_bytes() == b"old"


def test_what_is_not_a_regular_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "etc/containerd").mkdir(parents=True)
    os.mkfifo(tmp_path / MAIN[1:])
    with pytest.raises(FileError, match="it is a FIFO"):
        apply(plan(None, b"new"), root=str(tmp_path))


def test_a_failed_write_leaves_no_entry(root: Path) -> None:
    (root / "etc/file").write_text("")
    with pytest.raises(FileError):
        apply(plan(None, b"new", "/etc/" + "n" * 300), root=str(root))
    with pytest.raises(FileError, match="not a directory"):
        apply(plan(None, b"new", "/etc/file/config"), root=str(root))
    assert list((root / JOURNAL / "containerd").iterdir()) == []


def test_writers_take_turns(root: Path) -> None:
    apply(plan(b"old", b"new"), root=str(root))
    with locked_directory(root / JOURNAL / "containerd", 1), pytest.raises(Locked):
        apply(plan(b"new", b"newer"), root=str(root), timeout=0.1)
    results: list[object] = []

    def write(content: bytes) -> None:
        try:
            apply(plan(b"new", content), root=str(root))
        except FileConflict as error:
            results.append(error)
        else:
            results.append(content)

    threads = [threading.Thread(target=write, args=(str(number).encode(),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winners = [result for result in results if isinstance(result, bytes)]
    assert winners == [(root / MAIN[1:]).read_bytes()]
    assert len(results) == len(threads)


def test_a_broken_journal_says_so(root: Path) -> None:
    apply(plan(b"old", b"new"), root=str(root))
    (root / JOURNAL / "containerd/000001.json").write_text("{")
    for function in (undo, planned_undo):
        with pytest.raises(FileError, match=r"cannot read '000001\.json' of the journal"):
            function("containerd", root=str(root))


@pytest.mark.parametrize("field", ["path", "made"])
def test_a_planted_journal_leads_nowhere_else(root: Path, field: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    apply(plan(b"old", b"new"), root=str(root))
    file = root / JOURNAL / "containerd/000001.json"
    outside = tmp_path_factory.mktemp("outside")
    there = f"/etc/../../{os.path.relpath(outside, root.parent)}"
    planted: dict[str, object] = {"path": f"{there}/file"} if field == "path" else {"made": [there]}
    file.write_text(json.dumps(json.loads(file.read_text()) | planted))
    for function in (undo, planned_undo):
        with pytest.raises(FileError, match="its paths are not those of a root"):
            function("containerd", root=str(root), force=True)
    assert list(outside.iterdir()) == []


@pytest.mark.skipif(not as_root, reason="only root may give files away")
@pytest.mark.parametrize("name", ["containerd/000001.json", "containerd"])
def test_a_journal_of_another_user_is_not_believed(root: Path, name: str) -> None:
    apply(plan(b"old", b"new"), root=str(root))
    os.chown(root / JOURNAL / name, 4711, 4711)
    for function in (undo, planned_undo):
        with pytest.raises(FileError, match="belongs to another user"):
            function("containerd", root=str(root), force=True)
    assert (root / MAIN[1:]).read_bytes() == b"new"


# Kills.

MODULES = {files.__file__, cdi.runtimes.config.journal.__file__, cdi.runtimes.config.place.__file__}
# The system calls that change something on the disk; between two of them all states are the same.
CALLS = {"open", "mkdir", "write", "fchmod", "fchown", "setxattr", "fsync", "rename", "unlink", "rmdir"}


def killed_at(step: int, function: Any, *args: Any, **kwargs: Any) -> bool:
    """Call a function in a child that is killed before its `step`th system call; tell whether it came so far."""

    def count(frame: FrameType, event: str, called: Any) -> None:
        nonlocal step
        if event == "c_call" and frame.f_code.co_filename in MODULES and called.__name__ in CALLS:
            step -= 1
            if step < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        sys.setprofile(count)
        try:
            function(*args, **kwargs)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def start(root: Path, path: str, old: bytes | None) -> dict[str, object]:
    (root / "etc").mkdir(parents=True)
    if old is not None:
        (root / path[1:]).parent.mkdir(parents=True)
        (root / path[1:]).write_bytes(old)
        (root / path[1:]).chmod(0o640)
    return tree(root)


def without_temporaries(found: dict[str, object]) -> dict[str, object]:
    return {name: what for name, what in found.items() if not name.endswith(".tmp")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the runner's threads do nothing meanwhile
@pytest.mark.parametrize("old", [None, b"old"])
@pytest.mark.parametrize("then", ["undo", "again"])
def test_a_change_killed_at_any_step_can_be_taken_back_or_made_again(
    tmp_path: Path, old: bytes | None, then: str
) -> None:
    path = "/etc/conf.d/a.conf"
    seen = set()
    step = 0
    while True:
        root = tmp_path / str(step)
        before = start(root, path, old)
        killed = killed_at(step, apply, plan(old, b"new", path), root=str(root))
        file = root / path[1:]
        content = file.read_bytes() if file.exists() else None
        assert content in {old, b"new"}
        seen.add(content)
        if then == "undo":
            try:
                undo("containerd", root=str(root))
            except NothingFound:  # killed before it had written down what it was about to do
                assert content == old
                assert without_temporaries(tree(root)) == before
            else:
                assert tree(root) == before
        else:
            if content == old:
                apply(plan(old, b"new", path), root=str(root))
            assert file.read_bytes() == b"new"
            assert not list(file.parent.glob(".*"))
            undo("containerd", root=str(root))
            assert tree(root) == before
            with pytest.raises(NothingFound):
                undo("containerd", root=str(root))
        step += 1
        if not killed:
            break
    assert seen == {old, b"new"}
    assert step > 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # as above
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_undo_killed_at_any_step_can_be_repeated(tmp_path: Path, old: bytes | None) -> None:
    path = "/etc/conf.d/a.conf"
    step = 0
    while True:
        root = tmp_path / str(step)
        before = start(root, path, old)
        apply(plan(old, b"new", path), root=str(root))
        killed = killed_at(step, undo, "containerd", root=str(root))
        file = root / path[1:]
        assert (file.read_bytes() if file.exists() else None) in {old, b"new"}
        try:
            undo("containerd", root=str(root))
        except NothingFound:
            assert (root / JOURNAL / "containerd").exists()
        assert tree(root) == before
        step += 1
        if not killed:
            break
    assert step > 20
