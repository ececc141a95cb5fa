"""What no file of a node says and its users trip over: by version, and by what is installed beside a runtime."""

from __future__ import annotations

__all__ = ["limit_findings", "remark_findings", "rootless_docker", "unwritten"]

from typing import TYPE_CHECKING, NamedTuple

from cdi.diagnosis.finding import Finding
from cdi.diagnosis.release import numbers
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cdi.diagnosis.view import View
    from cdi.host import Host

    _Table = dict[str, tuple[Callable[[View], Iterator[Finding]], ...]]

_STEP = "notes"


class _Since(NamedTuple):
    """A limit of all releases of a runtime below `release`."""

    runtime: str
    release: tuple[int, ...]
    message: str
    hint: str


_LIMITS = (
    _Since(
        "docker",
        (28, 2),
        "containers with `restart: always` and CDI devices do not come back when dockerd starts (moby#49989)",
        "update to 28.2, or start them from a systemd unit",
    ),
    _Since(
        "podman",
        (5, 1),
        "`podman build --device` takes no CDI names: 'getting info of source device … no such file or directory'",
        "update to 5.1, or give the device to `podman run`",
    ),
    _Since(
        "podman",
        (5, 4),
        "`driver: cdi` in compose files needs podman 5.4; 4.9 ignores `devices:` of a deploy section without a word",
        "write `devices: [vendor.com/class=name]` of the service, or use `podman run --device`",
    ),
)
_SHIMS = ("/usr/bin/cri-dockerd", "/usr/local/bin/cri-dockerd", "/opt/bin/cri-dockerd")
_REFRESH = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def remark_findings(view: View) -> Iterator[Finding]:
    """Yield what is odd about how a runtime is set up, and may be why it does not do what its settings seem to say."""
    if view.runtime is not None:
        yield from (Finding(step=_STEP, status="note", message=remark) for remark in view.runtime.remarks)
        yield from _explained(view, _SETUP)


def limit_findings(view: View) -> Iterator[Finding]:
    """Yield where a runtime that reads specs does not give devices all the same, or only with something else."""
    runtime = view.runtime
    if runtime is None or not view.reads_specs:
        return
    version = numbers(runtime.version)
    for limit in _LIMITS:
        if limit.runtime == runtime.name and version is not None and version < limit.release:
            yield Finding(step=_STEP, status="note", message=limit.message, hint=limit.hint)
    yield from _explained(view, _USES)
    yield from _missing_directories(view)


def _explained(view: View, table: _Table) -> Iterator[Finding]:
    for explain in table.get(view.runtime.name if view.runtime is not None else "", ()):
        try:
            yield from explain(view)
        except HostError:
            continue  # what cannot be seen is not worth a word


def rootless_docker(view: View) -> Iterator[Finding]:
    """Yield that a dockerd of a user has directories of its own, and does not see those of the host."""
    runtime = view.runtime
    version = numbers(runtime.version) if runtime is not None else None
    if runtime is None or runtime.name != "docker" or not view.account.uid or version is None or version >= (29, 2):
        return
    yield Finding(
        step="place",
        status="problem",
        message=f"rootless {view.name} does not see {' and '.join(runtime.spec_dirs) or 'the directories of the host'}",
        why="it runs in a file system of its own; from 29.2 on it also reads ~/.config/cdi and $XDG_RUNTIME_DIR/cdi",
        hint="update, and install specs with --spec-dir ~/.config/cdi, or name it in ~/.config/docker/daemon.json",
    )


def _cri_dockerd(view: View) -> Iterator[Finding]:
    program = next((path for path in _SHIMS if view.host.exists(path)), None)
    if program is not None:
        yield Finding(
            step=_STEP,
            status="warning",
            message=f"{program} does not pass CDI devices on to Docker: device plugins and DRA cannot work",
            why="Mirantis/cri-dockerd#558: what the kubelet asks for is dropped",
            hint="have the kubelet use containerd, which is there beside Docker",
            path=program,
        )


