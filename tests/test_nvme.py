"""NVMe: controllers and namespaces in both layouts of sysfs, and the disks that are never given away."""

from __future__ import annotations

from pathlib import Path
from posixpath import relpath

import pytest

from cdi.discovery import Discovery, discover
from cdi.discovery.block import read_block
from cdi.generation import generate
from cdi.host import Host
from cdi.recording import snapshot

HOSTS = Path(__file__).parent.parent / "spec-examples" / "hosts"
PCI = "/sys/devices/pci0000:00/0000:00:03.0"
FUNCTION = f"{PCI}/0000:01:00.0"
NVME = f"{FUNCTION}/nvme/nvme0"
DISK = f"{NVME}/nvme0n1"
DM = "/sys/devices/virtual/block"
BDF = "0000:01:00.0"
PLAIN = r"""
/proc/2/comm = kthreadd
/proc/1/mountinfo = 20 1 0:20 / / rw - tmpfs tmpfs rw
/proc/self/mountinfo = 20 1 0:20 / / rw - tmpfs tmpfs rw
/run/udev/data/b259:0 = E:ID_NSID=1
"""
LOOKS_FREE = f"{BDF}: offered"


def link(path: str, target: str) -> str:
    return f"{path} -> {relpath(target, path.rpartition('/')[0])}\n"


def block(path: str, numbers: str, *holders: str, partition: int | None = None) -> str:
    """Return a disk, a partition or a mapped device, with what is built on it."""
    name = path.rpartition("/")[2]
    text = f"{path}/dev = {numbers}\n{path}/size = 2048\n{path}/uevent = DEVNAME={name}\n"
    text += f"{path}/partition = {partition}\n" if partition is not None else ""
    text += "".join(link(f"{path}/holders/{one.rpartition('/')[2]}", one) for one in holders) or f"{path}/holders/\n"
    text += f"/dev/{name} : b {numbers.replace(':', ' ')} 0660 0 6\n"
    return text


def controller(number: int, bdf: str, *, serial: str = "S1", state: str = "live", transport: str = "pcie") -> str:
    at = f"{PCI}/{bdf}"
    path = f"{at}/nvme/nvme{number}"
    text = link(f"/sys/class/nvme/nvme{number}", path) + link(f"/sys/bus/pci/devices/{bdf}", at)
    text += f"{at}/class = 0x010802\n" + link(f"{at}/driver", "/sys/bus/pci/drivers/nvme")
    facts = {"dev": f"241:{number}", "uevent": f"DEVNAME=nvme{number}", "model": "Disk", "serial": serial}
    facts |= {"state": state, "transport": transport, "cntrltype": "io"}
    text += "".join(f"{path}/{name} = {value}\n" for name, value in facts.items())
    return text + f"/dev/nvme{number} : c 241 {number} 0600\n"


ONE = controller(0, BDF) + block(DISK, "259:0")
PARTED = ONE + block(f"{DISK}/nvme0n1p1", "259:1", partition=1)


def found(text: str, *include: str) -> Discovery:
    return discover(Host.from_tree(text), ["nvme"], include=include)


def said(text: str, *include: str) -> list[str]:
    """Return what there is to say about each controller, in a line."""
    discovery = found(text, *include)
    return [f"{one.name}: offered" for one in discovery.found] + [f"{one.what}: {one.why}" for one in discovery.skipped]


def mounts(*lines: str) -> str:
    """Return a system on an overlay, of which process 1 has these mounts."""
    text = "".join(f"{number} 20 {line} rw\\n" for number, line in enumerate(lines, 30))
    return PLAIN.replace("rw - tmpfs tmpfs rw", "rw - overlay overlay rw").replace(
        "/proc/1/mountinfo = 20 1 0:20 / / rw - overlay overlay rw",
        f'/proc/1/mountinfo = "20 1 0:20 / / rw - overlay overlay rw\\n{text}"',
    )


