"""Spec directories below another root: no link leads out of it, however it is written."""

from __future__ import annotations

import errno
import os
import random
import resource
import threading
from pathlib import Path

import pytest

from cdi.host import Host
from cdi.reader import Reader
from cdi.registry import Registry
from cdi.rooted import Directory, inside

SPEC = '{"cdiVersion":"0.5.0","kind":"%s/gpu","devices":[{"name":"x","containerEdits":{"env":["A=B"]}}]}'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a root with an empty spec directory, a spec elsewhere in it, and one beside it."""
    root = tmp_path / "root"
    (root / "etc/cdi").mkdir(parents=True)
    (root / "real.json").write_text(SPEC % "inside.com")
    (tmp_path / "outside.json").write_text(SPEC % "outside.com")
    return root


def load(root: Path) -> Registry:
    return Registry.load([root / "etc/cdi"], root=root)


@pytest.mark.parametrize("target", ["/real.json", "../../real.json", "../../../../../real.json", "/etc/../real.json"])
def test_a_link_is_followed_as_after_a_chroot(root: Path, target: str) -> None:
    (root / "etc/cdi/a.json").symlink_to(target)
    registry = load(root)
    assert (registry.devices, registry.problems) == (("inside.com/gpu=x",), {})


def test_no_link_leads_out(root: Path, tmp_path: Path) -> None:
    (root / "up").symlink_to("..")
    for number, target in enumerate((f"{tmp_path}/outside.json", "../../../outside.json", "/up/outside.json")):
        (root / f"etc/cdi/{number}.json").symlink_to(target)
    registry = load(root)
    assert registry.devices == ()
    assert {(len(found), found[0].message, found[0].hint) for found in registry.problems.values()} == {
        (1, "cannot be read: no such file or directory", f"links in {str(root)!r} are followed as if it were /")
    }
    assert len(registry.problems) == 3


def test_links_above_a_directory_are_those_of_the_root(root: Path, tmp_path: Path) -> None:
    (tmp_path / "etc/cdi").mkdir(parents=True)
    (tmp_path / "etc/cdi/a.json").write_text(SPEC % "outside.com")
    (root / "etc").rename(root / "old")
    (root / "etc").symlink_to(tmp_path / "etc")
    assert load(root).devices == ()
    inner = Path(f"{root}{tmp_path}/etc/cdi")
    inner.mkdir(parents=True)
    (inner / "a.json").write_text(SPEC % "inside.com")
    assert load(root).devices == ("inside.com/gpu=x",)


def test_a_directory_that_is_itself_a_link_is_not_followed(root: Path) -> None:
    (root / "etc/cdi").rename(root / "srv")
    (root / "srv/a.json").write_text(SPEC % "inside.com")
    (root / "etc/cdi").symlink_to("/srv")
    registry = load(root)
    assert registry.devices == ()
    ((path, (problem,)),) = registry.problems.items()
    assert (path, problem.rule) == (root / "etc/cdi", "directory-link")
    assert "'/srv'" in problem.message


def test_directories_beside_the_root_are_taken_as_they_are(root: Path, tmp_path: Path) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/a.json").symlink_to(tmp_path / "outside.json")
    assert Registry.load([tmp_path / "specs"], root=root).devices == ("outside.com/gpu=x",)


def test_what_is_no_file_is_told_as_everywhere(root: Path) -> None:
    directory = root / "etc/cdi"
    (directory / "dir.json").mkdir()
    (directory / "link.json").symlink_to("dir.json")
    os.mkfifo(directory / "fifo.json")
    (directory / "loop.json").symlink_to("loop.json")
    (directory / "large.json").touch()
    os.truncate(directory / "large.json", 1 << 30)
    found = {path.name: problems[0].message for path, problems in load(root).problems.items()}
    plain = {path.name: problems[0].message for path, problems in Registry.load([directory]).problems.items()}
    assert found.keys() == plain.keys() == {"fifo.json", "large.json", "link.json", "loop.json"}
    assert found["large.json"] == plain["large.json"]
    assert found["fifo.json"] == "cannot be read: not a regular file"


def test_only_changed_files_are_read_again(root: Path) -> None:
    file = root / "etc/cdi/a.json"
    file.write_text(SPEC % "inside.com")
    os.utime(file, (1, 1))
    threading.Event().wait(0.06)  # until then, a file may change without another time stamp
    registry = load(root)
    before = registry.specs[0]
    registry.refresh()
    assert registry.specs[0] is before
    file.write_text(SPEC % "other.com")
    registry.refresh()
    assert registry.devices == ("other.com/gpu=x",)


def test_a_link_that_changes_all_the_time_never_leads_out(root: Path, tmp_path: Path) -> None:
    (root / "real").mkdir()
    (root / "real/a.json").write_text(SPEC % "inside.com")
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil/a.json").write_text(SPEC % "outside.com")
    (root / "in").symlink_to("/real")
    (root / "out").symlink_to(tmp_path / "evil")
    place = root / "etc/place"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            for name in ("in", "out"):
                (root / "new").symlink_to((root / name).readlink())
                (root / "new").rename(place)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        seen = {Registry.load([place], root=root).devices for _ in range(300)}
    finally:
        done.set()
        thread.join()
    assert seen <= {(), ("inside.com/gpu=x",)}


def test_what_is_inside_a_root(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [inside(top, "root/etc/cdi") for top in ("root", f"{root}/", "./root", "root/etc/..")] == ["/etc/cdi"] * 4
    assert [inside(top, "rooted/etc") for top in ("/", "//", "root", str(root))] == [None] * 4
    assert inside("root", "root") is None


def test_where_a_directory_will_be_made(root: Path) -> None:
    (root / "var").mkdir()
    (root / "var/run").symlink_to("/run/now")
    (root / "trick").symlink_to("/none/../etc")
    directory = Directory(str(root))
    paths = ("/etc/cdi", "/var/run/cdi", "/var/../new/./cdi", "/", "/real.json")
    assert [directory.future(path) for path in paths] == ["/etc/cdi", "/run/now/cdi", "/new/cdi", "/", "/real.json"]
    with pytest.raises(FileNotFoundError):
        directory.future("/trick/cdi")


def test_a_root_that_is_no_directory_has_no_specs(root: Path) -> None:
    tree = root / "real.json"
    reader = Reader(str(tree))
    with pytest.raises(NotADirectoryError):
        reader.spec_files(tree / "etc/cdi")


def test_steps_that_are_kept_lead_to_the_same_places(tmp_path: Path) -> None:
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/b/c/file").write_text("1")
    (tmp_path / "a/x").mkdir()
    (tmp_path / "a/x/file").write_text("2")
    (tmp_path / "a/link").symlink_to("/a/b/../x")
    kept, plain = Directory(str(tmp_path)).keeping(), Directory(str(tmp_path))
    paths = [
        "/a/b/c/file",
        "/a/b/c/file",
        "/a/x/file",
        "/a/b/c/../../x/file",
        "/a/link/file",
        "/../a/b/c/file",
        "/a/link",
    ]
    for path in paths:
        assert kept.resolve(path) == plain.resolve(path)
        assert kept.stat(path, follow=False) == plain.stat(path, follow=False)
    assert [kept.read(path, 9) for path in paths[:-1]] == [b"1", b"1", b"2", b"2", b"2", b"1"]
    with pytest.raises(FileNotFoundError):
        kept.read("/a/b/none/file", 9)
    assert kept.listdir("/a/b") == ["c"]


def test_steps_that_were_kept_are_closed_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    before = len([*Path("/proc/self/fd").iterdir()])
    kept = Directory(str(tmp_path)).keeping()
    kept.listdir("/a/b")
    assert len([*Path("/proc/self/fd").iterdir()]) > before
    del kept
    assert len([*Path("/proc/self/fd").iterdir()]) == before


MANY = 150  # more than are held open at a time


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """Return a root with many directories, each with a file, a link to the next one's, a dangling one, and itself."""
    for number in range(MANY):
        place = tmp_path / f"d{number}"
        place.mkdir()
        (place / "file").write_text(str(number))
        (place / "next").symlink_to(f"../d{(number + 1) % MANY}/file")
        (place / "nowhere").symlink_to("/gone")
        (place / "here").symlink_to(f"/d{number}")
    return tmp_path


