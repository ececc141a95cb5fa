"""Which CDI version a release of a runtime reads."""

from __future__ import annotations

import pytest

from cdi.compat import RUNTIMES, newest_version, release_of
from cdi.errors import UsageError
from cdi.model import ContainerEdits, Device, DeviceNode, IntelRdt, NetDevice, Spec
from cdi.releasecheck import check_release
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
        ("containerd-1.7.24~ds1-6+b4", "0.7.0"),
        ("containerd-2.1.9+unknown", "1.0.0"),
        ("containerd-v2.2.1-rc.1", "1.1.0"),
        ("docker-28.5.2+dfsg3-2", "1.0.0"),
        ("podman-5.4.2+ds1-2+b2", "0.8.0"),
        ("crio-1.30.2", "0.7.0"),
        ("moby-27.4.1", "0.7.0"),
        ("containerd-2.0.4", "0.8.0"),
        ("buildkit-0.20", "0.8.0"),
        ("nerdctl-2.2", "1.0.0"),
        ("buildah-1.43.2", "1.0.0"),
    ],
)
def test_release_reads_version(release: str, version: str) -> None:
    assert newest_version(release) == version


@pytest.mark.parametrize("runtime", ["podman", "crio", "cri-o"])
def test_a_runtime_without_its_release_is_refused_as_that(runtime: str) -> None:
    with pytest.raises(UsageError, match=f"'{runtime}' names no release"):
        newest_version(runtime)


@pytest.mark.parametrize("release", ["podman-", "lxd", "lxd-5", "-1", ""])
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


NET = ContainerEdits(net_devices=(NetDevice(host_interface_name="eth1", name="eth1"),))
ENV = ContainerEdits(env=("A=B",))


def spec_of(*edits: ContainerEdits, kind: str = "vendor.com/gpu", version: str = "1.1.0", first: str = "d") -> Spec:
    devices = tuple(Device(name=f"{first}{i}", container_edits=one) for i, one in enumerate(edits))
    return Spec(cdi_version=version, kind=kind, devices=devices)


def said(spec: Spec, release: str, path: str | None = None) -> list[tuple[str, str]]:
    return [(problem.rule, problem.where) for problem in check_release(spec, release_of(release), path=path)]


def test_what_a_release_loads_is_no_problem() -> None:
    assert said(spec_of(NET), "podman-6.0") == []
    assert said(spec_of(ENV, version="0.5.0"), "podman-4.3") == []


def test_every_device_that_cannot_be_lowered_is_named() -> None:
    assert said(spec_of(NET, ENV, NET), "podman-5.8") == [
        ("compat-version", "cdiVersion"),
        ("compat-refused", "devices[0]"),
        ("compat-refused", "devices[2]"),
    ]
    other = DeviceNode(path="/dev/a", host_path="/dev/b")
    assert said(spec_of(ContainerEdits(device_nodes=(other,)), first="0"), "podman-4.1") == [
        ("compat-version", "cdiVersion"),
        ("compat-refused", "devices[0].name"),
        ("compat-refused", "devices[0].containerEdits.deviceNodes[0].hostPath"),
        ("compat-refused", "devices[0]"),
    ]


def test_every_field_that_would_be_lost_is_named() -> None:
    rdt = IntelRdt(clos_id="a", schemata=("MB:0=50",), enable_monitoring=True)
    node = DeviceNode(path="/dev/a")
    edits = ContainerEdits(device_nodes=(node,), additional_gids=(44,), intel_rdt=rdt, net_devices=NET.net_devices)
    assert said(spec_of(edits), "containerd-2.2.0") == [
        ("compat-version", "cdiVersion"),
        ("compat-field", "devices[0].containerEdits.netDevices"),
        ("compat-field", "devices[0].containerEdits.intelRdt.schemata"),
        ("compat-field", "devices[0].containerEdits.intelRdt.enableMonitoring"),
    ]
    assert ("compat-field", "devices[0].containerEdits.additionalGids") in said(spec_of(edits), "podman-4.9")


def test_a_version_that_the_spec_does_not_need_is_all_there_is_to_lower() -> None:
    (problem,) = check_release(spec_of(ENV, version="0.8.0"), release_of("podman-4.9"))
    assert problem.hint == "write 0.3.0, which has all that it uses"


def test_podman_5_5_reads_one_directory() -> None:
    spec = spec_of(ENV, version="0.3.0")
    assert said(spec, "podman-5.5.2", "/var/run/cdi/a.yaml") == [("compat-place", "")]
    assert said(spec, "podman-5.5.2", "/etc/cdi/a.yaml") == []
    assert said(spec, "podman-5.5.2", "/home/me/specs/a.yaml") == []
    assert said(spec, "podman-5.6", "/var/run/cdi/a.yaml") == []


def test_short_names_crash_all_releases_but_the_newest() -> None:
    spec = spec_of(ENV, kind="v.com/g", version="0.3.0")
    assert said(spec, "cri-o-1.36") == [("compat-crash", "kind")]
    assert said(spec, "containerd-2.4") == []