def test_a_blank_disk_is_offered_with_all_its_nodes() -> None:
    generic = f"{NVME}/ng0n1/dev = 240:0\n{NVME}/ng0n1/uevent = DEVNAME=ng0n1\n/dev/ng0n1 : c 240 0 0600\n"
    (one,) = found(PLAIN + ONE + generic).found
    nodes = [(node.type, node.path, node.permissions) for node in one.edits.device_nodes]
    assert nodes == [("c", "/dev/nvme0", "rw"), ("b", "/dev/nvme0n1", "rw"), ("c", "/dev/ng0n1", "rw")]
    assert one.edits.additional_gids == (6,)
    assert (one.name, dict(one.names)) == (BDF, {"controller": "nvme0", "bdf": BDF, "id": "Disk_S1"})
    assert one.in_all
    assert one.warnings == ()
    assert {"namespaces": "nvme0n1", "capacityBytes": 1 << 20, "transport": "pcie"}.items() <= one.attributes.items()


HELD = PARTED.replace(f"{DISK}/nvme0n1p1/holders/\n", link(f"{DISK}/nvme0n1p1/holders/dm-0", f"{DM}/dm-0"))
LUKS = HELD + block(f"{DM}/dm-0", "254:0", f"{DM}/dm-1") + block(f"{DM}/dm-1", "254:1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (mounts("259:0 / /data rw - xfs /dev/nvme0n1") + ONE, "nvme0n1 is mounted on /data"),
        (mounts("259:1 / /boot rw - vfat /dev/nvme0n1p1") + PARTED, "nvme0n1p1 is mounted on /boot"),
        (mounts(r"259:0 / /a\\040b rw - xfs /dev/nvme0n1") + ONE, "nvme0n1 is mounted on /a b"),
        (mounts("259:0 /sub /srv/x/y rw - xfs none", "259:0 / /s rw - xfs x") + ONE, "nvme0n1 is mounted on /s"),
        (mounts("0:33 /@ /home rw - btrfs /dev/nvme0n1p1") + PARTED, "nvme0n1p1 is mounted on /home"),
        (mounts("0:33 / /m rw - bcachefs /dev/sda:/dev/nvme0n1") + ONE, "nvme0n1 is mounted on /m"),
        (
            mounts("0:33 / /m rw - btrfs /dev/mapper/x") + ONE + "/dev/mapper/x -> ../nvme0n1\n",
            "nvme0n1 is mounted on /m",
        ),
        (mounts("254:1 / / rw - ext4 /dev/mapper/r") + LUKS, "nvme0n1p1 carries dm-1, which is mounted on /"),
        (PLAIN + LUKS, "nvme0n1p1 carries dm-1"),
        (PLAIN + ONE + r'/proc/swaps = "Filename Type\n/dev/nvme0n1 partition 8 0 -2\n"', "nvme0n1 is swap"),
        (
            PLAIN + LUKS + r'/proc/swaps = "Filename Type\n/dev/dm-0 partition 8 0 -2\n"',
            "nvme0n1p1 carries dm-0, which is swap",
        ),
        (PLAIN + ONE + "/sys/fs/ext4/nvme0n1/\n", "nvme0n1 has a mounted file system, ext4"),
        (PLAIN + PARTED + "/sys/fs/xfs/nvme0n1p1/\n", "nvme0n1p1 has a mounted file system, XFS"),
        (
            PLAIN + ONE + link("/sys/fs/btrfs/ab-cd/devices/nvme0n1", DISK),
            "nvme0n1 has a mounted file system, Btrfs",
        ),
        (PLAIN + ONE + link("/sys/fs/bcachefs/ab/dev-0/block", DISK), "nvme0n1 has a mounted file system, bcachefs"),
        (PLAIN + ONE + "/proc/cmdline = ro root=/dev/nvme0n1\n", "nvme0n1 is what the system was started from"),
        (
            PLAIN + PARTED + "/proc/cmdline = root=PARTUUID=ab-01\n/dev/disk/by-partuuid/ab-01 -> ../../nvme0n1p1\n",
            "nvme0n1p1 is what the system was started from",
        ),
        (PLAIN + ONE + "/sys/block/loop0/loop/backing_file = /dev/nvme0n1\n", "nvme0n1 is behind a loop device"),
        (
            PLAIN + ONE + "/sys/kernel/config/nvmet/subsystems/a/namespaces/1/device_path = /dev/nvme0n1\n",
            "nvme0n1 is exported over NVMe",
        ),
    ],
)
def test_a_disk_in_use_is_not_offered_even_by_name(text: str, why: str) -> None:
    assert said(text, BDF, "nvme0") == [f"{BDF}: {why}"]


