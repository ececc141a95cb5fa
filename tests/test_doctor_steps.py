"""The doctor goes the way of a runtime and stops at the first step that is broken, with its cause and the way out."""

from __future__ import annotations

import pytest

from cdi.diagnosis import Check
from cdi.errors import UsageError
from tests.doctoring import GOOD, NODE, Node, spec

PODMAN = {"podman": "5.4.2", "crun": "1.28"}
HERE = {"/etc/cdi/gpu.json": GOOD, "/var/run/cdi/.keep": ""}


def steps(node: Node, device: str) -> list[str]:
    return [one.step for one in node.diagnosis(device).findings if one.status == "ok"]


def test_a_device_that_is_fine_passes_every_step() -> None:
    node = Node(HERE, lines=NODE, **PODMAN)
    assert node.wrong("vendor.com/gpu=0") == []
    assert node.diagnosis("vendor.com/gpu=0").checks == (
        Check(runtime="podman-5.4.2", device="vendor.com/gpu=0", status="ok"),
    )
    assert steps(node, "vendor.com/gpu=0") == ["place", "loads", "nodes", "mounts", "enabled"]


def test_a_healthy_node_has_a_row_for_each_runtime_and_file() -> None:
    node = Node(HERE, lines=NODE, **PODMAN)
    assert node.wrong() == []
    assert node.diagnosis().checks == (
        Check(runtime="podman-5.4.2", status="ok"),
        Check(path="/etc/cdi/gpu.json", status="ok"),
    )


# What was asked for.

COUNT = (
    "in `resources.limits` of Kubernetes that is a count for a device plugin, not a device; "
    "the device is vendor.com/gpu=0"
)
ANNOTATION = (
    "that is a container annotation: ask for 'vendor.com/gpu=0'; "
    "annotations of a pod are not read, only those of a container"
)
PATH = (
    "that is the path of a device node, which --device takes, too, without CDI and all that a spec adds; "
    "it comes with vendor.com/gpu=0"
)


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("vendor.com/gpu", "a kind is not enough, name one of its devices: vendor.com/gpu=0"),
        ("vendor.com/gpu: 0", COUNT),
        ("vendor.com/gpu:0", COUNT),
        ("vendor.com/gpu/0", "the device comes after an equals sign: vendor.com/gpu=0"),
        ("vendor.com/gpu=0,vendor.com/gpu=1", "ask for each by itself: vendor.com/gpu=0 vendor.com/gpu=1"),
        ("cdi.k8s.io/claim: vendor.com/gpu=0", ANNOTATION),
        ("cdi.k8s.io/claim=vendor.com/gpu=0", ANNOTATION),
        ("/dev/gpu0", PATH),
        ("gpu=0", "with its kind: vendor.com/gpu=0"),
        ("0", "with its kind: vendor.com/gpu=0"),
        (" vendor.com/gpu=0", "without the blanks around it: 'vendor.com/gpu=0'"),
        ("vendor.com/gpu=", "write vendor/class=device, as in vendor.com/gpu=0"),
        ("", "write vendor/class=device, as in vendor.com/gpu=0"),
    ],
)
def test_what_is_no_name_gets_the_likely_one(asked: str, hint: str) -> None:
    found = Node(HERE, lines=NODE, **PODMAN).first(asked)
    assert (found.step, found.hint) == ("name", hint)


def test_a_pattern_stands_for_all_that_it_matches() -> None:
    node = Node({"/etc/cdi/gpu.json": spec("0", "1", "2")}, lines=NODE, **PODMAN)
    assert [check.device for check in node.diagnosis("vendor.com/gpu=[01]").checks] == [
        "vendor.com/gpu=0",
        "vendor.com/gpu=1",
    ]
    assert node.first("other.com/*").step == "name"


# Where it is.


def test_a_mistyped_device_gets_the_nearest_names() -> None:
    node = Node({"/etc/cdi/gpu.json": spec("gpu0", "gpu1")}, lines=NODE, **PODMAN)
    found = node.first("vendor.com/gpu=gpuO")
    assert (found.step, found.message) == ("place", "no file in /etc/cdi, /var/run/cdi defines vendor.com/gpu=gpuO")
    assert found.hint == "did you mean vendor.com/gpu=gpu1 or vendor.com/gpu=gpu0?"


