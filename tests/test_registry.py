"""The devices of a host, as its runtimes see them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cdi
from cdi.model import ContainerEdits
from cdi.nodes import node_at
from cdi.oci import NodeInfo
from cdi.registry import Change, Registry

ROOT = Path(__file__).parent.parent


def text(kind: str = "vendor.com/gpu", **devices: str) -> str:
    """Return a spec with devices that set V to a value."""
    parts = [{"name": name, "containerEdits": {"env": [f"V={value}"]}} for name, value in devices.items()]
    return json.dumps({"cdiVersion": "0.5.0", "kind": kind, "devices": parts, "containerEdits": {"env": [f"S={kind}"]}})


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(content)
    return temporary.rename(path)


def values(registry: Registry) -> dict[str, str]:
    return {name: registry.edits([name]).env[-1].removeprefix("V=") for name in registry.devices}


def rules(registry: Registry) -> dict[str, list[str]]:
    return {path.name: [problem.rule for problem in found] for path, found in registry.problems.items()}


# Directories and files.


def test_no_directory_is_an_empty_registry(tmp_path: Path) -> None:
    for dirs in ([], [tmp_path / "none"]):
        registry = Registry.load(dirs)
        assert (registry.devices, registry.vendors, registry.classes, registry.specs) == ((), (), (), ())
        assert registry.problems == {}
        assert registry.dirs == tuple(dirs)


def test_a_higher_directory_wins(tmp_path: Path) -> None:
    low, high = tmp_path / "low", tmp_path / "high"
    put(low / "a.json", text(a="low", b="low"))
    put(high / "z.json", text(a="high"))
    registry = Registry.load([low, high])
    assert values(registry) == {"vendor.com/gpu=a": "high", "vendor.com/gpu=b": "low"}
    assert registry.problems == {}
    found = registry.get("vendor.com/gpu=a")
    assert found is not None
    assert (found.path, found.priority, found.device.name, found.spec.kind) == (
        high / "z.json",
        1,
        "a",
        "vendor.com/gpu",
    )
    assert registry.get("vendor.com/gpu=c") is None
    assert [(one.path, one.priority) for one in registry.specs] == [(low / "a.json", 0), (high / "z.json", 1)]
    assert values(Registry.load([high, low]))["vendor.com/gpu=a"] == "low"


def test_devices_of_one_name_in_one_directory_are_all_out(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text(x="1", a="1"))
    put(tmp_path / "b.json", text(b="1", x="1"))
    put(tmp_path / "c.json", text(c="1"))
    registry = Registry.load([tmp_path])
    assert registry.devices == ("vendor.com/gpu=a", "vendor.com/gpu=b", "vendor.com/gpu=c")
    assert {path: [(p.rule, p.where, p.message) for p in found] for path, found in registry.problems.items()} == {
        tmp_path / this: [
            (
                "device-conflict",
                where,
                f"{str(tmp_path / that)!r} defines the device 'vendor.com/gpu=x', too, so runtimes use neither",
            )
        ]
        for this, that, where in (("a.json", "b.json", "devices[0].name"), ("b.json", "a.json", "devices[1].name"))
    }


def test_a_conflict_below_hides_a_device_even_from_a_higher_directory(tmp_path: Path) -> None:
    put(tmp_path / "low" / "a.json", text(x="1"))
    put(tmp_path / "low" / "b.json", text(x="2"))
    put(tmp_path / "high" / "c.json", text(x="3", y="3"))
    registry = Registry.load([tmp_path / "low", tmp_path / "high"])
    assert registry.devices == ("vendor.com/gpu=y",)
    assert rules(registry) == {"a.json": ["device-conflict"], "b.json": ["device-conflict"]}


def test_names_are_sorted_with_numbers_as_numbers(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text("v10.com/nic", **{"10": "", "9": "", "all": "", "0": ""}))
    put(tmp_path / "b.json", text("v9.com/gpu", **{"x" + "9" * 5000: "", "x1": ""}))
    registry = Registry.load([tmp_path])
    nic = tuple(f"v10.com/nic={name}" for name in ("0", "9", "10", "all"))
    assert registry.devices == ("v9.com/gpu=x1", "v9.com/gpu=x" + "9" * 5000, *nic)
    assert (registry.vendors, registry.classes) == (("v9.com", "v10.com"), ("gpu", "nic"))


def test_only_files_called_json_or_yaml_count(tmp_path: Path) -> None:
    for name in ("a.yml", "b.JSON", "c.txt", "d", "e.json.tmp", "f.yaml~"):
        put(tmp_path / name, text(x="1"))
    put(tmp_path / "below" / "a.json", text(x="1"))
    (tmp_path / "dir.json").mkdir()
    put(tmp_path / ".json", text(hidden="1"))
    registry = Registry.load([tmp_path])
    assert registry.devices == ("vendor.com/gpu=hidden",)
    assert registry.problems == {}


def test_links_to_files_are_followed(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere" / "spec", text(x="1"))
    directory = tmp_path / "cdi"
    directory.mkdir()
    (directory / "a.json").symlink_to("../elsewhere/spec")
    (directory / "dangling.json").symlink_to("nowhere")
    (directory / "to-dir.yaml").symlink_to("../elsewhere")
    registry = Registry.load([directory])
    assert registry.devices == ("vendor.com/gpu=x",)
    assert {path.name: found[0].message for path, found in registry.problems.items()} == {
        "dangling.json": "cannot be read: no such file or directory",
        "to-dir.yaml": "cannot be read: it is a directory, not a regular file",
    }


def test_one_broken_file_hides_no_other(tmp_path: Path) -> None:
    put(tmp_path / "good.json", text(x="1"))
    (tmp_path / "binary.yaml").write_bytes(bytes(range(256)))
    put(tmp_path / "empty.json", "")
    put(tmp_path / "invalid.yaml", "cdiVersion: 0.5.0\nkind: nope\ndevices: []\n")
    put(tmp_path / "null-node.yaml", text(y="1").replace('["V=1"]', '["V=1"], "deviceNodes": [null]'))
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "null.json").symlink_to("/dev/null")
    with (tmp_path / "huge.json").open("w") as file:
        file.truncate(1 << 40)
    registry = Registry.load([tmp_path])
    assert registry.devices == ("vendor.com/gpu=x",)
    assert [path.name for path in registry.problems] == sorted(
        ["binary.yaml", "empty.json", "fifo.json", "huge.json", "invalid.yaml", "null-node.yaml", "null.json"],
    )
    assert all(problem.severity == "error" for found in registry.problems.values() for problem in found)


def test_warnings_are_not_problems_of_the_registry(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text(x="1").replace("0.5.0", "1.0.0"))
    put(tmp_path / "b.json", text("other.com/gpu", x="1") + "# not JSON")
    registry = Registry.load([tmp_path])
    assert (len(registry.devices), registry.problems) == (2, {})


def test_a_directory_that_cannot_be_read_is_a_problem_and_the_others_count(tmp_path: Path) -> None:
    put(tmp_path / "file", "")
    put(tmp_path / "high" / "a.json", text(x="1"))
    registry = Registry.load([tmp_path / "file", tmp_path / "high", Path("nul\0")])
    assert registry.devices == ("vendor.com/gpu=x",)
    assert registry.problems[tmp_path / "file"][0].message == "cannot read the directory: not a directory"
    assert len(registry.problems) == 2


def test_names_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.json")).write_text(text(x="1"))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfe.json")).write_text("{")
    registry = Registry.load([tmp_path])
    assert registry.devices == ("vendor.com/gpu=x",)
    assert [os.fsencode(path.name) for path in registry.problems] == [b"\xfe.json"]


# Resolving and injecting.


def test_edits_of_a_spec_come_once_before_its_first_device(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text("a.com/gpu", x="1", y="2"))
    put(tmp_path / "b.json", text("b.com/gpu", x="3"))
    registry = Registry.load([tmp_path])
    assert registry.edits(["a.com/gpu=y", "b.com/gpu=x", "a.com/gpu=x", "a.com/gpu=y"]) == ContainerEdits(
        env=("S=a.com/gpu", "V=2", "S=b.com/gpu", "V=3", "V=1", "V=2"),
    )
    assert registry.edits([]) == ContainerEdits()
    oci = {"process": {"env": ["V=0"], "x": 1}, "y": None}
    assert registry.inject(oci, iter(["a.com/gpu=x"])) == {
        "process": {"env": ["V=1", "S=a.com/gpu"], "x": 1},
        "y": None,
    }


def test_names_match_patterns(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text("a.com/gpu", **{"0": "", "1": "", "10": "", "all": ""}))
    put(tmp_path / "b.json", text("b.com/gpu", **{"0": ""}))
    registry = Registry.load([tmp_path])
    assert registry.match("a.com/gpu=[0-9]*") == ("a.com/gpu=0", "a.com/gpu=1", "a.com/gpu=10")
    assert registry.match("*=0") == ("a.com/gpu=0", "b.com/gpu=0")
    assert registry.match("a.com/gpu=all") == ("a.com/gpu=all",)
    assert registry.match("A*") == ()
    assert registry.match("[") == ()


@pytest.mark.parametrize(
    ("names", "unresolved", "hint"),
    [
        (["a.com/gpu=gpu0", "a.com/gpu=gpu7", "x", "x"], ("a.com/gpu=gpu7", "x", "x"), "did you mean a.com/gpu=gpu0?"),
        (["a.con/gpu=gpu0"], ("a.con/gpu=gpu0",), "did you mean a.com/gpu=gpu0?"),
        (["/dev/null"], ("/dev/null",), "write vendor/class=device, as in vendor.com/gpu=0"),
        (["zzz/yyy=qqqqqq"], ("zzz/yyy=qqqqqq",), "it may be in a file that was skipped, such as '{dir}/bad.json'"),
        (
            ["c.com/gpu=c"],
            ("c.com/gpu=c",),
            "'{dir}/c1.json' and '{dir}/c2.json' both define c.com/gpu=c, so neither counts: remove one",
        ),
    ],
)
def test_an_unresolved_name_has_a_hint(
    tmp_path: Path, names: list[str], unresolved: tuple[str, ...], hint: str
) -> None:
    put(tmp_path / "a.json", text("a.com/gpu", gpu0=""))
    put(tmp_path / "bad.json", "{")
    put(tmp_path / "c1.json", text("c.com/gpu", c=""))
    put(tmp_path / "c2.json", text("c.com/gpu", c=""))
    with pytest.raises(cdi.UnresolvedDevices) as caught:
        Registry.load([tmp_path]).inject({}, names)
    assert caught.value.names == unresolved
    assert caught.value.hint == hint.format(dir=tmp_path)


def test_an_empty_registry_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(cdi.UnresolvedDevices) as caught:
        Registry.load([tmp_path]).edits(["a.com/gpu=0"])
    assert caught.value.hint == f"no device is defined at all (in {tmp_path})"


def test_inject_asks_the_host_below_the_root(tmp_path: Path) -> None:
    spec = text(x="").replace('["V="]', '["V="], "deviceNodes": [{"path": "/dev/fifo"}]')
    put(tmp_path / "cdi" / "a.json", spec)
    (tmp_path / "root/dev").mkdir(parents=True)
    os.mkfifo(tmp_path / "root/dev/fifo", 0o640)
    oci = Registry.load([tmp_path / "cdi"], root=tmp_path / "root").inject({}, ["vendor.com/gpu=x"])
    assert oci["linux"] == {"devices": [{"path": "/dev/fifo", "type": "p", "fileMode": 0o640}]}
    with pytest.raises(cdi.InjectionFailed, match="no device node '/dev/fifo' on this host"):
        Registry.load([tmp_path / "cdi"], root=tmp_path).inject({}, ["vendor.com/gpu=x"])


def test_nodes_of_the_host() -> None:
    status = Path("/dev/null").stat()
    assert node_at("/dev/null") == NodeInfo(type="c", major=1, minor=3, mode=stat.S_IMODE(status.st_mode))
    assert [node_at(path) for path in ("/dev", "/dev/none", "/etc/passwd", "", "nul\0", "/dev/stdin")] == [None] * 6


def test_links_to_nodes_never_leave_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real/dev").mkdir(parents=True)
    os.mkfifo(root / "real/dev/fifo", 0o600)
    os.mkfifo(tmp_path / "outside", 0o600)
    (root / "dev").symlink_to("/real/dev")
    (root / "up").symlink_to("../../../..")
    (root / "real/loop").symlink_to("loop")
    (root / "real/dev/link").symlink_to("fifo")
    fifo = NodeInfo(type="p", major=0, minor=0, mode=0o600)
    found = {path: node_at(path, root=str(root)) for path in ("/dev/fifo", "up/dev/./fifo", "/real/../../dev/fifo")}
    assert found == dict.fromkeys(found, fifo)
    for path in ("/../outside", "/up/outside", f"/up{tmp_path}/outside", "/dev/link", "/real/loop/x", "/dev/none"):
        assert node_at(path, root=str(root)) is None


# Refreshing.


def test_refresh_reads_only_what_changed(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text("a.com/gpu", x="1"))
    put(tmp_path / "b.json", text("b.com/gpu", x="1"))
    put(tmp_path / "bad.json", "{")
    time.sleep(0.06)  # until then, a file may change without another time stamp
    registry = Registry.load([tmp_path])
    first, second = registry.specs
    put(tmp_path / "b.json", text("b.com/gpu", x="2"))
    put(tmp_path / "c.json", text("c.com/gpu", x="1"))
    registry.refresh()
    again, changed, new = registry.specs
    assert again is first
    assert changed is not second
    assert values(registry) == {"a.com/gpu=x": "1", "b.com/gpu=x": "2", "c.com/gpu=x": "1"}
    assert new.path == tmp_path / "c.json"
    assert list(rules(registry)) == ["bad.json"]
    (tmp_path / "a.json").unlink()
    (tmp_path / "bad.json").unlink()
    registry.refresh()
    assert list(values(registry)) == ["b.com/gpu=x", "c.com/gpu=x"]
    assert registry.problems == {}


def test_a_change_of_the_same_size_and_time_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(text(x="1"))
    registry = Registry.load([tmp_path])
    for value in "23456789":
        with path.open("r+") as file:
            file.write(text(x=value))
        os.utime(path, ns=(0, 0))
        registry.refresh()
        assert values(registry) == {"vendor.com/gpu=x": value}


def test_changes_name_devices_and_files(tmp_path: Path) -> None:
    a, b, c = (tmp_path / f"{name}.json" for name in "abc")
    put(a, text("a.com/gpu", x="1", y="1"))
    put(b, text("b.com/gpu", x="1"))
    registry = Registry.load([tmp_path])
    changes = registry.changes()
    registry.refresh()
    put(a, text("a.com/gpu", y="2", z="1"))
    put(c, text("c.com/gpu", x="1"))
    registry.refresh()
    b.write_text("{")
    registry.refresh()
    problem = registry.problems[b][0]
    registry.close()
    assert list(changes) == [
        Change(action="removed", path=a, device="a.com/gpu=x"),
        Change(action="changed", path=a, device="a.com/gpu=y"),
        Change(action="added", path=a, device="a.com/gpu=z"),
        Change(action="added", path=c, device="c.com/gpu=x"),
        Change(action="removed", path=b, device="b.com/gpu=x"),
        Change(action="failed", path=b, problem=problem),
    ]
    assert list(changes) == []
    assert registry.devices == ("a.com/gpu=y", "a.com/gpu=z", "c.com/gpu=x")


def test_a_change_of_the_edits_of_a_spec_changes_its_devices(tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", text(x="1"))
    registry = Registry.load([tmp_path])
    changes = registry.changes()
    put(path, text(x="1").replace("S=", "S=new"))
    registry.refresh()
    assert next(changes) == Change(action="changed", path=path, device="vendor.com/gpu=x")


def test_readers_always_see_one_state(tmp_path: Path) -> None:
    put(tmp_path / "a.json", text(x="0", y="0"))
    registry = Registry.load([tmp_path])
    seen: list[tuple[str, ...]] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            seen.append(registry.edits(["vendor.com/gpu=x", "vendor.com/gpu=y"]).env[1:])

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for value in range(1, 40):
        put(tmp_path / "a.json", text(x=str(value), y=str(value)))
        registry.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert {len(set(env)) for env in seen} == {1}


def test_watching_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    code = f"""
import sys
sys.modules["inotify_simple"] = None
import cdi
try:
    cdi.Registry.load([{str(tmp_path)!r}], watch=True)
