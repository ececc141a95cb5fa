"""What NVIDIA's driver wants of a container beyond files: its parameters, and which GPUs graphics may see."""

from __future__ import annotations

__all__ = ["modified_parameters", "restrict_graphics", "shadow_parameters"]

import errno
import os
import posixpath
import re
import stat
from typing import TYPE_CHECKING

from cdi.errors import FileError
from cdi.hook import kernel

if TYPE_CHECKING:
    from cdi.hook.root import ContainerRoot

_PROC = 0x9FA0  # PROC_SUPER_MAGIC of include/uapi/linux/magic.h
_PARAMETERS = "/proc/driver/nvidia/params"
_MODIFIES = re.compile(rb"^(ModifyDeviceFiles:[ \t]*)1[ \t]*$", re.MULTILINE)
_MAX_PARAMETERS = 1 << 16
_PROFILE = "/etc/nvidia/nvidia-application-profiles-rc.d/10-container.conf"
_GPU = re.compile(r"nvidia\d+")
_GPUS = 64  # bits of the mask


def modified_parameters(path: str = _PARAMETERS) -> bytes | None:
    """Return the parameters of the host's driver, told not to make device nodes; None where nothing is to be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - of a descriptor
            text = file.read(_MAX_PARAMETERS)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError.from_os(error, "read", path) from error
    modified, times = _MODIFIES.subn(rb"\g<1>0", text)
    return modified if times else None


def shadow_parameters(root: ContainerRoot, content: bytes, path: str = _PARAMETERS) -> bool:
    """Show other parameters of the driver to a container; return False where it has none.

    Its user-space part makes device nodes in `/dev` else, those of GPUs too that the container was not given. A
    file in memory is mounted over the container's own; no file of the container is touched.
    """
    target = root.place(path)
    if target is None:
        return False
    folder = root.place(posixpath.dirname(path))
    try:
        if folder is None or {kernel.file_system(target), kernel.file_system(folder)} != {_PROC}:
            return False  # an image's own file: no driver reads that
        _mount_over(target, folder, content)
    except OSError as error:
        raise FileError.from_os(error, "mount over", path) from error
    finally:
        os.close(target)
        if folder is not None:
            os.close(folder)
    return True


def restrict_graphics(root: ContainerRoot) -> bool:
    """Tell EGL and Vulkan which GPUs they may see, those of the container's nodes; return whether that was needed."""
    mask = 0
    for name in root.names("/dev"):
        found = root.status(f"/dev/{name}", follow=False) if _GPU.fullmatch(name) else None
        if found is not None and stat.S_ISCHR(found.st_mode) and os.minor(found.st_rdev) < _GPUS:
            mask |= 1 << os.minor(found.st_rdev)
    if not mask:
        return False
    setting = f'"settings":["EGLVisibleDGPUDevices",{mask:#x}]'
    rules = '"rules":[{"pattern":[],"profile":"_container_"}]'
    text = f'{{"profiles":[{{"name":"_container_",{setting}}}],{rules}}}'
    return root.write(_PROFILE, text.encode(), mode=0o444)


def _mount_over(target: int, folder: int, content: bytes) -> None:
    """Mount a file in memory over `target`.

    Its file system covers the folder for that moment: before Linux 6.15 a file of one that is mounted nowhere
    cannot be mounted by itself.
    """
    tmpfs = kernel.new_tmpfs(max(len(content), 1))
    try:
        descriptor = os.open("params", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444, dir_fd=tmpfs)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
            file.write(content)
        kernel.attach(tmpfs, folder)
        try:
            tree = kernel.clone_mount(tmpfs, "params")
        finally:
            kernel.unmount(f"/proc/self/fd/{tmpfs}", kernel.DETACH)
    finally:
        os.close(tmpfs)
    try:
        try:
            kernel.make_read_only(tree)
        except OSError as error:
            if error.errno != errno.ENOSYS:  # before Linux 5.12: a file of its own, in memory, that nobody else sees
                raise
        kernel.attach(tree, target)
    finally:
        os.close(tree)