def test_the_same_device_of_another_vendor_is_offered() -> None:
    node = Node({"/etc/cdi/gpu.json": spec("x7")}, lines=NODE, **PODMAN)
    assert node.first("other.org/gpu=x7").hint == "did you mean vendor.com/gpu=x7?"


def test_a_name_that_is_like_no_other_gets_what_its_kind_has() -> None:
    node = Node({"/etc/cdi/gpu.json": spec("0", "1", "all")}, lines=NODE, **PODMAN)
    assert node.first("vendor.com/gpu=GPU-5c2f").hint == "vendor.com/gpu has 0, 1, all"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/etc/cdi/gpu.yml", "spec files end in .json or .yaml"),
        ("/etc/cdi/gpu.yaml.bak", "spec files end in .json or .yaml"),
        ("/etc/cdi/vendor/gpu.json", "runtimes look into no directory below"),
    ],
)
def test_a_file_that_no_runtime_takes_for_a_spec_is_named(path: str, why: str) -> None:
    found = Node({path: GOOD}, lines=NODE, **PODMAN).first("vendor.com/gpu=0")
    assert (found.step, found.path, found.why) == ("place", path, why)
    assert found.hint == f"mv {path} /etc/cdi/vendor.com-gpu.yaml"


# Whether it may be read.


USERS = r"""
/etc/passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n"
/etc/group = "video:x:44:alice\nalice:x:1000:\n"
"""


def test_a_file_that_a_user_may_not_read_is_a_problem_for_that_user() -> None:
    node = Node(HERE, lines=f"{NODE}{USERS}/etc/cdi/gpu.json : f 0600\n", **PODMAN)
    found = node.first("vendor.com/gpu=0", user="alice")
    assert (found.step, found.hint) == ("readable", "chmod a+r /etc/cdi/gpu.json")
    assert found.message == (
        "alice cannot read '/etc/cdi/gpu.json': '/etc/cdi/gpu.json' has mode 0600 and belongs to root"
    )


def test_a_directory_above_that_is_closed_is_named() -> None:
    node = Node(HERE, lines=f"{NODE}{USERS}/etc/cdi : d 0750\n", **PODMAN)
    found = node.first("vendor.com/gpu=0", user="alice")
    assert (found.step, found.hint) == ("readable", "chmod a+rx /etc/cdi")


def test_without_a_user_a_closed_file_is_a_warning_and_containers_of_root_have_it() -> None:
    node = Node(HERE, lines=f"{NODE}/etc/cdi/gpu.json : f 0600\n", **PODMAN)
    assert [(one.status, one.step) for one in node.wrong("vendor.com/gpu=0")] == [("warning", "readable")]
    assert node.wrong("vendor.com/gpu=0", user="root") == []


def test_a_group_may_open_the_way() -> None:
    lines = f"{NODE}{USERS}/etc/cdi/gpu.json : f 0640 0 44\n"
    assert Node(HERE, lines=lines, **PODMAN).wrong("vendor.com/gpu=0", user="alice") == []
    assert Node(HERE, lines=lines, **PODMAN).first("vendor.com/gpu=0", user="1001").step == "readable"


def test_daemons_run_as_root_and_read_all() -> None:
    node = Node(HERE, lines=f"{NODE}/etc/cdi/gpu.json : f 0600\n", containerd="2.1.9")
    assert node.wrong("vendor.com/gpu=0") == []


def test_a_user_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="this host has no user 'bob'"):
        Node(HERE, lines=NODE, **PODMAN).diagnosis("vendor.com/gpu=0", user="bob")


def test_what_we_may_not_read_ourselves_is_unknown() -> None:
    node = Node({}, lines=f"{NODE}/etc/cdi/gpu.json ! EACCES\n", **PODMAN)
    found = node.first("vendor.com/gpu=0")
    assert (found.status, found.step, found.hint) == ("unknown", "readable", "run as root")
    assert node.diagnosis().status == "unknown"


def test_a_link_that_leads_nowhere_is_a_problem() -> None:
    found = Node({}, lines=f"{NODE}/etc/cdi/gpu.json -> /opt/gone.json\n", **PODMAN).first("vendor.com/gpu=0")
    assert (found.step, found.message) == ("readable", "'/etc/cdi/gpu.json' is a link that leads nowhere")


