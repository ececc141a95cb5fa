"""Huawei Ascend NPUs: /dev/davinciN for each chip, and what the driver's library needs besides, which the chip decides.

Nodes, mounts and which chip needs which are those of Ascend/mind-cluster (ascend-common, ascend-device-plugin and
ascend-docker-runtime); PCI device ids are those of the driver's own log collection.
"""

from __future__ import annotations

__all__ = ["FAMILY"]

import posixpath
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from cdi.discovery.found import Family, Found, Report, Shared, Skipped, present
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.pci import Function, list_functions
from cdi.discovery.vfio import is_vfio
from cdi.host import Host, HostError
from cdi.model import Mount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_NAME = "huawei-ascend"
_KIND = "ascend.com/npu"
_HUAWEI = 0x19E5
_ACCELERATOR = 0x12  # PCI base class; compression and crypto engines of the same vendor have it too, with ids 0xa2..
_NODE = re.compile(r"(?P<virtual>v?)davinci(?P<number>\d+)")
# A row of devdrv_sysfs_bdf_to_devid: `0000:c1:00.0 ---> 0`; older drivers leave the domain out.
_ROW = re.compile(r"\s*(?P<domain>[0-9a-f]{4,8}:)?(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\s*-+>\s*(?P<number>\d+)\s*")


class _Chip(msgspec.Struct, frozen=True, kw_only=True):
    """A sort of chip: `device` is its PCI id, `mark` a node that only this one has when it is no PCI function."""

    name: str
    device: int | None = None
    mark: str | None = None
    shared: tuple[str, ...] = ("devmm_svm", "hisi_hdc", "dvpp_cmdlist")


# What a system on a chip has: its own memory and scheduler, media engines, logs.
_SOC = ("svm0", "ts_aisle", "log_drv", "upgrade", "sys", "vdec", "vpc")
_CHIPS = (
    _Chip(name="Ascend 310", device=0xD100),
    _Chip(name="Ascend 310P", device=0xD500),
    _Chip(name="Ascend 910", device=0xD801),
    _Chip(name="Ascend 910B", device=0xD802),
    _Chip(name="Ascend 910C", device=0xD803),
    _Chip(name="Ascend 950", device=0xD806, shared=("hisi_hdc",)),
    _Chip(
        name="Ascend 310B",
        mark="pngd",
        shared=("dvpp_cmdlist", *_SOC, "pngd", "venc", "acodec", "ai", "ao", "vo", "hdmi"),
    ),
    _Chip(
        name="Atlas 200I SoC A1",
        mark="user_config",
        shared=("dvpp_cmdlist", *_SOC, "spi_smbus", "user_config", "memory_bandwidth", "event_sched", "xsmem_dev"),
    ),
)
_UNKNOWN = _Chip(name="Ascend")
_BY_ID = {chip.device: chip for chip in _CHIPS if chip.device is not None}
_MANAGER = "davinci_manager"
_MANAGERS = ("davinci_manager_docker", _MANAGER)  # a 310B has both, and the first is for containers
_INTERCONNECT = ("/dev/uburma", "/dev/ummu")  # directories of UB, which newer servers have

# What Ascend Docker Runtime mounts: the paths in this list of the host, by default these.
_LIST = "/etc/ascend-docker-runtime.d/base.list"
_MOUNTS = (
    "/usr/local/Ascend/driver/lib64",
    "/usr/local/Ascend/driver/include",
    "/usr/local/Ascend/driver/version.info",
    "/usr/local/dcmi",
    "/usr/local/bin/npu-smi",
    "/usr/local/sbin/npu-smi",
    "/etc/ascend_install.info",
    "/etc/sys_version.conf",
    "/etc/hdcBasic.cfg",
    "/var/queue_schedule",
)
_TOPOLOGY = ("/etc/hccl_rootinfo.json", "/usr/local/Ascend/driver/topo")  # in addition to either
_OPTIONS = ("ro", "nosuid", "nodev", "rbind", "rprivate")


def _discover(host: Host, _wanted: frozenset[str]) -> Iterator[Report]:
    every = [one for one in list_functions(host, vendor=_HUAWEI) if _is_npu(one)]
    functions = [one for one in every if not is_vfio(one.driver)]
    yield from (_given_away(one) for one in every if one not in functions)
    names = [name for name in host.names(host.dev("/dev")) if _NODE.fullmatch(name)]
    if not names:
        yield from _without_nodes(functions)
        if not every:
            why = "there is no PCI function of an Ascend NPU, nor /dev/davinci0"
            yield Skipped(family=_NAME, what=_NAME, why=why, absent=True)
        return
    try:
        manager = _manager(host)
    except (NodeFault, HostError) as fault:
        hint = "load the driver's module drv_davinci_intf_host, or reinstall the driver"
        yield from (
            Skipped(family=_NAME, what=name, why=f"cannot be used: {fault}", hint=hint, broken=True) for name in names
        )
        return
    chips = _chips(host, functions)
    places = _places(host, functions)
    for name in names:
        yield _look(host, name, chips, places)
    yield _shared(host, manager, chips)


def _is_npu(function: Function) -> bool:
    of_class = (function.class_code or 0) >> 16 == _ACCELERATOR
    return function.device in _BY_ID or (of_class and (function.device or 0) & 0xF000 == 0xD000)  # noqa: PLR2004 - ids


def _without_nodes(functions: Sequence[Function]) -> Iterator[Skipped]:
    for function in functions:
        bound = f"bound to {function.driver}" if function.driver is not None else "bound to no driver"
        yield Skipped(
            family=_NAME,
            what=function.bdf,
            why=f"{_of(function).name}, {bound}: there is no /dev/davinci0",
            hint="install and load the Ascend driver",
        )


