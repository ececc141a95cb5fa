"""Hosts as values: what a tree says, and that a directory is never left and never blocks."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi.errors import FileError
from cdi.host import Host, HostError, Stat
from cdi.host.tree import FILE, LINK, Entry, format_tree, parse_tree

if TYPE_CHECKING:
    from pathlib import Path

TREE = r"""
# a host
/proc/net/route = "Iface\tDestination\n"
/sys/class/net/eth1 -> ../../devices/virtual/net/eth1
/sys/devices/virtual/net/eth1/mtu = 1500
/sys/devices/virtual/net/eth1/speed ! EINVAL
/etc/absolute -> /sys/class/net/eth1/mtu
/etc/outside -> ../../../../sys/class
/etc/loop -> loop
/dev/kvm : c 10 232 0660 0 108
/usr/bin/hook : f 0755
/usr/bin/hook = #!/bin/sh
"/odd path" = "\udcff"
/sys/class/infiniband/
/dev/kvm @ system_u:object_r:kvm_device_t:s0
/etc/name @ system_u:object_r:etc_t:s0
/etc/name = box
"""


@pytest.fixture
def tree() -> Host:
    return Host.from_tree(TREE)


def test_tree_reads_content(tree: Host) -> None:
    assert tree.read_text("/proc/net/route") == "Iface\tDestination\n"
    assert tree.read_text("/sys/class/net/eth1/mtu") == "1500\n"
    assert tree.read_bytes("/odd path") == b"\xff"


def test_tree_follows_links_inside_its_root(tree: Host) -> None:
    assert tree.resolve("/etc/absolute") == "/sys/devices/virtual/net/eth1/mtu"
    assert tree.listdir("/etc/outside") == ("infiniband", "net")
    assert tree.readlink("/sys/class/net/eth1") == "../../devices/virtual/net/eth1"


def test_tree_describes_nodes_and_modes(tree: Host) -> None:
    assert tree.node("/dev/kvm") == Stat(type="c", mode=0o660, gid=108, major=10, minor=232)
    assert tree.node("/usr/bin/hook") is None
    assert tree.stat("/usr/bin/hook") == Stat(type="f", mode=0o755)
    assert tree.read_text("/usr/bin/hook") == "#!/bin/sh\n"


def test_a_tree_has_labels_beside_all_else(tree: Host) -> None:
    assert tree.label("/dev/kvm") == "system_u:object_r:kvm_device_t:s0"
    assert tree.label("/etc/name") == "system_u:object_r:etc_t:s0"
    assert tree.read_text("/etc/name") == "box\n"
    assert tree.label("/usr/bin/hook") is None


def test_a_file_of_this_machine_has_the_label_that_its_file_system_says(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("/file")
    host = Host(tmp_path)
    for path in ("/file", "/link", "/"):
        assert host.label(path) == label_of(tmp_path / path[1:] if path != "/link" else tmp_path / "file")
    with pytest.raises(HostError) as caught:
        host.label("/none")
    assert caught.value.missing


def label_of(path: Path) -> str | None:
    try:
        return os.getxattr(path, "security.selinux").rstrip(b"\0").decode()
    except OSError:
        return None


@pytest.mark.parametrize(
    ("path", "message", "missing", "absent"),
    [
        ("/none", "cannot read '/none': no such file or directory", True, True),
        ("/dev/kvm/x", "cannot read '/dev/kvm/x': not a directory", True, True),
        ("/sys/class/net/eth1/speed", "cannot read '/sys/class/net/eth1/speed': invalid argument", False, True),
        ("/etc/loop", "cannot read '/etc/loop': too many levels of symbolic links", False, False),
        ("/dev/kvm", "cannot read '/dev/kvm': not a regular file", False, False),
        ("/sys", "cannot read '/sys': is a directory", False, False),
    ],
)
def test_a_failed_read_says_why(tree: Host, path: str, message: str, missing: bool, absent: bool) -> None:  # noqa: FBT001
    with pytest.raises(HostError) as caught:
        tree.read_text(path)
    assert (caught.value.message, caught.value.missing, caught.value.absent) == (message, missing, absent)


def test_glob_sorts_numbers_as_numbers() -> None:
    host = Host.from_tree("/dev/dri/card10 : c 226 10 0660\n/dev/dri/card2 : c 226 2 0660\n/dev/x/card1 =\n")
    assert list(host.glob("/dev/dri/card*")) == ["/dev/dri/card2", "/dev/dri/card10"]
    assert list(host.glob("/dev/*/card1")) == ["/dev/x/card1"]
    assert list(host.glob("/none/*")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sys = 1", "tree:1: path 'sys' is not absolute and plain"),
        ("/a/../b = 1", "tree:1: path '/a/../b' is not absolute and plain"),
        ("/a", "tree:1: '/a' has no content; end it with a slash if it is a directory"),
        ("/a/ = 1", "tree:1: '/a/' ends in a slash, so it is a directory and cannot have content"),
        ("\n/a : c 1", "tree:2: cannot read 'c 1', expected such as 'c 10 232 0660' or 'f 0755 0 0'"),
        ("/a ! EWHAT", "tree:1: unknown error 'EWHAT', expected a name such as EACCES"),
        ("/a @", "tree:1: a label needs a text"),
        ("/a = 1\n/a -> b", "tree:2: the path has an entry already"),
        ("/a = 1\n/a/b = 1", "tree: '/a/b' lies below an entry that is no directory"),
    ],
)
def test_a_wrong_tree_names_the_line(text: str, message: str) -> None:
    with pytest.raises(FileError) as caught:
        Host.from_tree(text)
    assert caught.value.message == message


names = st.text(min_size=1, max_size=5).filter(lambda name: "/" not in name and name not in {".", ".."})
stats = st.builds(
    Stat,
    type=st.sampled_from("fps"),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 9),
    gid=st.integers(0, 9),
)
labels = st.none() | st.from_regex(r"[a-z_]+:[a-z_]+:[a-z_]+:s0", fullmatch=True)
entries = st.one_of(
    st.builds(Entry, stat=stats.filter(lambda stat: stat.type == "f"), content=st.binary(), label=labels),
    st.builds(Entry, stat=stats.filter(lambda stat: stat.type != "f"), label=labels),
    st.builds(Entry, stat=st.just(LINK), target=st.text(min_size=1)),
    st.builds(Entry, stat=st.just(FILE.stat), error=st.sampled_from([1, 5, 13, 22])),
)


@given(st.dictionaries(names.map("/d/{}".format), entries))
def test_format_then_parse_is_identity(tree: dict[str, Entry]) -> None:
    assert parse_tree(format_tree(tree)) == tree


@given(st.text())
def test_any_text_is_a_tree_or_an_error(text: str) -> None:
    with suppress(FileError):
        Host.from_tree(text)


@pytest.fixture
def directory(tmp_path: Path) -> Host:
    (tmp_path / "secret").write_text("outside")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc" / "name").write_text("inside")
    (root / "secret").write_text("inside too")
    (root / "up").symlink_to("../secret")
    (root / "absolute").symlink_to("/etc/name")
    (root / "etc" / "far").symlink_to("../../../../../../../../secret")
    (root / "loop").symlink_to("loop")
    (root / "host").symlink_to(tmp_path)
    os.mkfifo(root / "fifo")
    return Host(root)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("/up", "inside too"),
        ("/absolute", "inside"),
        ("/etc/far", "inside too"),
        ("/../secret", "inside too"),
        ("/etc/../../secret", "inside too"),
    ],
)
def test_no_path_and_no_link_leads_out_of_a_directory(directory: Host, path: str, content: str) -> None:
    assert directory.read_text(path) == content


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/host/secret", "no such file or directory"),
        ("/loop", "too many levels of symbolic links"),
        ("/fifo", "not a regular file"),
        ("/etc/name/..", "not a directory"),
        ("/etc", "is a directory"),
        ("/a\0b", "embedded null byte"),
    ],
)
def test_a_directory_refuses_what_is_no_file_of_its_own(directory: Host, path: str, reason: str) -> None:
    with pytest.raises(HostError) as caught:
        directory.read_text(path)
    assert caught.value.reason == reason


def test_reads_are_bounded(directory: Host) -> None:
    with pytest.raises(HostError, match="file too large"):
        directory.read_bytes("/etc/name", limit=3)


def test_no_descriptor_stays_open(directory: Host) -> None:
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    for path in ("/absolute", "/loop", "/fifo", "/none/x", "/etc/far"):
        directory.lookup(path, follow=False)
        with suppress(HostError):
            directory.read_text(path)
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208


def test_load_takes_a_tree_a_directory_with_one_and_any_directory(tmp_path: Path) -> None:
    (tmp_path / "host.tree").write_text("/etc/name = tree\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "name").write_text("directory\n")
    assert Host.load(tmp_path).read_text("/etc/name") == "tree\n"
    assert Host.load(tmp_path / "host.tree").read_text("/etc/name") == "tree\n"
    assert Host.load(tmp_path / "etc").read_text("/name") == "directory\n"
    with pytest.raises(FileError, match="no such directory or text tree"):
        Host.load(tmp_path / "none")


def test_a_deep_path_in_a_tree_is_no_problem() -> None:
    path = "/a" * 20_000
    assert Host.from_tree(f"{path} = 1").read_text(path) == "1\n"