def test_a_directory_that_is_a_link_is_not_followed() -> None:
    node = Node({"/opt/cdi/gpu.json": GOOD}, lines=f"{NODE}/etc/cdi -> /opt/cdi\n", **PODMAN)
    found = node.first("vendor.com/gpu=0")
    assert (found.step, found.path) == ("readable", "/etc/cdi")


SELINUX = """
/sys/fs/selinux/enforce = 1
/sys/fs/selinux/booleans/container_use_devices = "0 0"
/sys/fs/selinux/booleans/container_use_dri_devices = "1 1"
"""


@pytest.mark.parametrize("label", ["unconfined_u:object_r:user_home_t:s0", "system_u:object_r:unlabeled_t:s0"])
def test_a_spec_with_the_label_of_another_place_is_relabelled(label: str) -> None:
    node = Node(HERE, lines=f"{NODE}{SELINUX}/etc/cdi/gpu.json @ {label}\n", **PODMAN)
    (found,) = node.wrong("vendor.com/gpu=0")
    assert (found.status, found.step, found.hint) == ("warning", "readable", "restorecon -v /etc/cdi/gpu.json")


def test_labels_count_only_where_selinux_is_enforcing() -> None:
    lines = "/sys/fs/selinux/enforce = 0\n/etc/cdi/gpu.json @ system_u:object_r:unlabeled_t:s0\n"
    assert Node(HERE, lines=NODE + lines, **PODMAN).wrong("vendor.com/gpu=0") == []
    lines = f"{SELINUX}/etc/cdi/gpu.json @ system_u:object_r:etc_t:s0\n"
    assert Node(HERE, lines=NODE + lines, **PODMAN).wrong("vendor.com/gpu=0") == []


@pytest.mark.parametrize(
    ("label", "more", "hints"),
    [
        ("xserver_misc_device_t", "", ["setsebool -P container_use_devices on"]),
        (
            "xserver_misc_device_t",
            '/sys/fs/selinux/booleans/container_use_xserver_devices = "0 0"\n',
            ["setsebool -P container_use_xserver_devices on"],
        ),
        ("xserver_misc_device_t", '/sys/fs/selinux/booleans/container_use_xserver_devices = "1 1"\n', []),
        ("dri_device_t", "", []),
        ("null_device_t", "", []),
        ("device_t", "", ["setsebool -P container_use_devices on"]),
    ],
)
def test_a_device_that_confined_containers_may_not_use_names_the_boolean(
    label: str, more: str, hints: list[str]
) -> None:
    node = Node(HERE, lines=f"{NODE}{SELINUX}{more}/dev/gpu0 @ system_u:object_r:{label}:s0\n", **PODMAN)
    assert [(one.status, one.step, one.hint) for one in node.wrong("vendor.com/gpu=0")] == [
        ("warning", "nodes", hint) for hint in hints
    ]


# Whether it loads.


def test_a_broken_file_is_explained_with_line_and_column() -> None:
    text = "cdiVersion: 0.5.0\nkind: vendor.com/gpu\ndevices:\n- name: '0'\n  containerEdits:\n    env: [NOEQUALS]\n"
    found = Node({"/etc/cdi/gpu.yaml": text}, **PODMAN).first("vendor.com/gpu=0")
    assert (found.step, found.path, found.line, found.column) == ("loads", "/etc/cdi/gpu.yaml", 6, 11)
    assert found.message == "invalid environment entry 'NOEQUALS'"


def test_a_file_of_a_newer_version_names_the_cap() -> None:
    net = {"netDevices": [{"hostInterfaceName": "eth1", "name": "eth1"}]}
    text = spec("0", version="1.1.0", each={**net, "deviceNodes": [{"path": "/dev/gpu0"}]})
    found = Node({"/etc/cdi/gpu.json": text}, **PODMAN).first("vendor.com/gpu=0")
    assert (found.step, found.line) == ("loads", 1)
    assert found.message == "podman-5.4.2 does not read cdiVersion 1.1.0, it knows up to 0.8.0"
    assert found.hint == "`cdi generate --install` lowers what cdi has written"


