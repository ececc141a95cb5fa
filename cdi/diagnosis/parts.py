"""Steps `nodes` and `mounts`: whether what a device brings into a container is on the host, and may be used."""

from __future__ import annotations

__all__ = ["part_findings"]

from typing import TYPE_CHECKING

from msgspec.structs import replace

from cdi.diagnosis.loading import placed
from cdi.diagnosis.selinux import device_switch, foreign_label, is_enforcing
from cdi.host import HostError
from cdi.hostcheck import check_edits
from cdi.problem import Problem
from cdi.report import locate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.diagnosis.account import Account
    from cdi.diagnosis.files import SpecFile
    from cdi.diagnosis.finding import Finding, Status
    from cdi.host import Host, Stat
    from cdi.model import ContainerEdits

_MISSING, _UNKNOWN = "host-mount-missing", "host-node-unknown"
_NODES = ("host-node-", "host-net-", "account-", "selinux-node")
_WHY = {
    "host-node-missing": "the container does not start ('failed to stat CDI host device'), or opens what is not there",
    "host-node-numbers": "the node was renumbered since the spec was written",
    "host-mount-missing": "the container does not start: 'error mounting', 'error stat'ing file'",
    "host-hook-missing": "the container does not start: 'error running hook', 'error executing hook'",
    "host-hook-mode": "the container does not start: 'error running hook … permission denied'",
    "mount-not-bind": "the container does not start: 'no such device'",
    "account-node": "in a rootless container a device is opened with the rights of the user",
    "selinux-node": "containers are confined unless they run with `--security-opt label=disable`",
    "selinux-mount": "containers are confined unless they run with `--security-opt label=disable`",
}


def part_findings(
    host: Host, file: SpecFile, edits: ContainerEdits, where: str, account: Account | None
) -> tuple[Finding, ...]:
    """Return what is wrong with the nodes, interfaces, mounts and hooks of edits, with their lines in the file."""
    found = [
        *_without_repeats(check_edits(edits, where, host)),
        *_unbound(edits, where),
        *(_closed_nodes(host, edits, where, account) if account is not None else ()),
        *(_labels(host, edits, where) if is_enforcing(host) else ()),
    ]
    return tuple(
        placed(
            problem,
            file,
            step="nodes" if problem.rule.startswith(_NODES) else "mounts",
            status=_status(problem),
            why=_WHY.get(problem.rule),
        )
        for problem in (locate(file.content, found) if found else ())
    )


def _without_repeats(found: Iterator[Problem]) -> Iterator[Problem]:
    """Yield problems, of the files that are not there to mount only the first: an update renames dozens at once."""
    every = list(found)
    missing = [problem for problem in every if problem.rule == _MISSING]
    for problem in every:
        if problem.rule != _MISSING or len(missing) == 1:
            yield problem
        elif problem is missing[0]:
            yield replace(problem, message=f"{problem.message}, nor the files of {len(missing) - 1} mounts below it")


def _unbound(edits: ContainerEdits, where: str) -> Iterator[Problem]:
    """Yield mounts that no low-level runtime can make, though what they mount is there."""
    for i, mount in enumerate(edits.mounts):
        if not mount.type and not {"bind", "rbind"}.intersection(mount.options):
            yield Problem(
                severity="error",
                rule="mount-not-bind",
                message=f"the mount of {mount.host_path!r} has neither a type nor a bind option",
                where=f"{where}.mounts[{i}]",
                hint="add 'bind' or 'rbind' to its options",
            )


def _status(problem: Problem) -> Status:
    if problem.rule == _UNKNOWN:
        return "unknown"
    return "problem" if problem.severity == "error" else "warning"


def _closed_nodes(host: Host, edits: ContainerEdits, where: str, account: Account) -> Iterator[Problem]:
    """Yield the nodes that a user may not open, and so no rootless container of that user."""
    for i, node in enumerate(edits.device_nodes):
        path = node.host_path or node.path
        stat = _node(host, path)
        if stat is not None and not account.may(stat, 0o6):
            yield Problem(
                severity="error",
                rule="account-node",
                message=f"{account.name} may not open {path!r}, its mode is {stat.mode:04o}, its group {stat.gid}",
                where=f"{where}.deviceNodes[{i}].path",
                hint=f"add {account.name} to the group, and run containers with `--group-add keep-groups`",
            )


def _labels(host: Host, edits: ContainerEdits, where: str) -> Iterator[Problem]:
    """Yield what SELinux keeps confined containers from, though the runtime hands it out."""
    for i, node in enumerate(edits.device_nodes):
        switch = device_switch(host, node.host_path or node.path)
        if switch is not None:
            label, boolean = switch
            yield Problem(
                severity="warning",
                rule="selinux-node",
                message=f"SELinux keeps confined containers from {node.path!r}: its label is {label}",
                where=f"{where}.deviceNodes[{i}].path",
                hint=f"setsebool -P {boolean} on",
            )
    places = [(hook.path, f"hooks[{i}].path") for i, hook in enumerate(edits.hooks)]
    places += [(mount.host_path, f"mounts[{i}].hostPath") for i, mount in enumerate(edits.mounts) if not mount.type]
    for path, key in places:
        foreign = foreign_label(host, path)
        if foreign is not None:
            yield Problem(
                severity="warning",
                rule="selinux-mount",
                message=f"SELinux keeps confined containers from {path!r}: its label is {foreign}",
                where=f"{where}.{key}",
                hint=f"restorecon -v {path}",
            )


def _node(host: Host, path: str) -> Stat | None:
    try:
        return host.node(path)
    except HostError:
        return None