def answer(directory: Directory, path: str, *, follow: bool) -> int:
    """Return which file is at a path, or less than nothing for an error."""
    try:
        return directory.status(path, follow=follow).st_ino
    except OSError as error:
        return -(error.errno or 0)


def test_a_series_of_questions_has_the_answers_that_each_has_alone(many: Path) -> None:
    alone, series = Directory(str(many)), Directory(str(many)).keeping()
    ends = (
        "file",
        "next",
        "next/",
        "next/.",
        "nowhere",
        "here",
        "here/",
        "here/file",
        "here/..",
        "./file",
        "/file",
        "..",
    )
    paths = [f"/d{number}/{end}" for end in ends for number in range(MANY)]
    paths += [f"/d{number}/../d{(number * 7) % MANY}/here/next" for number in range(MANY)]
    random.Random(5).shuffle(paths)
    for path in paths:
        for follow in (True, False):
            assert answer(series, path, follow=follow) == answer(alone, path, follow=follow), path
    assert answer(alone, "/d0/file", follow=True) == (many / "d0/file").stat().st_ino
    assert answer(alone, "/d0/nowhere", follow=True) == -errno.ENOENT


@pytest.mark.parametrize("path", ["/d1/next", "/d1/next/", "/d1//next//", "d1/next"])
def test_a_link_that_is_not_followed_is_a_link_whatever_comes_behind_its_name(many: Path, path: str) -> None:
    tree = Host.from_tree("/d1/next -> ../d2/file\n/d2/file = 2\n").source
    kept = Directory(str(many)).keeping()
    kept.read("/d1/file", 10)
    assert {source.stat(path, follow=False).type for source in (Directory(str(many)), kept, tree)} == {"l"}


def test_a_long_way_needs_few_descriptors(many: Path) -> None:
    way = "".join(f"/d{number}/.." for number in range(MANY))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 110, hard))
    try:
        for directory in (Directory(str(many)), Directory(str(many)).keeping()):
            assert directory.read(f"{way}/d7/file", 10) == b"7"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_path_is_no_longer_than_the_kernel_takes(many: Path) -> None:
    with pytest.raises(OSError, match="name too long"):
        Directory(str(many)).status("/.." * 80_000)
