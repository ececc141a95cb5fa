"""Hypothesis strategies: specs that are valid, and what people and machines do to their text."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from hypothesis import strategies as st
from msgspec.structs import replace

from cdi.model import ContainerEdits, Device, DeviceNode, Hook, IntelRdt, Mount, NetDevice, Spec
from cdi.versions import VERSIONS, at_least, needed_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypothesis.strategies import DrawFn, SearchStrategy

VECTORS = Path(__file__).parent / "conformance"

# Words that YAML takes for something else unless they are quoted.
_TRAPS = ("0", "010", "0o7", "1e3", "yes", "off", "null", "~", "2024-01-01", "12:30:45", "- a", "#", "a: b", "<<", "=")
_LETTERS = string.ascii_letters
_ALNUM = _LETTERS + string.digits

text = st.sampled_from(_TRAPS) | st.text(st.characters(codec="utf-8"), max_size=12)
some_text = text.filter(bool)
uint32 = st.integers(0, 2**32 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)


def _maybe(value: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.none() | value


def _many(value: SearchStrategy[Any], most: int = 3) -> SearchStrategy[tuple[Any, ...]]:
    return st.lists(value, max_size=most).map(tuple)


def _name(first: str, inner: str) -> SearchStrategy[str]:
    middle = st.text(first + inner, max_size=8)
    return st.sampled_from(first) | st.tuples(st.sampled_from(first), middle, st.sampled_from(_ALNUM)).map("".join)


vendors = _name(_LETTERS, string.digits + "._-")
classes = _name(_LETTERS, string.digits + "._-")
device_names = _name(_ALNUM, "._:-")
kinds = st.builds("{}/{}".format, vendors, classes)
variables = st.builds("{}={}".format, some_text.filter(lambda name: "=" not in name), text)
notes = st.dictionaries(text, text, max_size=3)

device_nodes = st.builds(
    DeviceNode,
    path=some_text,
    host_path=_maybe(some_text),
    type=_maybe(st.sampled_from("bcup")),
    major=_maybe(int64),
    minor=_maybe(int64),
    file_mode=_maybe(uint32),
    permissions=_maybe(st.sampled_from(("none", "r", "rw", "rwm", "mmr"))),
    uid=_maybe(uint32),
    gid=_maybe(uint32),
)
mounts = st.builds(Mount, host_path=some_text, container_path=some_text, options=_many(text), type=_maybe(some_text))
hooks = st.builds(
    Hook,
    hook_name=st.sampled_from(
        ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
    ),
    path=some_text,
    args=_many(text),
    env=_many(variables),
    timeout=_maybe(int64),
)
rdts = st.builds(
    IntelRdt,
    clos_id=_maybe(
        st.just("/") | some_text.filter(lambda name: name not in (".", "..") and not set("/\n") & set(name))
    ),
    l3_cache_schema=_maybe(some_text),
    mem_bw_schema=_maybe(some_text),
    schemata=_maybe(_many(text)),
    enable_monitoring=st.booleans(),
)


@st.composite
def _net_devices(draw: DrawFn) -> tuple[NetDevice, ...]:
    names = draw(st.lists(some_text, unique=True, max_size=2))
    hosts = draw(st.lists(some_text, unique=True, min_size=len(names), max_size=len(names)))
    return tuple(NetDevice(host_interface_name=host, name=name) for host, name in zip(hosts, names, strict=True))


edits = st.builds(
    ContainerEdits,
    env=_many(variables),
    device_nodes=_many(device_nodes, 2),
    net_devices=_net_devices(),
    hooks=_many(hooks, 2),
    mounts=_many(mounts, 2),
    intel_rdt=_maybe(rdts),
    additional_gids=_many(uint32),
)
devices = st.builds(Device, name=device_names, annotations=notes, container_edits=edits.filter(bool))


@st.composite
def specs(draw: DrawFn) -> Spec:
    """A valid spec of any version that has what it uses."""
    spec = Spec(
        cdi_version="",
        kind=draw(kinds),
        annotations=draw(notes),
        devices=tuple(draw(st.lists(devices, min_size=1, max_size=3, unique_by=lambda device: device.name))),
        container_edits=draw(edits),
    )
    lowest = needed_version(spec)
    version = draw(st.sampled_from([version for version in VERSIONS if at_least(version, lowest)]))
    return replace(spec, cdi_version=draw(st.sampled_from(("", "v"))) + version)


def vectors() -> list[dict[str, Any]]:
    """Return the recorded verdicts of the reference library on documents."""
    with (VECTORS / "spec-verdicts.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def entries(part: Any) -> list[tuple[Any, Any]]:
    """Return keys and values of a mapping, indices and values of a list, nothing of other data."""
    if isinstance(part, dict):
        return list(cast("dict[str, Any]", part).items())
    return list(enumerate(part)) if isinstance(part, list) else []  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]


def _flip(raw: bytes, at: int, bits: int) -> bytes:
    at %= max(len(raw), 1)
    return raw[:at] + bytes(byte ^ bits for byte in raw[at : at + 1]) + raw[at + 1 :]


def _without_line(raw: bytes, at: int, _: int) -> bytes:
    lines = raw.splitlines(keepends=True)
    at %= max(len(lines), 1)
    return b"".join(lines[:at] + lines[at + 1 :])


def _cut(raw: bytes, at: int, _: int) -> bytes:
    return raw[: at % (len(raw) + 1)]


def _twice(raw: bytes, at: int, length: int) -> bytes:
    at %= len(raw) + 1
    return raw[: at + length] + raw[at:]


_DAMAGE: tuple[Callable[[bytes, int, int], bytes], ...] = (_flip, _without_line, _cut, _twice)


@st.composite
def damaged(draw: DrawFn, texts: SearchStrategy[str]) -> bytes:
    """A document after one to four accidents: flipped bits, lost lines, lost ends, repeated parts."""
    raw = draw(texts).encode()
    for _ in range(draw(st.integers(1, 4))):
        raw = draw(st.sampled_from(_DAMAGE))(raw, draw(st.integers(0, 2**16)), draw(st.integers(1, 255)))
    return raw