def test_what_cannot_be_lowered_takes_another_runtime() -> None:
    text = spec("0", version="1.1.0", each={"netDevices": [{"hostInterfaceName": "eth1", "name": "eth1"}]})
    found = Node({"/etc/cdi/gpu.json": text}, **PODMAN).first("vendor.com/gpu=0")
    nothing = "device '0' is nothing without what CDI 0.8.0 lacks, it cannot be lowered"
    assert found.hint == f"{nothing}: it takes a runtime that reads CDI 1.1.0"


def test_a_version_higher_than_needed_is_just_a_number() -> None:
    found = Node({"/etc/cdi/gpu.json": spec("0", version="1.1.0")}, **PODMAN).first("vendor.com/gpu=0")
    assert found.hint == "write cdiVersion '0.5.0', the file needs no more; `cdi generate --install` does"


def test_each_runtime_has_its_own_answer() -> None:
    files = {"/etc/cdi/gpu.json": spec("0", version="1.0.0")}
    node = Node(files, lines=NODE, podman="5.4.2", containerd="2.1.9")
    assert {check.runtime: (check.status, check.step) for check in node.diagnosis("vendor.com/gpu=0").checks} == {
        "podman-5.4.2": ("problem", "loads"),
        "containerd-2.1.9": ("ok", None),
    }
    assert [(one.runtime, one.step) for one in node.wrong()] == [("podman-5.4.2", "loads")]


# Which of several counts.


def test_two_files_of_one_directory_cancel_each_other() -> None:
    node = Node({"/etc/cdi/a.json": GOOD, "/etc/cdi/b.yaml": GOOD}, lines=NODE, **PODMAN)
    found = node.first("vendor.com/gpu=0")
    assert (found.step, found.message) == (
        "unique",
        "'/etc/cdi/a.json' and '/etc/cdi/b.yaml' both define vendor.com/gpu=0",
    )
    assert [one.step for one in node.wrong()] == ["unique"]


def test_a_later_directory_hides_an_earlier_one() -> None:
    files = {"/etc/cdi/old.json": spec("0", each={"env": ["OLD=1"]}), "/var/run/cdi/new.json": GOOD}
    (found,) = Node(files, lines=NODE, **PODMAN).wrong("vendor.com/gpu=0")
    assert (found.status, found.step, found.path) == ("warning", "unique", "/etc/cdi/old.json")
    files = {"/etc/cdi/old.json": GOOD, "/var/run/cdi/new.json": GOOD}
    assert Node(files, lines=NODE, **PODMAN).wrong("vendor.com/gpu=0") == []


def test_a_broken_file_that_would_hide_a_good_one_hides_nothing() -> None:
    files = {"/etc/cdi/good.json": GOOD, "/var/run/cdi/bad.json": spec("0", version="9.9.9")}
    assert Node(files, lines=NODE, **PODMAN).wrong("vendor.com/gpu=0") == []
    assert [(one.step, one.path) for one in Node(files, lines=NODE, **PODMAN).wrong()] == [
        ("loads", "/var/run/cdi/bad.json")
    ]


# What it brings.

OTHER_TYPE = "'/dev/gpu0' is a character device, the spec says a block device"


@pytest.mark.parametrize(
    ("edits", "lines", "step", "message"),
    [
        ({"deviceNodes": [{"path": "/dev/gpu9"}]}, "", "nodes", "there is no '/dev/gpu9'"),
        (
            {"deviceNodes": [{"path": "/dev/gpu0", "type": "c", "major": 99, "minor": 9}]},
            "",
            "nodes",
            "'/dev/gpu0' is 240:0 on this host, the spec says 99:9",
        ),
        ({"deviceNodes": [{"path": "/dev/gpu0", "type": "b"}]}, "", "nodes", OTHER_TYPE),
        (
            {"mounts": [{"hostPath": "/usr/lib/libgpu.so.1", "containerPath": "/l", "options": ["bind"]}]},
            "",
            "mounts",
            "there is no '/usr/lib/libgpu.so.1' to mount",
        ),
        (
            {"mounts": [{"hostPath": "/dev/gpu0", "containerPath": "/l"}]},
            "",
            "mounts",
            "the mount of '/dev/gpu0' has neither a type nor a bind option",
        ),
        (
            {"hooks": [{"hookName": "createContainer", "path": "/usr/bin/hook"}]},
            "",
            "mounts",
            "there is no '/usr/bin/hook' to run",
        ),
        (
            {"hooks": [{"hookName": "createContainer", "path": "/usr/bin/hook"}]},
            "/usr/bin/hook : f 0644\n",
            "mounts",
            "'/usr/bin/hook' is not executable, its mode is 0644",
        ),
    ],
)
def test_what_is_not_on_the_host(edits: dict[str, object], lines: str, step: str, message: str) -> None:
    node = Node({"/etc/cdi/gpu.json": spec("0", each=edits)}, lines=NODE + lines, **PODMAN)
    found = node.first("vendor.com/gpu=0")
    assert (found.step, found.message, found.path, found.line) == (step, message, "/etc/cdi/gpu.json", 1)
    (same,) = node.wrong()
    assert (same.step, same.message, same.device) == (step, message, "vendor.com/gpu=0")


