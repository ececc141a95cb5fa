"""NVIDIA GPUs under the Windows Subsystem for Linux: one node for all that Windows shares, and its driver's files.

Windows mounts its driver store, old drivers included, and the libraries that talk to it:

    /usr/lib/wsl/lib/libdxcore.so
    /usr/lib/wsl/drivers/nv_dispi.inf_amd64_6d5e6c1a0f1f2a3b/libcuda.so.1.1

Which driver is in use only dxcore can tell, a library that would have to be loaded; so the store is found by what
is in it.
"""

from __future__ import annotations

__all__ = ["FAMILY"]

import posixpath
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Shared, Skipped
from cdi.discovery.hook_program import find_hook
from cdi.discovery.node import NodeFault, edits_of, find_node
from cdi.discovery.nvidia.libraries import Libraries, driver_host
from cdi.discovery.nvidia.mounts import NO_LEGACY, DriverFiles
from cdi.hooks import CREATE_SYMLINKS, call
from cdi.host import HostError
from cdi.model import ContainerEdits
from cdi.names import natural_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cdi.host import Host

_NAME = "nvidia-wsl"
_KIND = "nvidia.com/dxg"
# Not "0": the node reaches every GPU that Windows shares, and none of them alone.
_DEVICE = "dxg"
_NODE = "/dev/dxg"
_DXCORE = "libdxcore.so"
_LIBRARIES = "/usr/lib/wsl/lib"
_STORES = "/usr/lib/wsl/drivers"
_CUDA = "libcuda.so.1.1"
_SMI = "nvidia-smi"
_FILES = ("*.so*", "*.bin", "*.dll", _SMI)
_INF_LIMIT = 16 << 20
_DRIVER_VERSION = re.compile(r"^\s*DriverVer\s*=[^,\n]*,\s*(?P<version>\d+(?:\.\d+)+)", re.MULTILINE | re.IGNORECASE)
_HINT_NODE = "WSL 2 makes it when Windows shares a GPU: `wsl --update` in Windows, then `wsl --shutdown`"
_HINT_DXCORE = "WSL mounts it at /usr/lib/wsl/lib when it starts: `wsl --update` in Windows, then `wsl --shutdown`"
_HINT_STORE = "install NVIDIA's driver in Windows, none in Linux, then `wsl --shutdown` in Windows"


def _discover(host: Host, _: frozenset[str]) -> Iterator[Report]:
    root = driver_host(host)
    files = DriverFiles(host, root) if root is not None else None
    if host.node(host.dev(_NODE)) is None:
        if files is not None and files.lookup(f"{_LIBRARIES}/{_DXCORE}") is not None:
            yield Skipped(family=_NAME, what=_DEVICE, why=f"there is no {host.dev(_NODE)}", hint=_HINT_NODE)
        return
    if files is None:
        yield Skipped(family=_NAME, what=_DEVICE, why=f"there is no {host.driver_root}, the driver root")
        return
    dxcore = _dxcore(files)
    if dxcore is None:
        why = f"there is no {_DXCORE}, neither in {_LIBRARIES} nor where the linker looks"
        yield Skipped(family=_NAME, what=_DEVICE, why=why, hint=_HINT_DXCORE)
        return
    stores = _stores(files)
    if not stores:
        why = f"no directory in {_STORES} has {_CUDA}: Windows shares a GPU, but no driver of NVIDIA's"
        yield Skipped(family=_NAME, what=_DEVICE, why=why, hint=_HINT_STORE)
        return
    yield from _offered(host, files, dxcore, stores)


def _offered(host: Host, files: DriverFiles, dxcore: str, stores: list[str]) -> Iterator[Report]:
    try:
        node = find_node(host, path=_NODE)
    except NodeFault as fault:
        yield Skipped(family=_NAME, what=_DEVICE, why=str(fault))
        return
    store, version, warnings = _newest(files, stores)
    yield Found(
        family=_NAME,
        kind=_KIND,
        name=_DEVICE,
        edits=edits_of([node], groups=True),
        how=f"{node.host_path}: every GPU that Windows shares; driver store {store}",
        attributes={"driverStore": store} | ({"windowsDriverVersion": version} if version else {}),
        warnings=warnings,
    )
    names = [name for name in files.root.listdir(store) if any(fnmatchcase(name, pattern) for pattern in _FILES)]
    paths = [path for path in (f"{store}/{name}" for name in names) if files.is_file(path)]
    program = find_hook(host)
    smi = f"{store}/{_SMI}"
    link = [call(program, CREATE_SYMLINKS, "--link", f"{smi}::/usr/bin/{_SMI}")] if smi in paths else []
    folders = dict.fromkeys((store, posixpath.dirname(dxcore)))
    searched = call(program, "update-ldcache", *(word for folder in folders for word in ("--folder", folder)))
    yield Shared(
        family=_NAME,
        kind=_KIND,
        edits=ContainerEdits(
            env=(NO_LEGACY,),
            mounts=tuple(files.mount(path) for path in (dxcore, *paths)),
            hooks=(*link, searched),
        ),
        how=f"{dxcore}, {len(paths)} files in {store}",
        warnings=tuple(dict.fromkeys(files.unread)),
    )


def _dxcore(files: DriverFiles) -> str | None:
    path = f"{_LIBRARIES}/{_DXCORE}"
    if files.is_file(path):
        return path
    return next((library.path for library in Libraries(files.root).find(re.escape(_DXCORE))), None)


def _stores(files: DriverFiles) -> list[str]:
    """Return the directories of the driver store with CUDA in them.

    There are a thousand others, each question about one asks Windows, and NVIDIA's all begin with nv.
    """
    try:
        names = files.root.listdir(_STORES)
    except HostError:
        return []
    likely = [name for name in names if name.lower().startswith("nv")]
    places = (f"{_STORES}/{name}" for name in likely or names)
    return [place for place in places if files.is_file(f"{place}/{_CUDA}")]


def _newest(files: DriverFiles, stores: list[str]) -> tuple[str, str | None, tuple[str, ...]]:
    """Return the store of the newest driver, its version as Windows counts, and a warning if there are others.

    6d5e…/nv_dispi.inf   DriverVer = 10/18/2024, 32.0.15.6614
    """
    versions = {store: _version(files, store) for store in stores}
    store = max(stores, key=lambda store: (versions[store] is not None, natural_key(versions[store] or store)))
    if len(stores) == 1:
        return store, versions[store], ()
    others = ", ".join(other for other in stores if other != store)
    why = f"the newest, {versions[store]}" if versions[store] else "the last by name, their versions are unknown"
    warning = (
        f"several drivers have CUDA; taken is {store}, {why}; others: {others}."
        " If CUDA does not start, remove the drivers that Windows does not use (pnputil /delete-driver)"
    )
    return store, versions[store], (warning,)


def _version(files: DriverFiles, store: str) -> str | None:
    """Return the version that is in the driver's description: in nv_dispi.inf for nv_dispi.inf_amd64_6d5e…."""
    name = store.rpartition("/")[2].partition(".inf_")[0] + ".inf"
    try:
        raw = files.root.read_bytes(f"{store}/{name}", limit=_INF_LIMIT)
    except HostError:
        return None
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    match = _DRIVER_VERSION.search(raw.decode(encoding, "replace"))
    return match["version"] if match is not None else None


FAMILY = Family(name=_NAME, kind=_KIND, summary="NVIDIA GPUs under WSL", discover=_discover)
