"""Which CDI version a release of a runtime reads."""

from __future__ import annotations

import pytest

from cdi.compat import RUNTIMES, newest_version
from cdi.errors import UsageError
from cdi.versions import VERSIONS


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("podman-4.3.1", "0.5.0"),
        ("podman-4.9", "0.6.0"),
        ("podman-6", "1.1.0"),
        ("containerd-1.7.11", "0.5.0"),
        ("containerd-1.7.12", "0.6.0"),
        ("containerd-v2.2.0", "1.0.0"),
        ("containerd-2.2.1", "1.1.0"),
        ("docker-28.5.2", "1.0.0"),
        ("cri-o-1.36.3", "1.1.0"),
        ("Podman-4.9.3+ds1", "0.6.0"),
    ],
)
def test_release_reads_version(release: str, version: str) -> None:
    assert newest_version(release) == version


@pytest.mark.parametrize("release", ["podman", "podman-", "lxd-5", "-1", ""])
def test_what_is_no_release_is_refused(release: str) -> None:
    with pytest.raises(UsageError, match="unknown runtime"):
        newest_version(release)


def test_a_release_before_cdi_is_refused() -> None:
    with pytest.raises(UsageError, match=r"docker has read specs since 25"):
        newest_version("docker-24.0.7")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_versions_grow_with_releases(runtime: str) -> None:
    releases, versions = zip(*RUNTIMES[runtime], strict=True)
    assert sorted(set(releases)) == list(releases)
    assert sorted(set(versions), key=VERSIONS.index) == list(versions)