@pytest.mark.parametrize("name", [BDF, "nvme0", "nvme0n1", "Disk_S1"])
def test_a_disk_that_is_asked_for_in_vain_is_known_by_all_its_names(name: str) -> None:
    assert found(mounts("259:0 / /data rw - xfs /dev/nvme0n1") + ONE, name).problems == ()


def test_the_root_of_the_system_is_the_reason_before_others() -> None:
    text = mounts("259:0 / /a rw - xfs /dev/nvme0n1", "259:1 / / rw - ext4 /dev/nvme0n1p1") + PARTED
    assert said(text) == [f"{BDF}: nvme0n1p1 is mounted on /"]


def test_our_own_mounts_count_too() -> None:
    own = "/proc/self/mountinfo = 20 1 259:0 / /mnt rw - ext4 /dev/nvme0n1 rw\n"
    assert said(PLAIN.replace("/proc/self/mountinfo = 20 1 0:20 / / rw - tmpfs tmpfs rw\n", own) + ONE) == [
        f"{BDF}: nvme0n1 is mounted on /mnt"
    ]


CONTAINERS = "/proc is a container's, and does not tell what the machine has mounted"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PLAIN.replace("kthreadd", "sh"), CONTAINERS),
        (PLAIN.replace("/proc/2/comm = kthreadd\n", ""), CONTAINERS),
        (PLAIN.replace("/proc/1/mountinfo = 20 1 0:20 / / rw - tmpfs tmpfs rw", "/proc/1/mountinfo ="), CONTAINERS),
        (
            PLAIN.replace("/proc/1/mountinfo = 20 1 0:20 / / rw - tmpfs tmpfs rw", "/proc/1/mountinfo ! EACCES"),
            "what is in use cannot be told: cannot read '/proc/1/mountinfo': permission denied",
        ),
        (
            PLAIN + "/proc/swaps ! EIO\n",
            "what is in use cannot be told: cannot read '/proc/swaps': input/output error",
        ),
        ("", "what is in use cannot be told: cannot read '/proc/1/mountinfo': no such file or directory"),
    ],
    ids=["another process", "no second process", "no mounts", "mounts closed", "swaps broken", "no /proc"],
)
def test_where_use_cannot_be_told_nothing_is_offered(text: str, why: str) -> None:
    discovery = found(text + ONE, BDF)
    assert [(one.what, one.why) for one in discovery.skipped] == [(BDF, why)]
    assert discovery.found == ()
    assert discovery.unsure == {"host.local/nvme": f"nvme: {why}"}


def test_a_disk_whose_holders_cannot_be_read_is_not_offered() -> None:
    closed = ONE.replace("holders/\n", "holders/ ! EACCES\n")
    why = f"what is on it cannot be told: cannot list '{DISK}/holders': permission denied"
    assert said(PLAIN + closed, BDF) == [f"{BDF}: {why}"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (PLAIN + PARTED, "nvme0n1 has a partition table"),
        (PLAIN.replace("E:ID_NSID=1", r'"E:ID_FS_TYPE=ext4\n"') + ONE, "nvme0n1 holds something: ext4"),
        (PLAIN.replace("/run/udev/data/b259:0 = E:ID_NSID=1\n", "") + ONE, "nvme0n1 may hold something"),
        (PLAIN.replace("E:ID_NSID=1", "V:2") + ONE, "nvme0n1 may hold something"),
        (PLAIN + ONE + f"{FUNCTION}/sriov_numvfs = 2\n", "manages its 2 virtual functions"),
        (PLAIN + ONE.replace("transport = pcie", "transport = rdma"), "a connection of the host over rdma"),
    ],
    ids=["partitions", "a file system", "not known to udev", "another database", "virtual functions", "fabrics"],
)
@pytest.mark.parametrize("name", [BDF, "nvme0", "nvme0n1", "Disk_S1"])
def test_a_caution_is_overridden_by_any_name(text: str, why: str, name: str) -> None:
    (line,) = said(text)
    assert line.startswith(f"{BDF}: {why}")
    (one,) = found(text, name).found
    assert not one.in_all
    assert one.warnings[0].startswith(why)


