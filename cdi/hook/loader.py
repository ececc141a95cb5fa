"""Where a container's loader looks for libraries: ld.so.conf with its drop-ins, musl's path file, and the cache."""

from __future__ import annotations

__all__ = ["add_directories", "prefer_directory", "update_cache"]

import platform
import posixpath
import stat
import zlib
from typing import TYPE_CHECKING

from cdi.errors import CdiError
from cdi.hook.confined import run_ldconfig

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cdi.hook.root import ContainerRoot

_CONF = "/etc/ld.so.conf"
_CONF_D = "/etc/ld.so.conf.d"
# Without the auxiliary cache, which is one hostile file less to read.
_ARGUMENTS = ("-i", "-f", _CONF, "-C", "/etc/ld.so.cache")
_INCLUDE = b"include /etc/ld.so.conf.d/*.conf\n"
_DROP_INS = frozenset({b"/etc/ld.so.conf.d/*.conf", b"ld.so.conf.d/*.conf"})
_MAX_CONF = 1 << 20
_MAX_DROP_IN = 1 << 16
_MAX_DROP_INS = 1000
_MUSL_DEFAULT = ("/lib", "/usr/local/lib", "/usr/lib")  # musl's ldso/dynlink.c, without a path file
# Where loaders look without being told. The ldconfig of a host knows those of its own distribution only.
_TRIPLETS = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu", "ppc64le": "powerpc64le-linux-gnu"}
_SYSTEM = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")


def update_cache(root: ContainerRoot, folders: Sequence[str], ldconfig: str) -> None:
    """Let the loader find the libraries in folders: told in its configuration, and in its cache.

    `ldconfig` is the path of the host's program, which is run confined to the root.
    """
    add_directories(root, folders)
    if _is_glibc(root) or not _musl_loader(root):
        _refuse_odd_files(root)
        run_ldconfig(root, ldconfig, _ARGUMENTS)


def add_directories(root: ContainerRoot, folders: Sequence[str]) -> None:
    """Add folders to what the loader of a container searches, unless it does already."""
    system = _system_directories(root)
    known = {*system, *_configured(root)}
    new = [folder for folder in dict.fromkeys(folders) if folder not in known]
    if _is_glibc(root) or not _musl_loader(root):
        _ensure_include(root)
        if new:
            # After the 00-compat drop-ins, before those of the image; the same folders have the same name.
            _write_list(root, f"00-devices-{zlib.crc32(chr(10).join(new).encode('utf-8', 'surrogateescape')):08x}", new)
        _write_list(root, "zz-devices-system", system)
    if loader := _musl_loader(root):
        _add_to_musl(root, loader, folders)


def prefer_directory(root: ContainerRoot, folder: str) -> bool:
    """Have the loader search a folder before all others, and return whether that changed anything."""
    _ensure_include(root)
    return _write_list(root, "00-compat-cdi", [folder])


def _refuse_odd_files(root: ContainerRoot) -> None:
    """Raise at once for what would keep ldconfig waiting, as a FIFO does, until its time is over."""
    for path in (_CONF, *(f"{_CONF_D}/{name}" for name in root.names(_CONF_D) if name.endswith(".conf"))):
        found = root.status(path)
        if found is not None and not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            message = f"{path!r} of the container is not a regular file"
            raise CdiError(message)


def _write_list(root: ContainerRoot, name: str, folders: Iterable[str]) -> bool:
    text = "".join(f"{folder}\n" for folder in folders)
    return root.write(f"{_CONF_D}/{name}.conf", text.encode("utf-8", "surrogateescape"))


def _ensure_include(root: ContainerRoot) -> None:
    """See to it that ld.so.conf includes the drop-ins; those of distributions do."""
    present = root.read(_CONF, _MAX_CONF)
    if present is None and root.status(_CONF) is None:
        root.write(_CONF, _INCLUDE)
    elif present is not None and not any(_includes_drop_ins(line) for line in present.splitlines()):
        root.write(_CONF, _INCLUDE + present)


def _includes_drop_ins(line: bytes) -> bool:
    word, _, pattern = line.partition(b"#")[0].strip().partition(b" ")
    return word == b"include" and not _DROP_INS.isdisjoint(pattern.split())


def _configured(root: ContainerRoot) -> set[str]:
    """Return the folders that ld.so.conf and the drop-ins name; what includes yet other files is not followed."""
    names = [name for name in root.names(_CONF_D) if name.endswith(".conf")][:_MAX_DROP_INS]
    texts = [root.read(_CONF, _MAX_CONF), *(root.read(f"{_CONF_D}/{name}", _MAX_DROP_IN) for name in names)]
    lines = (line.strip() for text in texts if text for line in text.decode("utf-8", "surrogateescape").splitlines())
    return {line for line in lines if line.startswith("/")}


def _system_directories(root: ContainerRoot) -> list[str]:
    triplet = _TRIPLETS.get(platform.machine())
    multiarch = [f"/lib/{triplet}", f"/usr/lib/{triplet}"] if triplet else []
    return [folder for folder in (*multiarch, *_SYSTEM) if root.is_directory(folder)]


def _is_glibc(root: ContainerRoot) -> bool:
    return any(name.startswith(("ld-linux", "ld64.so")) for top in ("/lib64", "/lib") for name in root.names(top))


def _musl_loader(root: ContainerRoot) -> str | None:
    """Return the name of musl's loader, `ld-musl-x86_64.so.1`, where there is one."""
    found = (name for name in root.names("/lib") if name.startswith("ld-musl-") and name.endswith(".so.1"))
    return next(found, None)


def _add_to_musl(root: ContainerRoot, loader: str, folders: Sequence[str]) -> None:
    """Add folders to the file that musl reads instead of a cache; without that file it has folders of its own."""
    path = posixpath.join("/etc", loader.removesuffix(".so.1") + ".path")
    present = root.read(path, _MAX_CONF)
    if present is None and root.status(path) is not None:
        return  # no file that we could add to
    old = (
        _MUSL_DEFAULT if present is None else present.decode("utf-8", "surrogateescape").replace(":", "\n").split("\n")
    )
    listed = [folder for folder in old if folder]
    lines = dict.fromkeys([*listed, *folders])
    if present is None or len(lines) > len(set(listed)):
        root.write(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))
