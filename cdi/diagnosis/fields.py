"""Step `low-level`: whether the program that makes the containers does what a device asks for."""

from __future__ import annotations

__all__ = ["field_findings"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.view import View
    from cdi.host import Host
    from cdi.model import ContainerEdits

_STEP = "low-level"
_RESCTRL = "/sys/fs/resctrl"
_SINCE = {  # the first releases that have a field
    "netDevices": "runc 1.4 and crun 1.22 move interfaces",
    "intelRdt": "runc 1.0 and crun 1.10 know intelRdt",
    "schemata": "runc 1.4 knows schemata",
    "enableMonitoring": "runc 1.4 and crun 1.24 know enableMonitoring",
}


def field_findings(view: View, edits: ContainerEdits) -> Iterator[Finding]:
    """Yield what runc or crun leaves out without a word, or cannot do on this host or for this user."""
    low_level = view.runtime.low_level if view.runtime is not None else None
    used = _used(edits)
    lacks = low_level.lacks if low_level is not None else ()
    for field in used:
        if low_level is not None and any(lack.rpartition(".")[2] == field for lack in lacks):
            program = f"{low_level.name} {low_level.version or ''}".rstrip()
            yield Finding(
                step=_STEP,
                status="problem",
                message=f"{program} ignores {field}: the container starts without it",
                why=_SINCE[field],
                hint=f"update {low_level.name}, or use another low-level runtime",
            )
    if edits.net_devices and view.account.uid:
        message = f"{view.account.name} cannot have network interfaces moved: that is for root's containers"
        yield Finding(step=_STEP, status="problem", message=message, hint="run the container as root")
    if edits.intel_rdt is not None and not _is_mounted(view.host):
        yield Finding(
            step=_STEP,
            status="problem",
            message=f"the device sets Intel RDT, and {_RESCTRL} is not mounted",
            why="crun does not start the container ('statfs /sys/fs/resctrl'), runc may leave it out",
            hint=f"mount -t resctrl resctrl {_RESCTRL}",
        )
    if low_level is not None and used and not any(lack.rpartition(".")[2] in used for lack in lacks):
        yield Finding(step=_STEP, status="ok", message=f"{low_level.name} knows {', '.join(used)}")


def _used(edits: ContainerEdits) -> list[str]:
    rdt = edits.intel_rdt
    uses = (
        ("netDevices", bool(edits.net_devices)),
        ("intelRdt", rdt is not None),
        ("schemata", rdt is not None and rdt.schemata is not None),
        ("enableMonitoring", rdt is not None and rdt.enable_monitoring),
    )
    return [field for field, is_used in uses if is_used]


def _is_mounted(host: Host) -> bool:
    try:
        return host.exists(f"{_RESCTRL}/schemata")
    except HostError:
        return True  # it cannot be told
