"""The host's ldconfig, run on a container's files and confined to them."""

from __future__ import annotations

__all__ = ["LONGEST", "run_ldconfig"]

import errno
import fcntl
import os
import resource
import signal
import stat
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from cdi.errors import CdiError, FileError
from cdi.hook import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cdi.hook.root import ContainerRoot

LONGEST = 30.0  # seconds; on a large image it takes about one
_CPU = 5  # seconds; a thousand libraries take a tenth of one
_MEMORY = 512 << 20  # its own: not RLIMIT_AS, since it maps libraries whole, of many GB at times
_FILE = 64 << 20  # bytes of the largest file it may write; a cache of 10 000 libraries has some 1 MiB
_FILES = 256
_ALL_FILES = 1 << 16
_MAX_PROGRAM = 64 << 20
_NOT_ALLOWED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EPERM})
_WRITABLE_BY_OTHERS = 0o022
_FAILED = 127
_SIGNALLED = 128  # and the signal's number, as shells say it
_PIPE = 1 << 16  # bytes that a pipe holds
_SAID = 1 << 12  # bytes of what is said that we keep
_PT_INTERP = 3
_MAX_HEADERS = 64


def run_ldconfig(root: ContainerRoot, program: str, arguments: Sequence[str], *, longest: float = LONGEST) -> None:
    """Run the host's ldconfig with a container's root as its own; raise `CdiError` when it fails.

    The program is copied to memory before the container's root becomes its root, and must need no loader, since that
    would be the container's. It runs in namespaces of its own, with mounts that have neither devices nor programs and
    are read-only below the root, without network and environment, with no capability but that of writing to any
    file, and within bounds of time and memory.
    """
    executable = _open_program(program)
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    child = os.fork()
    if child == 0:
        _become(root, executable, ("ldconfig", *arguments), write_end)
    os.close(write_end)
    os.close(executable)
    try:
        status, said = _wait(child, read_end, longest)
    finally:
        os.close(read_end)
    if status is None:
        message = f"{program} took more than {longest:g} s for the container's libraries, and was stopped"
        raise CdiError(message, hint="does its /etc/ld.so.conf include something odd?")
    code = os.waitstatus_to_exitcode(status)
    if code == _FAILED:
        message = f"cannot confine {program}: {said}"
        raise CdiError(message)
    if code != 0:
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        message = f"{program} failed on the container's libraries: {how}{': ' if said else ''}{said}"
        raise CdiError(message, hint="`cdi generate --disable-hook update-ldcache` does without")