def _unread_drop_ins(view: View) -> Iterator[Finding]:
    read = view.runtime.configs if view.runtime is not None else ()
    for path in view.host.glob("/etc/containerd/conf.d/*.toml"):
        if path not in read:
            yield Finding(
                step=_STEP,
                status="warning",
                message=f"containerd does not read {path}: no `imports` of /etc/containerd/config.toml names it",
                why="`containerd config dump` of 2.2 and later shows the import although it is not made",
                hint='add imports = ["/etc/containerd/conf.d/*.toml"] to /etc/containerd/config.toml',
                path=path,
            )


def _templates(view: View) -> Iterator[Finding]:
    name = view.runtime.name if view.runtime is not None else ""
    home = f"/var/lib/rancher/{name}/agent/etc/containerd"
    if view.host.exists(f"{home}/config.toml.tmpl") and not view.host.exists(f"{home}/config-v3.toml.tmpl"):
        yield Finding(
            step=_STEP,
            status="note",
            message=f"{home}/config.toml.tmpl is for containerd 1.7, containerd 2 has config-v3.toml.tmpl",
            hint=f"a drop-in needs no template: {home}/config-v3.toml.d/*.toml",
            path=f"{home}/config.toml.tmpl",
        )


def _builds_with_runc(view: View) -> Iterator[Finding]:
    low_level = view.runtime.low_level if view.runtime is not None else None
    if low_level is not None and low_level.name == "runc" and any(_has_nodes(view)):
        message = "builds with device nodes fail under runc: 'device access at 2 field cannot be empty'"
        yield Finding(step=_STEP, status="note", message=message, hint="build with crun, or without devices")


def _entitlements(view: View) -> Iterator[Finding]:
    key = "org.mobyproject.buildkit.device.autoallow"
    asking = [
        loaded.spec.kind
        for loaded in view.scan.specs
        if key not in loaded.spec.annotations and not all(key in device.annotations for device in loaded.spec.devices)
    ]
    if asking:
        yield Finding(
            step=_STEP,
            status="note",
            message=f"`RUN --device` of {', '.join(dict.fromkeys(asking))} needs `--allow device` at each build",
            why="'granting entitlement device is not allowed by build daemon configuration'",
            hint=f'or annotate the spec: {key}: "true"',
        )


def _has_nodes(view: View) -> Iterator[bool]:
    for loaded in view.scan.specs:
        yield from (bool(one.device_nodes) for one in (loaded.spec.container_edits,))
        yield from (bool(device.container_edits.device_nodes) for device in loaded.spec.devices)


def _missing_directories(view: View) -> Iterator[Finding]:
    missing = [listing.directory for listing in view.listings if listing.missing]
    if missing:
        yield Finding(
            step=_STEP,
            status="note",
            message=f"there is no {' and no '.join(missing)}",
            why="dockerd warns of it, and releases with a CDI library of old do not load any spec",
            hint=f"mkdir -p -m 0755 {' '.join(missing)}",
        )


def unwritten(host: Host, kinds: frozenset[str]) -> Iterator[Finding]:
    """Yield that NVIDIA's own service should have written a spec, and has not."""
    unit = next((f"{home}/{_UNIT}" for home in _REFRESH if _exists(host, f"{home}/{_UNIT}")), None)
    if unit is not None and "nvidia.com/gpu" not in kinds:
        yield Finding(
            step=_STEP,
            status="warning",
            message=f"{_UNIT} is installed, and there is no spec of nvidia.com/gpu",
            why="at boot it fails when the driver is not loaded yet",
            hint=f"journalctl -u {_UNIT}; systemctl restart {_UNIT}",
            path=unit,
        )


_UNIT = "nvidia-cdi-refresh.service"


def _exists(host: Host, path: str) -> bool:
    try:
        return host.exists(path)
    except HostError:
        return False


_SETUP: _Table = {
    "containerd": (_unread_drop_ins,),
    "docker": (_cri_dockerd, rootless_docker),
    "k3s": (_templates,),
    "rke2": (_templates,),
}
_USES: _Table = {"buildah": (_builds_with_runc,), "buildkit": (_entitlements,)}