def test_partitions_come_with_a_disk_that_is_asked_for() -> None:
    (one,) = found(PLAIN + PARTED, BDF).found
    assert [node.path for node in one.edits.device_nodes] == ["/dev/nvme0", "/dev/nvme0n1", "/dev/nvme0n1p1"]


@pytest.mark.parametrize("pool", ["/proc/spl/kstat/zfs/tank/\n", ""], ids=["imported", "mounted"])
@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("E:ID_FS_TYPE=zfs_member", "nvme0n1 is of ZFS, and a pool is imported"),
        (None, "a pool of ZFS is imported, and udev does not say whether nvme0n1 is of it"),
        ("E:ID_NSID=1", None),
    ],
)
def test_of_zfs_no_disk_is_given_away_while_a_pool_is_imported(pool: str, content: str | None, why: str | None) -> None:
    text = PLAIN + pool if pool else mounts("0:40 / /tank rw - zfs tank")
    known = "/run/udev/data/b259:0 = E:ID_NSID=1\n"
    text = text.replace(known, f"/run/udev/data/b259:0 = {content}\n" if content else "")
    assert said(text + ONE, BDF) == [f"{BDF}: {why}" if why else LOOKS_FREE]


def test_without_multipath_a_namespace_is_a_disk_for_each_controller() -> None:
    """One of them is mounted: the other is the same disk, whatever it is called."""
    other = "0000:02:00.0"
    second = controller(1, other) + block(f"{PCI}/{other}/nvme/nvme1/nvme1n1", "259:5")
    wwids = f"{DISK}/wwid = eui.01\n{PCI}/{other}/nvme/nvme1/nvme1n1/wwid = eui.01\n"
    text = mounts("259:0 / /data rw - xfs /dev/nvme0n1") + ONE + second + "/run/udev/data/b259:5 = E:ID_NSID=1\n"
    used = "nvme0n1 is mounted on /data"
    assert said(text + wwids, other) == [f"{BDF}: {used}", f"{other}: {used}"]
    assert said(text, other) == [f"{other}: offered", f"{BDF}: {used}"]


def test_with_multipath_a_namespace_is_a_disk_of_the_subsystem() -> None:
    discovery = discover(Host.load(HOSTS / "nvme-multipath"), ["nvme"])
    one = discovery.found[0]
    assert [node.path for node in one.edits.device_nodes] == [
        "/dev/nvme1",
        "/dev/nvme1n1",
        "/dev/nvme1n2",
        "/dev/ng1n1",
        "/dev/ng1n2",
    ]
    assert one.warnings == ("nvme1n1 is shared with nvme2: who has either reads and writes it",)


def test_virtual_functions_have_names_of_their_own() -> None:
    discovery = discover(Host.load(HOSTS / "nvme-sriov"), ["nvme"])
    assert [
        (one.names["vf"], one.names["id"].rpartition("-")[2], one.attributes["vfIndex"]) for one in discovery.found
    ] == [
        ("nvme1-vf0", "vf0", 0),
        ("nvme1-vf1", "vf1", 1),
    ]
    names = {device.name for spec in generate(discovery) for device in spec.devices}
    assert {one.names["id"] for one in discovery.found} < names


def test_two_ports_of_a_disk_do_not_share_its_name() -> None:
    discovery = discover(Host.load(HOSTS / "nvme-multipath"), ["nvme"])
    ports = [one.names["id"] for one in discovery.found[:2]]
    assert ports[0] == ports[1]
    assert ports[0] not in {device.name for spec in generate(discovery) for device in spec.devices}


