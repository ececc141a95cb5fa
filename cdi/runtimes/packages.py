"""Versions of installed Debian packages, for programs that do not say theirs."""

from __future__ import annotations

__all__ = ["package_version"]

import re
from typing import TYPE_CHECKING

from cdi.host import HostError

if TYPE_CHECKING:
    from cdi.host import Host

_STATUS = "/var/lib/dpkg/status"
_LIMIT = 64 << 20
_INSTALLED = re.compile(r"^Status: \S+ \S+ installed$", re.MULTILINE)
_VERSION = re.compile(r"^Version: (?:\d+:)?(?:(?P<with_revision>\S+)-\S+|(?P<without>\S+))$", re.MULTILINE)


def package_version(host: Host, package: str, path: str) -> str | None:
    """Return the upstream part of the version of the package that owns a file, None when it is not installed.

    `5:28.5.2-1~debian.12~bookworm` is 28.5.2: an epoch before it, the revision of the distribution behind it.
    """
    try:
        if not _owns(host, package, path):
            return None
        text = host.read_text(_STATUS, limit=_LIMIT)
    except HostError:
        return None
    stanza = f"\n{text}".partition(f"\nPackage: {package}\n")[2].partition("\n\n")[0]
    version = _VERSION.search(stanza)
    if version is None or not _INSTALLED.search(stanza):
        return None
    return version["with_revision"] or version["without"]


def _owns(host: Host, package: str, path: str) -> bool:
    """Return whether a package brought a file, whose directory may since have moved below /usr."""
    names = {path, path.removeprefix("/usr"), f"/usr{path}"}
    for file in host.glob(f"/var/lib/dpkg/info/{package}.list"):
        return bool(names & set(host.read_text(file).splitlines()))
    for file in host.glob(f"/var/lib/dpkg/info/{package}:*.list"):
        return bool(names & set(host.read_text(file).splitlines()))
    return False