def _given_away(function: Function) -> Skipped:
    why = f"{_of(function).name}, bound to {function.driver} for a virtual machine"
    return Skipped(
        family=_NAME, what=function.bdf, why=why, hint="bind it to the Ascend driver to use it in containers"
    )


def _manager(host: Host) -> Node:
    """Return the control node, which is called the same in every container."""
    for name in _MANAGERS:
        if host.node(host.dev(f"/dev/{name}")) is not None:
            return replace(find_node(host, path=f"/dev/{name}"), path=f"/dev/{_MANAGER}")
    return find_node(host, path=f"/dev/{_MANAGER}")


def _chips(host: Host, functions: Sequence[Function]) -> tuple[_Chip, ...]:
    """Return the sorts of chips that there are. What is no PCI function is a system on a chip, told by its nodes."""
    if functions:
        return tuple(dict.fromkeys(_of(function) for function in functions))
    marked = (chip for chip in _CHIPS if chip.mark is not None and host.node(host.dev(f"/dev/{chip.mark}")) is not None)
    return (next(marked, _UNKNOWN),)


def _of(function: Function) -> _Chip:
    return _BY_ID.get(function.device or 0, _UNKNOWN)


def _places(host: Host, functions: Sequence[Function]) -> Mapping[str, Function]:
    """Return the function of each chip by the number of its node; the driver tells, in any function's attribute."""
    by_bdf = {function.bdf: function for function in functions}
    for function in functions:
        try:
            table = host.read_text(f"{function.path}/devdrv_sysfs_bdf_to_devid")
        except HostError:
            continue
        rows = [match for match in map(_ROW.fullmatch, table.lower().splitlines()) if match is not None]
        pairs = ((row["number"], f"{(row['domain'] or '0000:')[-5:]}{row['rest']}") for row in rows)
        return {number: by_bdf[bdf] for number, bdf in pairs if bdf in by_bdf}
    return {}


def _look(host: Host, name: str, chips: Sequence[_Chip], places: Mapping[str, Function]) -> Found | Skipped:
    match = _NODE.fullmatch(name)
    number, virtual = (match["number"], bool(match["virtual"])) if match is not None else (name, False)
    try:
        node = find_node(host, path=f"/dev/{name}")
    except (NodeFault, HostError) as fault:
        return Skipped(family=_NAME, what=name, why=str(fault), broken=True)
    function = None if virtual else places.get(number)
    chip = _of(function).name if function is not None else " or ".join(chip.name for chip in chips)
    attributes: dict[str, str | int | bool | None] = {
        "chip": chip,
        "virtual": virtual,
        "node": node.path,
        "pciAddress": function.bdf if function is not None else None,
        "numaNode": function.numa_node if function is not None else None,
    }
    what = f"virtual NPU, a share of an {chip}" if virtual else chip
    return Found(
        family=_NAME,
        kind=_KIND,
        name=number,
        names={"index": number, "node": name}
        | ({"bdf": function.bdf, "id": function.stable_id} if function is not None else {}),
        also=("bdf",),
        edits=edits_of([replace(node, path=f"/dev/davinci{number}")], permissions="rw", groups=True),
        how=f"{node.host_path}: {what}" + (f", PCI function {function.bdf}" if function is not None else ""),
        attributes=present(attributes),
        warnings=function.unread if function is not None else (),
        in_all=not virtual,  # a share of a chip that `all` has whole
    )


def _shared(host: Host, manager: Node, chips: Sequence[_Chip]) -> Shared:
    nodes, faults = [manager], []
    paths = [f"/dev/{name}" for chip in chips for name in chip.shared]
    paths += [f"{directory}/{name}" for directory in _INTERCONNECT for name in host.names(host.dev(directory))]
    for path in dict.fromkeys(paths):
        try:
            nodes.append(find_node(host, path=path))
        except (NodeFault, HostError) as fault:
            faults.append(str(fault))
    mounts, refused = _mounts(host)
    return Shared(
        family=_NAME,
        kind=_KIND,
        edits=replace(edits_of(nodes, permissions="rw", groups=True), mounts=mounts),
        how=f"what {' and '.join(chip.name for chip in chips)} needs besides its own node",
        warnings=(*faults, *refused),
    )


def _mounts(host: Host) -> tuple[tuple[Mount, ...], tuple[str, ...]]:
    """Return the driver's files as mounts, and why others are none."""
    paths, refused = _listed(host)
    files = host.below(host.driver_root)
    mounts: list[Mount] = []
    for path in dict.fromkeys((*paths, *_TOPOLOGY)):
        try:
            if files.exists(path):
                # A link would lead out of a root of the driver's own.
                place = path if host.driver_root == "/" else host.driver(files.resolve(path))
                mounts.append(Mount(host_path=place, container_path=path, options=_OPTIONS))
        except HostError as error:
            refused.append(error.message)
    return tuple(mounts), tuple(refused)


def _listed(host: Host) -> tuple[Sequence[str], list[str]]:
    """Return the paths that the host lists, one a line, and what is wrong with other lines."""
    try:
        lines = [line.strip() for line in host.read_text(_LIST).splitlines()]
    except HostError as error:
        return _MOUNTS, [] if error.missing else [error.message]
    paths: list[str] = []
    refused: list[str] = []
    for line in (line for line in lines if line and not line.startswith("#")):
        path = posixpath.normpath(line)
        if path.strip("/") and path.startswith("/"):
            paths.append(path)
        else:
            refused.append(f"{_LIST}: {line!r} is no path to mount")
    return paths, refused


FAMILY = Family(name=_NAME, kind=_KIND, summary="Huawei Ascend NPUs, whole and virtual", discover=_discover)