except cdi.UsageError as error:
    print(error, error.hint, sep="; ")
"""
    answer = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    assert answer == "watching directories needs the Python package inotify_simple; pip install 'cdi-tools[watch]'\n"


# Anything.


SPECS = st.sampled_from([text(x="1"), text("b.com/gpu", x="1", y="2"), text(x="1").replace("env", "Env"), "{}", "a: ["])
FILES = st.dictionaries(
    st.sampled_from(["a.json", "b.yaml", "c.json", "d.txt", "e.yml"]),
    st.binary(max_size=80)
    | SPECS.map(str.encode)
    | st.tuples(SPECS, st.integers(0, 90)).map(lambda t: t[0][: t[1]].encode()),
    max_size=4,
)


@settings(deadline=None)
@given(st.lists(FILES, max_size=3), st.lists(st.text(max_size=20), max_size=3), st.text(max_size=10))
def test_any_files_and_any_names_give_an_answer(
    tmp_path_factory: pytest.TempPathFactory, directories: list[dict[str, bytes]], names: list[str], pattern: str
) -> None:
    top = tmp_path_factory.mktemp("any")
    dirs = [top / str(i) for i in range(len(directories))]
    for directory, content in zip(dirs, directories, strict=True):
        directory.mkdir()
        for name, data in content.items():
            (directory / name).write_bytes(data)
    registry = Registry.load(dirs)
    assert all(found for found in registry.problems.values())
    assert set(registry.match(pattern)) <= set(registry.devices)
    if names:
        with pytest.raises(cdi.UnresolvedDevices) as caught:
            registry.inject({}, names)
        assert caught.value.names == tuple(names)
    assert registry.inject({}, registry.devices) == registry.inject({}, list(registry.devices))
