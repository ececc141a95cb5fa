"""Every node of the NVIDIA driver: for containers that look after GPUs, and must see and partition all of them."""

from __future__ import annotations

__all__ = ["FAMILY"]

import posixpath
from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Shared, Skipped
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.nvidia.driver import read_driver
from cdi.discovery.nvidia.nodes import find_nvidia_node, number_fault
from cdi.discovery.nvidia.procfs import read_version
from cdi.discovery.nvidia.survey import driver_warning
from cdi.host import Host, HostError
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "nvidia-management"
_KIND = "management.nvidia.com/gpu"
_PATTERNS = ("/dev/nvidia*", "/dev/nvidia-caps/nvidia-cap*", "/dev/nvidia-caps-imex-channels/channel*")
# Families of their own bring these: storage, and the switches, which fabric managers look after.
_OTHERS = ("nvidia-fs", "nvidia-nvswitch", "nvidia-nvlink")


def _discover(host: Host, _wanted: frozenset[str]) -> Iterator[Report]:
    is_any = False
    for path in _paths(host):
        name = posixpath.basename(path)
        try:
            node = find_nvidia_node(host, path)
        except (NodeFault, HostError) as fault:
            yield Skipped(family=_NAME, what=name, why=str(fault))
            continue
        is_any = True
        stale = number_fault(host, node)
        yield Found(
            family=_NAME,
            kind=_KIND,
            name=name,
            edits=edits_of([node], groups=True),
            how=f"{node.host_path}, one of all nodes of the driver",
            attributes={"node": node.path, "numbers": node.stat.numbers or ""},
            warnings=(stale,) if stale is not None else (),
        )
    if not is_any:
        yield Skipped(family=_NAME, what=_NAME, why="the driver has no nodes in /dev", absent=True)
        return
    driver = read_driver(host, read_version(host), management=True)
    yield from (driver_warning(warning) for warning in driver.warnings)
    yield Shared(family=_NAME, kind=_KIND, edits=driver.edits, how=driver.how)


def _paths(host: Host) -> list[str]:
    """Return the paths of nodes as containers see them, those of the driver's root among them."""
    roots = dict.fromkeys((host.dev(""), "" if host.dev_root_given else host.driver("")))
    found = {path.removeprefix(root) for root in roots for pattern in _PATTERNS for path in host.glob(root + pattern)}
    wanted = (
        path for path in found if not posixpath.basename(path).startswith(_OTHERS) and not _is_directory(host, path)
    )
    return sorted(wanted, key=natural_key)


def _is_directory(host: Host, path: str) -> bool:
    """Return whether /dev/nvidia-caps or its like is meant, which hold nodes."""
    return any(host.is_dir(place) for place in (host.dev(path), host.driver(path)))


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="all nodes of the NVIDIA driver, for what manages GPUs",
    discover=_discover,
    on_request=True,
)