def test_a_port_does_not_get_the_name_of_its_disk_when_the_other_stays() -> None:
    other = "0000:02:00.0"
    text = PLAIN + ONE + f"{FUNCTION}/sriov_numvfs = 2\n" + controller(1, other)
    assert [(one.name, one.also) for one in found(text).found] == [(other, ())]


@pytest.mark.parametrize(
    ("driver", "why", "absent"),
    [
        ("vfio-pci", "driven by vfio-pci: the family vfio has it", True),
        ("uio_pci_generic", "driven by uio_pci_generic: the family uio has it", True),
        ("nvme", "driven by nvme, which has made no controller of it", False),
        (None, "no driver is bound to it", False),
    ],
)
def test_a_function_without_controller_says_whose_it_is(driver: str | None, why: str, *, absent: bool) -> None:
    text = link(f"/sys/bus/pci/devices/{BDF}", FUNCTION) + f"{FUNCTION}/class = 0x010802\n"
    text += link(f"{FUNCTION}/driver", f"/sys/bus/pci/drivers/{driver}") if driver else ""
    assert [(one.what, one.why, one.absent) for one in found(text).skipped] == [(BDF, why, absent)]


@pytest.mark.parametrize("state", ["dead", "deleting", "deleting (no IO)"])
def test_a_controller_that_does_not_work_is_broken(state: str) -> None:
    (one,) = found(PLAIN + controller(0, BDF, state=state), BDF).skipped
    assert (one.why, one.broken) == (f"its state is {state}", True)


def test_a_controller_without_a_namespace_says_so() -> None:
    (one,) = found(PLAIN + controller(0, BDF, state="resetting")).found
    assert one.warnings == ("its state is resetting", "no namespace is attached to it")


def test_a_discovery_controller_is_none_to_give() -> None:
    text = PLAIN + controller(0, BDF, transport="tcp").replace("cntrltype = io", "cntrltype = discovery")
    assert said(text, BDF) == [f"{BDF}: a connection to a discovery service, which has no namespaces"]


def test_a_host_without_nvme_says_what_is_missing() -> None:
    assert [(one.why, one.absent) for one in found("/etc/\n").skipped] == [("there is no /sys/class/nvme", True)]


def test_holders_that_go_in_circles_end() -> None:
    text = block(f"{DM}/dm-0", "254:0", f"{DM}/dm-1") + block(f"{DM}/dm-1", "254:1", f"{DM}/dm-0")
    (holder,) = read_block(Host.from_tree(text), f"{DM}/dm-0").holders
    assert (holder.name, holder.holders) == ("dm-1", ())


def reasons(host: Host) -> list[tuple[str, str]]:
    return [(one.what, one.why) for one in discover(host, ["nvme"]).skipped]


PRIVATE = r"""
/sys/block/loop0/loop/backing_file = /home/secret.img
/sys/block/loop1/loop/backing_file = /dev/sdz
/proc/cmdline = "root=/dev/nvme0n1 ro rd.iscsi.password=secret\n"
/proc/swaps = "Filename Type\n/home/secret partition-file 8 0 -2\n"
"""


def test_a_snapshot_keeps_what_tells_use_and_no_more() -> None:
    lines = ["0:50 / /secret rw - nfs4 server:/secret", "259:0 /x /data rw master:1 - xfs /dev/nvme0n1"]
    host = Host.from_tree(mounts(*lines) + PRIVATE + ONE.replace("serial = S1", "serial = SECRET"))
    text = snapshot(host)
    assert "secret" not in text.lower()
    assert "/sys/block/loop1/loop/backing_file = /dev/sdz" in text
    again = Host.from_tree(text)
    assert reasons(again) == reasons(host) != []
    assert snapshot(again) == text


@pytest.mark.parametrize("content", [r'"E:ID_FS_TYPE=ext4\nE:ID_FS_LABEL=secret\n"', r'"E:ID_SERIAL=secret\n"', "V:1"])
def test_a_snapshot_keeps_of_udev_what_is_on_a_disk(content: str) -> None:
    host = Host.from_tree(PLAIN.replace("E:ID_NSID=1", content) + ONE)
    text = snapshot(host)
    assert "secret" not in text
    assert reasons(Host.from_tree(text)) == reasons(host)