def test_a_hook_that_others_may_change_is_a_warning() -> None:
    text = spec("0", each={"hooks": [{"hookName": "createContainer", "path": "/usr/bin/hook"}]})
    node = Node({"/etc/cdi/gpu.json": text}, lines="/usr/bin/hook : f 0755 1000 1000\n", **PODMAN)
    (found,) = node.wrong("vendor.com/gpu=0")
    assert (found.status, found.step) == ("warning", "mounts")


def test_a_node_that_the_user_may_not_open_is_a_problem_for_rootless_containers() -> None:
    node = Node(HERE, lines=f"{USERS}/dev/gpu0 : c 240 0 0660 0 109\n", **PODMAN)
    found = node.first("vendor.com/gpu=0", user="alice")
    assert (found.step, found.message) == ("nodes", "alice may not open '/dev/gpu0', its mode is 0660, its group 109")
    assert node.wrong("vendor.com/gpu=0") == []


# Whether the runtime and what is below it do their part.


def test_a_runtime_with_cdi_off_says_how_to_switch_it_on() -> None:
    found = Node(HERE, lines=NODE, containerd="1.7.24").first("vendor.com/gpu=0")
    assert (found.step, found.message) == ("enabled", "containerd-1.7.24 has CDI off: default of containerd 1.7.24")
    assert found.hint == "`cdi runtime enable containerd --restart`"


def test_a_configuration_that_cannot_be_read_is_shown_with_its_line() -> None:
    files = {**HERE, "/etc/docker/daemon.json": '{"features": {"cdi": true}'}
    found = Node(files, lines=NODE, docker="28.5.2").first("vendor.com/gpu=0")
    assert (found.step, found.path, found.line) == ("enabled", "/etc/docker/daemon.json", 1)


DOCKERD = """
/proc/stat = "btime 1764000000\\n"
/proc/77/exe -> /usr/bin/dockerd
/proc/77/cmdline = "/usr/bin/dockerd\\u0000"
/proc/77/stat = "77 (dockerd) S 1 77 77 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 9 0 100 0 0\\n"
"""


@pytest.mark.parametrize(("modified", "wrong"), [(1764000099, ["enabled"]), (1763999999, [])])
def test_a_daemon_that_is_older_than_its_configuration_wants_a_restart(modified: int, wrong: list[str]) -> None:
    files = {**HERE, "/etc/docker/daemon.json": '{"features": {"cdi": true}}'}
    lines = f"{NODE}{DOCKERD}/etc/docker/daemon.json : f 0644 @{modified}\n"
    node = Node(files, lines=lines, docker="27.5.1")
    assert [one.step for one in node.wrong("vendor.com/gpu=0")] == wrong
    assert [one.hint for one in node.wrong("vendor.com/gpu=0")] == ["`systemctl restart docker`"] * len(wrong)


NET = spec("0", version="1.1.0", each={"netDevices": [{"hostInterfaceName": "eth1", "name": "eth1"}]})
ETH = "/sys/class/net/eth1/\n"


def test_a_low_level_runtime_that_ignores_a_field_is_named() -> None:
    node = Node({"/etc/cdi/net.json": NET}, lines=ETH, containerd="2.3.4", runc="1.3.6")
    found = node.first("vendor.com/gpu=0")
    assert (found.step, found.message) == (
        "low-level",
        "runc 1.3.6 ignores netDevices: the container starts without it",
    )
    assert [one.step for one in node.wrong()] == ["low-level"]
    assert Node({"/etc/cdi/net.json": NET}, lines=ETH, containerd="2.3.4", runc="1.4.0").wrong("vendor.com/gpu=0") == []