def _open_program(program: str) -> int:
    """Return an open ldconfig; Ubuntu's is a script beside the program itself, which ends in `.real`."""
    for path in (f"{program}.real", program):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise FileError.from_os(error, "run", path) from error
        try:
            _refuse_unfit(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        try:
            return _sealed_copy(descriptor)
        finally:
            os.close(descriptor)
    message = f"there is no {program!r} on this host"
    hint = "name it with --ldconfig-path, or do without: `cdi generate --disable-hook update-ldcache`"
    raise CdiError(message, hint=hint)


def _sealed_copy(descriptor: int) -> int:
    """Return a copy in memory that nobody can change: the host's file could be reached through the process's `exe`."""
    content = memoryview(os.pread(descriptor, _MAX_PROGRAM, 0))
    copy = os.memfd_create("ldconfig", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    while content:
        content = content[os.write(copy, content) :]
    seals = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, seals)
    return copy


def _refuse_unfit(descriptor: int, path: str) -> None:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        message = f"{path!r} is not a regular file"
        raise CdiError(message)
    if status.st_uid not in {0, os.geteuid()} or status.st_mode & _WRITABLE_BY_OTHERS:
        message = f"{path!r} may be changed by others than root, and is not run"
        raise CdiError(message)
    if _needs_loader(descriptor):
        message = f"{path!r} is no statically linked program: the container's loader would run with its rights"
        raise CdiError(message, hint="name one with --ldconfig-path; distributions build ldconfig statically")


def _needs_loader(descriptor: int) -> bool:
    """Return whether a program is anything but an ELF file without `PT_INTERP` (elf(5))."""
    head = os.pread(descriptor, 64, 0)
    if len(head) < 64 or head[:4] != b"\x7fELF" or head[4] != 2:  # noqa: PLR2004 - a header, and its class: 64 bits
        return True
    order = "<" if head[5] == 1 else ">"
    (offset,) = struct.unpack_from(f"{order}Q", head, 32)
    size, count = struct.unpack_from(f"{order}HH", head, 54)
    if not 0 < count <= _MAX_HEADERS or size < 4:  # noqa: PLR2004 - the first field, its type
        return True
    table = os.pread(descriptor, size * count, offset)
    if len(table) < size * count:
        return True
    return any(struct.unpack_from(f"{order}I", table, size * i)[0] == _PT_INTERP for i in range(count))


def _become(root: ContainerRoot, executable: int, arguments: Sequence[str], out: int) -> None:
    """Turn this process into ldconfig in the container's root; never return."""
    try:
        os.setsid()
        null = os.memfd_create("empty", os.MFD_CLOEXEC)
        for number, descriptor in enumerate((null, out, out)):
            os.dup2(descriptor, number)
        os.fchdir(root.fd)  # the working directory goes along into the new mounts, an open directory does not
        os.dup2(executable, 3, inheritable=False)
        os.closerange(4, _ALL_FILES)  # what the runtime left open, too
        _leave()
        _in_new_processes()
        _enter()
        _limit()
        kernel.keep_capabilities(kernel.CAP_DAC_OVERRIDE)
        kernel.no_new_privileges()
        os.execve(3, list(arguments), {})  # noqa: S606 - by its descriptor: there is no path to it any more
    except OSError as error:
        os.write(2, (error.strerror or str(error)).lower().encode())
    except BaseException:  # noqa: BLE001 - a forked process must not go on as if it were its parent
        os.write(2, b"an unexpected fault")
    finally:
        os._exit(_FAILED)


def _leave() -> None:
    """Leave the namespaces for new ones; a runtime that does not allow it has confined this process itself."""
    new = kernel.NEW_MOUNTS | kernel.NEW_PROCESSES | kernel.NEW_IPC | kernel.NEW_NETWORK | kernel.NEW_UTS
    try:
        kernel.unshare(new)
        kernel.mount(None, "/", kernel.RECURSIVE | kernel.PRIVATE)
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise


def _in_new_processes() -> None:
    """Go on in a child, the first process of its namespace; this one ends as that does, which dies with it."""
    child = os.fork()
    if child == 0:
        kernel.die_with_parent()
        return
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else _SIGNALLED - code)


def _enter() -> None:
    """Make the working directory the root of this process; afterwards there is no way to what was there before."""
    try:
        _pivot()
    except OSError as error:
        if error.errno not in _NOT_ALLOWED:
            raise
        # Before Linux 5.2, on an initramfs, or without the right to mount. With the capabilities that it keeps, and
        # no other directory open, it cannot leave this, either.
        os.chroot(".")
        os.chdir("/")


def _pivot() -> None:
    here = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    tree = kernel.clone_mount(here, recursive=True)
    try:
        kernel.restrict(tree, writable=not os.fstatvfs(tree).f_flag & os.ST_RDONLY)
    except OSError as error:
        if error.errno != errno.ENOSYS:  # before Linux 5.12
            raise
    kernel.attach(tree, here)
    os.fchdir(tree)
    kernel.pivot_root(".", ".")
    kernel.unmount(".", kernel.DETACH)
    os.chdir("/")
    os.close(tree)
    os.close(here)


def _limit() -> None:
    for what, most in (
        (resource.RLIMIT_CPU, _CPU),
        (resource.RLIMIT_DATA, _MEMORY),
        (resource.RLIMIT_FSIZE, _FILE),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def _wait(child: int, out: int, longest: float) -> tuple[int | None, str]:
    """Return the status of a child that has ended, None for one that had to be killed, and the last that it said."""
    deadline = time.monotonic() + longest
    pause = 0.001
    said = b""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        said = _drained(out, said)
        if ended:
            break
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return None, ""
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    lines = said.decode("utf-8", "replace").splitlines()
    return status, lines[-1] if lines else ""


def _drained(out: int, said: bytes) -> bytes:
    """Return the end of what was said, when all that waits in a pipe is read, or as much as it holds at most."""
    with suppress(BlockingIOError):
        said += os.read(out, _PIPE)
    return said[-_SAID:]
