"""The integrated GPUs of NVIDIA's Tegra boards (Jetson), by the lists of files that the board's software brings.

The nvgpu driver has dozens of nodes that only belong together by these lists. NVML is not asked: it knows an
integrated GPU on some releases only, and no node of it.
"""

from __future__ import annotations

__all__ = ["FAMILY"]

import posixpath
import re
from typing import TYPE_CHECKING

import msgspec

from cdi.discovery.found import Family, Found, Report, Shared, Skipped
from cdi.discovery.hook_program import find_hook
from cdi.discovery.node import Node, NodeFault, edits_of, find_node
from cdi.discovery.nvidia.libraries import Libraries, Library, driver_host
from cdi.discovery.nvidia.mount_lists import Row, parse_mount_list
from cdi.discovery.nvidia.mounts import FILE_OPTIONS, NO_LEGACY, DriverFiles
from cdi.discovery.pci import list_functions
from cdi.hooks import CREATE_SYMLINKS, call
from cdi.host import HostError
from cdi.model import ContainerEdits, Mount
from cdi.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.discovery.pci import Function
    from cdi.host import Host
    from cdi.model import Hook


_NAME = "nvidia-tegra"
_KIND = "nvidia.com/igpu"
_LISTS = "/etc/nvidia-container-runtime/host-files-for-container.d"
_READ = ("devices.csv", "drivers.csv", "l4t.csv")  # others, of older releases, are for containers without CUDA in them
_RELEASE_FILE = "/etc/nv_tegra_release"
_SOC_FAMILY = "/sys/devices/soc0/family"
_MODEL = "/proc/device-tree/model"
# # R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: …
_RELEASE = re.compile(r"# R(?P<major>\d+) \(release\), REVISION: (?P<minor>[\d.]+)")
_LIBRARY = re.compile(r"lib.+\.so(\..*)?")
_NVIDIA, _DISPLAY = 0x10DE, 0x03
_INTEGRATED = "0000:01:00.0"  # Thor's own GPU is a PCI function, and always this one
# With a discrete GPU the second node is that one's, and the third the integrated GPU's display.
_DISCRETE_NODE, _DISPLAY_NODE = "/dev/nvidia1", "/dev/nvidia2"
_EXAMPLES = 3
_HINT_LISTS = "the package nvidia-l4t-init has them: apt-get install --reinstall nvidia-l4t-init"
_HINT_NODES = "`modprobe nvgpu` loads the driver; `dmesg` says why it does not"