def test_interfaces_are_for_root() -> None:
    node = Node({"/etc/cdi/net.json": NET}, lines=ETH + USERS, podman="6.0.0", crun="1.28")
    assert node.first("vendor.com/gpu=0", user="alice").step == "low-level"
    assert node.wrong("vendor.com/gpu=0") == []


def test_intel_rdt_needs_its_file_system() -> None:
    files = {"/etc/cdi/rdt.json": spec("0", version="0.7.0", each={"intelRdt": {"closID": "gold"}})}
    found = Node(files, **PODMAN).first("vendor.com/gpu=0")
    assert (found.step, found.hint) == ("low-level", "mount -t resctrl resctrl /sys/fs/resctrl")
    assert Node(files, lines="/sys/fs/resctrl/schemata =\n", **PODMAN).wrong("vendor.com/gpu=0") == []


# Where there is no runtime.


def test_without_a_runtime_the_files_are_held_against_any() -> None:
    node = Node({"/etc/cdi/gpu.json": spec("0", each={"deviceNodes": [{"path": "/dev/none"}]})}, lines=NODE)
    assert [(one.step, one.runtime) for one in node.wrong("vendor.com/gpu=0")] == [("nodes", None)]
    assert node.diagnosis().checks == (Check(path="/etc/cdi/gpu.json", status="problem", step="nodes"),)


def test_in_a_container_a_node_that_sysfs_does_not_name_is_unknown() -> None:
    files = {"/etc/cdi/gpu.json": spec("0", each={"deviceNodes": [{"path": "/dev/none"}, {"path": "/dev/fuse"}]})}
    lines = '/dev/null : c 1 3 0666\n/sys/dev/char/10:229/uevent = "DEVNAME=fuse\\n"\n'
    (found,) = Node(files, lines=lines).wrong("vendor.com/gpu=0")
    assert (found.status, found.step, found.message) == (
        "unknown",
        "nodes",
        "whether there is '/dev/none' cannot be told: /dev is not the host's, and sysfs does not name it",
    )


def test_cri_o_may_have_read_a_changed_file_since() -> None:
    files = {**HERE, "/etc/crio/crio.conf": "[crio.runtime]\n"}
    lines = f"{NODE}{DOCKERD.replace('dockerd', 'crio')}/etc/crio/crio.conf : f 0644 @1764000099\n"
    (found,) = Node(files, lines=lines, crio="1.34.0").wrong("vendor.com/gpu=0")
    assert (found.status, found.step, found.hint) == ("warning", "enabled", "`systemctl reload crio`")


def test_a_configuration_that_we_may_not_read_is_unknown() -> None:
    lines = f"{NODE}/etc/docker/daemon.json ! EACCES\n"
    found = Node(HERE, lines=lines, docker="28.5.2").first("vendor.com/gpu=0")
    assert (found.status, found.step, found.path) == ("unknown", "enabled", "/etc/docker/daemon.json")


def test_a_directory_that_only_root_may_list_hides_no_typing_error() -> None:
    node = Node(HERE, lines=f"{NODE}/etc/cdi : d 0700\n", **PODMAN)
    assert node.first("vendor.com/gpu=O").step == "place"


def test_a_crash_is_told_of_every_runtime() -> None:
    files = {**HERE, "/etc/cdi/short.json": spec("a", kind="v/class")}
    node = Node(files, lines=NODE, containerd="2.1.9", crio="1.34.0")
    assert [(one.step, one.runtime) for one in node.wrong()] == [
        ("crash", "containerd-2.1.9"),
        ("crash", "cri-o-1.34.0"),
    ]


def test_a_backup_beside_a_spec_hides_no_typing_error() -> None:
    files = {"/etc/cdi/gpu.json": spec("gpu0"), "/etc/cdi/gpu.json.bak": spec("gpu0")}
    assert Node(files, lines=NODE, **PODMAN).first("vendor.com/gpu=gpuO").hint == "did you mean vendor.com/gpu=gpu0?"
