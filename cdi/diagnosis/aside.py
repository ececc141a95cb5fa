"""Runtimes that are there and that no container with devices depends on: what they lack is no fault of the node."""

from __future__ import annotations

__all__ = ["set_aside"]

from typing import TYPE_CHECKING

from cdi.diagnosis.finding import Finding
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.host import Host
    from cdi.runtimes import Runtime

# Programs that come with another runtime, and are set aside if they have no CDI.
_COMES_WITH = {"buildah": "podman", "buildkit": "docker", "ctr": "containerd", "nerdctl": "containerd"}
_KUBELET = ("/usr/bin/kubelet", "/usr/local/bin/kubelet", "/opt/bin/kubelet", "/snap/bin/kubelet", "/var/lib/kubelet")


def set_aside(host: Host, runtimes: Sequence[Runtime]) -> tuple[tuple[Runtime, ...], tuple[Finding, ...]]:
    """Return the runtimes to look at, and a note for each of the others."""
    names = {one.name for one in runtimes}
    reasons = [_reason(host, one, names) for one in runtimes]
    kept = tuple(one for one, reason in zip(runtimes, reasons, strict=True) if reason is None)
    notes = (
        Finding(
            step="notes",
            status="note",
            message=f"{one.release or one.name} is left aside: {reason}",
            hint=f"`--runtime {one.name}` looks at it",
            runtime=one.release or one.name,
        )
        for one, reason in zip(runtimes, reasons, strict=True)
        if reason is not None
    )
    return kept, tuple(notes)


def _reason(host: Host, runtime: Runtime, names: set[str]) -> str | None:
    if runtime.name == "containerd" and _is_dockers(host, names):
        return "Docker starts its containers with it, devices and all; no kubelet is here to ask it for more"
    if runtime.name == "ctr" and "containerd" in names and _is_dockers(host, names):
        return "it is containerd's, which serves Docker here"
    if runtime.enabled is False and _COMES_WITH.get(runtime.name) in names:
        return runtime.enabled_why or "it takes no CDI names"
    return None


def _is_dockers(host: Host, names: set[str]) -> bool:
    """Return whether containerd is there for Docker alone."""
    try:
        return "docker" in names and "nerdctl" not in names and not any(map(host.exists, _KUBELET))
    except HostError:
        return False
