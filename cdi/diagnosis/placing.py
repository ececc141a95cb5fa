"""Step `place`: whether the device is in a file that this runtime reads, and where it is if not."""

from __future__ import annotations

__all__ = ["place_findings"]

from typing import TYPE_CHECKING

from cdi.diagnosis.files import read_file
from cdi.diagnosis.finding import Finding, some
from cdi.diagnosis.hardware import absence, other_name
from cdi.diagnosis.notes import rootless_docker
from cdi.diagnosis.remedies import read_also
from cdi.registry import near_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cdi.diagnosis.case import Case


def place_findings(case: Case) -> Iterator[Finding]:
    """Yield where the device is, or that it is nowhere; broken files and closed directories are for later steps."""
    if case.definers and not any(rootless_docker(case.view)):
        paths = ", ".join(file.path for file in case.definers)
        yield Finding(step="place", status="ok", message=f"defined in {paths}", path=case.definers[0].path)
        return
    found = [*rootless_docker(case.view), *_elsewhere(case), *_strays(case)]
    yield from found
    is_closed = any(one.status in {"problem", "unknown"} for one in case.view.directory_faults)
    if not found and not case.suspects and not is_closed:
        yield _nowhere(case)


def _elsewhere(case: Case) -> Iterator[Finding]:
    """Yield the files that define the device in directories that other runtimes read, not this one."""
    own = [listing.directory for listing in case.view.listings]
    reads = ", ".join(own) or "no directory"
    runtime = case.view.runtime
    reason = runtime.spec_dirs_why if runtime is not None else ""
    for path, file in case.scene.files.items():
        if file.device(case.name) is None:
            continue
        remedies = [f"`cdi install {path} --spec-dir {own[-1]}`"] if own else []
        also = read_also(runtime, own, path.rpartition("/")[0]) if runtime is not None else None
        yield Finding(
            step="place",
            status="problem",
            message=f"it is defined in {path!r}, which {case.view.name or 'no runtime'} does not read",
            why=f"it reads {reads}{f' ({reason})' if reason else ''}",
            hint=" or ".join([*remedies, *([also] if also else [])]) or None,
            path=path,
        )


def _strays(case: Case) -> Iterator[Finding]:
    """Yield the files that would define the device, if their names or places did not keep all runtimes from them."""
    for listing in case.view.listings:
        for path in listing.strays:
            if read_file(case.scene.host, path).device(case.name) is not None:
                inner = path[len(listing.directory) + 1 :]
                why = "runtimes look into no directory below" if "/" in inner else "spec files end in .json or .yaml"
                yield Finding(
                    step="place",
                    status="problem",
                    message=f"{path!r} would define it, and is no spec file for runtimes",
                    why=why,
                    hint=f"mv {path} {listing.directory}/{case.kind.replace('/', '-')}.yaml",
                    path=path,
                )


def _nowhere(case: Case) -> Finding:
    of_kind = [name for name in case.view.scan.devices if name.startswith(f"{case.kind}=")]
    directories = ", ".join(listing.directory for listing in case.view.listings) or "no directory"
    missing = absence(case.scene, case.kind) if not of_kind else None
    return Finding(
        step="place",
        status="problem",
        message=f"no file in {directories} defines {case.name}",
        why=missing.reason if missing is not None else None,
        hint=missing.hint if missing is not None and missing.hint else _meant(case, of_kind),
    )


def _meant(case: Case, of_kind: Sequence[str]) -> str:
    """Return which device may be meant: the same by another name, one that is spelt nearly so, or all there are."""
    offered = case.view.scan.devices
    same = other_name(case.scene, case.name, offered)
    if same is not None:
        return f"that is {same} here: ask for that, or have specs name it so: `cdi generate --name`"
    near = _near_devices(case.name, of_kind) if of_kind else near_names(case.name, offered)
    near += [name for name in offered if name not in near and _is_namesake(name, case.name)]
    if near:
        return f"did you mean {' or '.join(near[:3])}?"
    if of_kind:
        return f"{case.kind} has {some([_last(name) for name in of_kind])}"
    return "`cdi devices` lists what there is; `cdi generate --install` writes specs for what this node has"


def _near_devices(name: str, of_kind: Sequence[str]) -> list[str]:
    """Return the devices of a kind that are spelt nearly as one that it does not have."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes need it

    by_device = {_last(one): one for one in of_kind}
    return [by_device[device] for device in get_close_matches(_last(name), by_device)]


def _is_namesake(name: str, other: str) -> bool:
    """Return whether two names differ in the vendor only: management.nvidia.com/gpu=0 and nvidia.com/gpu=0."""
    return name.partition("/")[2] == other.partition("/")[2]


def _last(name: str) -> str:
    return name.partition("=")[2]
