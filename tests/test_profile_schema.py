"""The JSON Schema of profiles and the parser agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cdi.discovery.profile import check_profile
from cdi.schema import profile_schema, schema_problems

SHIPPED = sorted((Path(__file__).parent.parent / "cdi/discovery/profiles").glob("*.yaml"))
DEVICE: dict[str, Any] = {"what": "NPU", "node": "/dev/npu{n}"}
WHOLE: dict[str, Any] = {
    "version": 1,
    "family": "acme-npu",
    "kind": "acme.com/npu",
    "summary": "s",
    "devices": [DEVICE],
}


def by_schema(profile: object) -> bool:
    return not list(schema_problems(profile, profile_schema()))


def by_parser(profile: object) -> bool:
    return check_profile(yaml.safe_dump(profile).encode())[0] is not None


def with_device(**fields: Any) -> dict[str, Any]:
    return WHOLE | {"devices": [{key: value for key, value in (DEVICE | fields).items() if value is not None}]}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profiles_are_what_the_schema_says(path: Path) -> None:
    assert list(schema_problems(path.read_bytes(), profile_schema())) == []


GOOD = [
    WHOLE,
    WHOLE | {"experimental": True, "groups": False, "driver": "npu", "hardware": ["1dab:0100", "1dab:*"]},
    WHOLE | {"shared": {"nodes": ["/dev/a*", {"path": "/dev/{n}", "optional": True}], "env": {"A_1": "b"}}},
    WHOLE | {"shared": {"mounts": ["/opt/*", {"path": "/a", "options": ["ro"], "driver_root": False}]}},
    WHOLE | {"shared": {"libraries": ["liba*.so*"]}},
    with_device(sysfs="/sys/class/npu/npu{n}"),
    with_device(node=None, pci=["1dab:0100:1dab:*"], nodes=["accel/accel{n}"]),
    with_device(node=None, drivers=["vfio-pci"], vfio=True),
    with_device(node=None, pci_class=["12", "1200", "120000"], nodes=[{"path": "x"}]),
    with_device(match={"DRIVER": "a", "x/y": ["*b*"]}, except_pci=["1dab:*"], except_drivers={"a*": "b"}),
    with_device(nodes=["/dev/{name}/{n}/{bdf}*", {"path": "drm/*", "optional": True}], by_path=True, vfio=False),
    with_device(permissions="rwm", env={"A": "{n}"}, env_lists={"B": "{name}"}, caution="burns"),
    with_device(name="npu{n}", names={"serial": "{serial}"}, also=["serial", "bdf"], attributes={"serial": "a/b"}),
]
BAD = [
    {},
    [],
    WHOLE | {"version": 2},
    WHOLE | {"version": "1"},
    WHOLE | {"family": "Acme"},
    WHOLE | {"family": "a--b"},
    WHOLE | {"kind": "acme"},
    WHOLE | {"kind": "acme.com/n"},
    WHOLE | {"kind": "acme.com/npu-"},
    WHOLE | {"summary": " "},
    WHOLE | {"summary": "a\nb"},
    WHOLE | {"sumary": "a"},
    WHOLE | {"experimental": "yes"},
    WHOLE | {"hardware": ["1DAB:0100"]},
    WHOLE | {"driver": None},
    WHOLE | {"devices": []},
    WHOLE | {"devices": [{"what": "a"}]},
    WHOLE | {"devices": [{"node": "/dev/a"}]},
    WHOLE | {"devices": {"what": "a", "node": "/dev/a"}},
    WHOLE | {"shared": {"nodes": ["a"]}},
    WHOLE | {"shared": {"nodes": ["/dev/../a"]}},
    WHOLE | {"shared": {"nodes": [{"path": "/dev/{name}"}]}},
    WHOLE | {"shared": {"env": {"A": "{n}"}}},
    WHOLE | {"shared": {"env": {"A B": "c"}}},
    WHOLE | {"shared": {"mounts": ["a"]}},
    WHOLE | {"shared": {"mounts": [{"path": "/a", "options": [""]}]}},
    WHOLE | {"shared": {"mounts": [{"path": "/a", "options": ["ro", "ro"]}]}},
    WHOLE | {"shared": {"libraries": ["a/b"]}},
    WHOLE | {"shared": {"what": "a"}},
    with_device(node="/sys/a"),
    with_device(node="/dev/"),
    with_device(node="/dev//a"),
    with_device(node="/dev/a/"),
    with_device(node="/dev/./a"),
    with_device(node="/dev/**"),
    with_device(node="/dev/{name}"),
    with_device(node="/dev/{"),
    with_device(sysfs="/dev/a"),
    with_device(vfio=True),
    with_device(node=None, pci=["1dab:0100"]),
    with_device(pci=["1dab"]),
    with_device(pci="1dab:0100"),
    with_device(pci_class=["0x12"]),
    with_device(pci_class=["123"]),
    with_device(drivers=[""]),
    with_device(except_drivers={"a/b": "c"}),
    with_device(match={"a": []}),
    with_device(match={"a": 1}),
    with_device(nodes=["/sys/a"]),
    with_device(nodes=["a/../b"]),
    with_device(nodes=["a{b}"]),
    with_device(nodes=[{"optional": True}]),
    with_device(permissions=""),
    with_device(permissions="wr"),
    with_device(env={"A": 1}),
    with_device(env={"A-B": "c"}),
    with_device(name="{n"),
    with_device(also=[1]),
    with_device(attributes={"N": "a"}),
    with_device(attributes={"bdf": "a"}),
    with_device(attributes={"a": "/b"}),
    with_device(caution=""),
    with_device(what=["a"]),
]


@pytest.mark.parametrize("profile", GOOD)
def test_what_both_take(profile: object) -> None:
    assert (by_schema(profile), by_parser(profile)) == (True, True)


@pytest.mark.parametrize("profile", BAD)
def test_what_neither_takes(profile: object) -> None:
    assert (by_schema(profile), by_parser(profile)) == (False, False)


@pytest.mark.parametrize(
    "profile",
    [
        WHOLE | {"devices": [DEVICE, DEVICE]},
        with_device(also=["serial"]),
        with_device(name="{serial}"),
        with_device(node="/dev/a", name="{n}"),
        with_device(name="-{n}"),
        with_device(node="/dev/a["),
    ],
)
def test_what_a_schema_cannot_say(profile: object) -> None:
    assert (by_schema(profile), by_parser(profile)) == (True, False)
