"""System calls that Python has no name for, by the C library's `syscall`; failures are `OSError`."""

from __future__ import annotations

__all__ = [
    "BIND",
    "CAP_DAC_OVERRIDE",
    "DETACH",
    "NEW_IPC",
    "NEW_MOUNTS",
    "NEW_NETWORK",
    "NEW_PROCESSES",
    "NEW_UTS",
    "PRIVATE",
    "RECURSIVE",
    "attach",
    "clone_mount",
    "die_with_parent",
    "file_system",
    "keep_capabilities",
    "make_read_only",
    "mount",
    "new_tmpfs",
    "no_new_privileges",
    "open_in_root",
    "pivot_root",
    "restrict",
    "unmount",
    "unshare",
]

import ctypes
import os

# The numbers of calls since Linux 5.0 are the same on all architectures but Alpha, and those on the few that Python
# cannot name are not needed (include/uapi/asm-generic/unistd.h).
_OPEN_TREE, _MOVE_MOUNT, _FSOPEN, _FSCONFIG, _FSMOUNT, _OPENAT2, _MOUNT_SETATTR = 428, 429, 430, 431, 432, 437, 442

_RESOLVE_NO_MAGICLINKS, _RESOLVE_IN_ROOT = 0x02, 0x10  # include/uapi/linux/openat2.h
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000  # include/uapi/linux/fcntl.h
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 0x1, os.O_CLOEXEC  # include/uapi/linux/mount.h, as all below
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 0x04, 0x40
_FSOPEN_CLOEXEC, _FSMOUNT_CLOEXEC = 0x1, 0x1
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
_ATTR_READ_ONLY, _ATTR_NO_SUID, _ATTR_NO_DEV, _ATTR_NO_EXEC = 0x1, 0x2, 0x4, 0x8
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
DETACH = 0x2
# include/uapi/linux/sched.h
NEW_MOUNTS, NEW_UTS, NEW_IPC = 0x00020000, 0x04000000, 0x08000000
NEW_PROCESSES, NEW_NETWORK = 0x20000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38  # include/uapi/linux/prctl.h
CAP_DAC_OVERRIDE = 1  # include/uapi/linux/capability.h
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63  # of the 64 that the version has room for

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _MountAttr(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd"))


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable"))


def open_in_root(root: int, path: str, flags: int) -> int:
    """Return a descriptor of a path below an open directory, as if that were `/` (openat2(2)).

    The kernel follows links inside the root, those of `/proc` that jump out of it not at all. `ENOSYS` before
    Linux 5.6.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    return _syscall(_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.c_size_t(ctypes.sizeof(how)))


def file_system(descriptor: int) -> int:
    """Return the magic number of the file system that an open file is on (statfs(2))."""
    answer = (ctypes.c_long * 64)()  # more than any architecture's struct statfs, which begins with it
    _done(_libc.fstatfs(descriptor, ctypes.byref(answer)))
    return int(answer[0]) & 0xFFFFFFFF


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _done(_libc.prctl(_PR_SET_PDEATHSIG, *map(ctypes.c_ulong, (9, 0, 0, 0))))


def unshare(flags: int) -> None:
    """Give this process namespaces of its own."""
    _done(_libc.unshare(flags))


def mount(source: str | None, target: str, flags: int) -> None:
    """Mount, or change a mount (mount(2))."""
    _done(_libc.mount(_text(source), os.fsencode(target), None, ctypes.c_ulong(flags), None))


def unmount(target: str, flags: int) -> None:
    """Unmount (umount2(2))."""
    _done(_libc.umount2(os.fsencode(target), flags))


def pivot_root(new: str, old: str) -> None:
    """Make a mount the root of this mount namespace."""
    _done(_libc.pivot_root(os.fsencode(new), os.fsencode(old)))


def clone_mount(descriptor: int, name: str = "", *, recursive: bool = False) -> int:
    """Return a copy, not attached anywhere, of the mount that an open file, or one below it, is in."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    return _syscall(_OPEN_TREE, descriptor, os.fsencode(name), flags)


def attach(tree: int, target: int) -> None:
    """Attach a mount to an open file."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _syscall(_MOVE_MOUNT, tree, b"", target, b"", flags)


def new_tmpfs(size: int) -> int:
    """Return a new file system in memory of at most `size` bytes, not attached anywhere."""
    context = _syscall(_FSOPEN, b"tmpfs", _FSOPEN_CLOEXEC)
    try:
        _syscall(_FSCONFIG, context, _FSCONFIG_SET_STRING, b"size", str(size).encode(), 0)
        _syscall(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _syscall(_FSMOUNT, context, _FSMOUNT_CLOEXEC, _ATTR_NO_SUID | _ATTR_NO_DEV | _ATTR_NO_EXEC)
    finally:
        os.close(context)


def make_read_only(tree: int) -> None:
    """Make a mount read-only (mount_setattr(2), Linux 5.12)."""
    _set_attributes(tree, _ATTR_READ_ONLY)


def restrict(tree: int, *, writable: bool) -> None:
    """Make a mount and all below it ones without devices and programs, and read-only but for itself if `writable`."""
    _set_attributes(tree, _ATTR_READ_ONLY | _ATTR_NO_SUID | _ATTR_NO_DEV | _ATTR_NO_EXEC, at=_AT_RECURSIVE)
    if writable:
        _set_attributes(tree, 0, clear=_ATTR_READ_ONLY)


def _set_attributes(tree: int, flags: int, *, clear: int = 0, at: int = 0) -> None:
    attributes = _MountAttr(flags, clear, 0, 0)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _syscall(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH | at, ctypes.byref(attributes), size)


def no_new_privileges() -> None:
    """Make sure that no program this process runs has more rights than it has itself."""
    _done(_libc.prctl(_PR_SET_NO_NEW_PRIVS, *map(ctypes.c_ulong, (1, 0, 0, 0))))


def keep_capabilities(kept: int) -> None:
    """Give up all capabilities but one, for good."""
    for number in range(_LAST_CAPABILITY + 1):
        if number != kept and _libc.prctl(_PR_CAPBSET_DROP, *map(ctypes.c_ulong, (number, 0, 0, 0))) != 0:
            break  # the kernel knows no more
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    mask = 1 << kept
    data = (_CapabilityData * 2)(_CapabilityData(mask, mask, 0), _CapabilityData(0, 0, 0))
    _done(_libc.capset(ctypes.byref(header), ctypes.byref(data)))


def _syscall(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *(_wide(one) for one in arguments))
    _done(result)
    return result


def _wide(argument: object) -> object:
    """Return a number as wide as a register: what a variadic function is given is not widened for it."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _text(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _done(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
