"""SELinux on a host: whether it is enforcing, labels that confined processes may not read, and its booleans."""

from __future__ import annotations

__all__ = ["device_switch", "foreign_label", "is_enforcing"]

from typing import TYPE_CHECKING

from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

_HOME = "/sys/fs/selinux"
# What a file has that was made elsewhere and moved, or made while SELinux was off.
_FOREIGN = frozenset(
    {"admin_home_t", "default_t", "file_t", "tmp_t", "unlabeled_t", "user_home_dir_t", "user_home_t", "user_tmp_t"}
)
# Which booleans let containers use which devices, from narrow to wide (container-selinux, container.te).
_SWITCHES = {"dri_device_t": "container_use_dri_devices", "xserver_misc_device_t": "container_use_xserver_devices"}
_ALL_DEVICES = "container_use_devices"
_FREE = frozenset(  # those that every container may use
    {"container_file_t", "devtty_t", "fuse_device_t", "null_device_t", "random_device_t", "urandom_device_t"}
    | {"tun_tap_device_t", "zero_device_t"}
)


def is_enforcing(host: Host) -> bool:
    """Return whether what policy forbids is refused, not only logged."""
    return _value(host, f"{_HOME}/enforce") == "1"


def foreign_label(host: Host, path: str) -> str | None:
    """Return the label of a file that confined processes are not meant to read, None for any other."""
    label = _label(host, path)
    return label if label is not None and _type(label) in _FOREIGN else None


def device_switch(host: Host, path: str) -> tuple[str, str] | None:
    """Return the label of a device node and the boolean to switch on for it; None where containers may use it.

    None, too, where the policy for containers is not there, or too old to have the booleans.
    """
    label = _label(host, path)
    if label is None or _type(label) in _FREE or _value(host, f"{_HOME}/booleans/{_ALL_DEVICES}") != "0":
        return None
    narrow = _SWITCHES.get(_type(label))
    if narrow is None:
        return label, _ALL_DEVICES
    state = _value(host, f"{_HOME}/booleans/{narrow}")
    return None if state == "1" else (label, _ALL_DEVICES if state is None else narrow)


def _label(host: Host, path: str) -> str | None:
    try:
        return host.label(path)
    except HostError:
        return None


def _type(label: str) -> str:
    """Return the third part of `user:role:type:level`."""
    return ([*label.split(":"), "", "", ""])[2]


def _value(host: Host, path: str) -> str | None:
    """Return the first word of a file: a boolean says `0 0`, what it is and what it is about to be."""
    try:
        words = host.read_text(path).split()
    except HostError:
        return None
    return words[0] if words else None