class _Files(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows of files came to."""

    mounts: tuple[Mount, ...]
    links: dict[str, str]  # link to target
    missing: tuple[str, ...]
    unread: tuple[str, ...]


def _discover(host: Host, _: frozenset[str]) -> Iterator[Report]:
    names, rows, problems = _read_lists(host)
    yield from problems
    if not rows:
        if _is_tegra(host):
            why = f"{_LISTS} has none of {', '.join(_READ)}, which say what belongs to the GPU"
            yield Skipped(family=_NAME, what="0", why=why, hint=_HINT_LISTS)
        return
    discrete = [function.bdf for function in list_functions(host, vendor=_NVIDIA) if _is_discrete(function)]
    wanted = [row.path for row in rows if row.kind == "dev"]
    nodes, missing, faults = _nodes(host, _of_integrated(wanted) if discrete else wanted)
    if not nodes:
        why = f"none of the {len(wanted)} device nodes in {', '.join(names)} of {_LISTS} is there"
        yield Skipped(family=_NAME, what="0", why=why, hint=_HINT_NODES)
        return
    what = _text(host, _MODEL) or "Tegra"
    release = _release(host)
    beside = f"; the discrete GPU {', '.join(discrete)} is of the family nvidia-gpu" if discrete else ""
    yield Found(
        family=_NAME,
        kind=_KIND,
        name="0",
        names={"index": "0"},
        edits=edits_of(nodes, groups=True),
        how=f"{what}: {len(nodes)} nodes that {', '.join(names)} in {_LISTS} list{beside}",
        attributes={
            key: value
            for key, value in {"model": _text(host, _MODEL), "l4tRelease": release, "nodes": len(nodes)}.items()
            if value is not None
        },
        warnings=(*_summary(missing, len(wanted), "device nodes"), *faults),
    )
    yield from _shared(host, names, [row for row in rows if row.kind != "dev"])


def _is_discrete(function: Function) -> bool:
    return (function.class_code or 0) >> 16 == _DISPLAY and function.bdf != _INTEGRATED


def _of_integrated(paths: list[str]) -> list[str]:
    return [*(path for path in paths if path != _DISCRETE_NODE), _DISPLAY_NODE]


def _read_lists(host: Host) -> tuple[list[str], list[Row], list[Problem]]:
    names: list[str] = []
    rows: dict[Row, None] = {}
    problems: list[Problem] = []
    for name in _READ:
        path = f"{_LISTS}/{name}"
        try:
            found = parse_mount_list(host.read_text(path), source=path)
        except HostError as error:
            if not error.missing:
                problems.append(Problem(severity="warning", rule="host-unreadable", message=error.message))
            continue
        names.append(name)
        rows |= dict.fromkeys(found.rows)
        problems += found.problems
    return names, list(rows), problems


def _is_tegra(host: Host) -> bool:
    family = _text(host, _SOC_FAMILY) or ""
    return _text(host, _RELEASE_FILE) is not None or family.lower().startswith("tegra")


def _release(host: Host) -> str | None:
    match = _RELEASE.match(_text(host, _RELEASE_FILE) or "")
    return f"R{match['major']}.{match['minor']}" if match is not None else None


def _text(host: Host, path: str) -> str | None:
    try:
        return host.read_text(path).strip("\0\n ") or None
    except HostError:
        return None


def _nodes(host: Host, patterns: list[str]) -> tuple[list[Node], list[str], list[str]]:
    """Return the nodes that patterns match, the patterns that match nothing, and what cannot be used, and why."""
    nodes: dict[str, Node] = {}
    missing: list[str] = []
    faults: list[str] = []
    above = host.dev("")
    for pattern in patterns:
        try:
            paths = [path.removeprefix(above) for path in host.glob(above + pattern)]
            nodes |= {path: find_node(host, path=path) for path in paths}
        except (HostError, NodeFault) as fault:
            faults.append(str(fault))
            continue
        if not paths:
            missing.append(pattern)
    return list(nodes.values()), missing, faults


def _shared(host: Host, names: list[str], rows: list[Row]) -> Iterator[Report]:
    root = driver_host(host)
    if root is None:
        why = f"there is no {host.driver_root}, the driver root: containers get no libraries"
        yield Shared(family=_NAME, kind=_KIND, edits=ContainerEdits(env=(NO_LEGACY,)), how=why, warnings=(why,))
        return
    files = _files(host, root, rows)
    folders = dict.fromkeys(
        posixpath.dirname(mount.container_path)
        for mount in files.mounts
        if _LIBRARY.fullmatch(posixpath.basename(mount.container_path))
    )
    below = f" below {host.driver_root}" if host.driver_root != "/" else ""
    yield Shared(
        family=_NAME,
        kind=_KIND,
        edits=ContainerEdits(
            env=(NO_LEGACY,), mounts=files.mounts, hooks=tuple(_hooks(find_hook(host), files.links, list(folders)))
        ),
        how=f"{len(files.mounts)} files and {len(files.links)} links{below} that {', '.join(names)} in {_LISTS} list",
        warnings=(*_summary(files.missing, len(rows), "files"), *files.unread),
    )


def _files(host: Host, root: Host, rows: list[Row]) -> _Files:
    files, libraries = DriverFiles(host, root), Libraries(root)
    mounts: list[Mount] = []
    links: dict[str, str] = {}
    chains: dict[str, str] = {}
    missing: list[str] = []
    for row in rows:
        paths = list(files.glob(row.path))
        if not paths:
            missing.append(row.path)
        for path in paths:
            if row.kind == "sym":
                chains |= _chain(root, path)
            is_directory = root.is_dir(path)
            if row.kind == "dir" and is_directory:
                mounts.append(files.mount(path))
            elif not is_directory and row.kind != "dir":
                real = root.resolve(path)
                mounts.append(files.mount(real))
                links |= {link: target for target, link in libraries.links(_library(real))} if row.kind == "lib" else {}
    if _text(host, _RELEASE_FILE) is not None:
        mounts.append(Mount(host_path=_RELEASE_FILE, container_path=_RELEASE_FILE, options=FILE_OPTIONS))
    return _Files(
        mounts=tuple({mount.container_path: mount for mount in mounts}.values()),
        links=links | chains,
        missing=tuple(missing),
        unread=tuple(dict.fromkeys((*files.unread, *libraries.unread, *libraries.unsure))),
    )


def _library(path: str) -> Library:
    directory, _, name = path.rpartition("/")
    return Library(directory=directory or "/", name=name, bits=None)


def _chain(root: Host, path: str) -> dict[str, str]:
    """Return a link, and the links that it leads to, each with its target as it is written."""
    chain: dict[str, str] = {}
    while path not in chain:
        try:
            chain[path] = root.readlink(path)
        except HostError:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), chain[path]))
    return chain


def _hooks(program: str, links: dict[str, str], folders: list[str]) -> Iterator[Hook]:
    if links:
        words = [word for link, target in links.items() for word in ("--link", f"{target}::{link}")]
        yield call(program, CREATE_SYMLINKS, *words)
    if folders:
        yield call(program, "update-ldcache", *(word for folder in folders for word in ("--folder", folder)))


def _summary(missing: list[str] | tuple[str, ...], total: int, what: str) -> Iterator[str]:
    """Yield at most one sentence: the lists are those of every board of a release, so that each board lacks some."""
    if missing:
        more = ", …" if len(missing) > _EXAMPLES else ""
        yield f"{len(missing)} of {total} listed {what} are not on this host: {', '.join(missing[:_EXAMPLES])}{more}"


FAMILY = Family(name=_NAME, kind=_KIND, summary="integrated GPUs of NVIDIA Tegra boards (Jetson)", discover=_discover)
