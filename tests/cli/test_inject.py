"""`cdi inject` and `cdi resolve`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.harness import Cdi

OCI: dict[str, Any] = {
    "ociVersion": "1.0.2",
    "process": {"env": ["PATH=/bin"], "args": ["sh"], "x-own": 1},
    "linux": {},
}
MOUNT = {"destination": "/usr/lib/libgpu.so", "source": "/usr/lib/libgpu.so", "options": ["ro", "bind"]}


def oci(**more: Any) -> bytes:
    return json.dumps(OCI | more).encode()


def test_inject_adds_what_the_devices_bring(cdi: Cdi, specs: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_bytes(oci())
    result = cdi("-d", specs, "-q", "inject", config, "vendor.com/gpu=1")
    assert (result.code, result.err) == (0, "")
    assert result.json == OCI | {
        "process": {"env": ["PATH=/bin", "GPU=1"], "args": ["sh"], "x-own": 1},
        "mounts": [MOUNT],
    }
    assert config.read_bytes() == oci()


def test_inject_takes_patterns_stdin_and_yaml(cdi: Cdi, specs: Path) -> None:
    as_yaml = yaml.safe_dump(OCI).encode()
    result = cdi("-d", specs, "inject", "-", "vendor.com/gpu=*", "-o", "yaml", stdin=as_yaml)
    assert yaml.safe_load(result.out)["process"]["env"] == ["PATH=/bin", "GPU=1"]


def test_an_interface_for_a_container_with_the_host_s_network_is_remarked_on(cdi: Cdi, tmp_path: Path) -> None:
    edits = {"netDevices": [{"hostInterfaceName": "eth1", "name": "net1"}]}
    device = {"name": "eth1", "containerEdits": edits}
    spec = {"cdiVersion": "1.1.0", "kind": "vendor.com/net", "devices": [device]}
    (tmp_path / "net.json").write_text(json.dumps(spec))
    for namespaces, remark in (
        ([{"type": "mount"}, {"type": "network"}], ""),
        ([{"type": "network", "path": "/run/netns/pod"}], ""),
        ([{"type": "mount"}], "cdi: it has the host's network, so that eth1 cannot be moved: runc refuses"),
        (None, "cdi: it has the host's network"),
        ([7, {"type": []}], "cdi: it has the host's network"),
    ):
        given = oci(linux={"namespaces": namespaces})
        result = cdi("-d", tmp_path, "inject", "-", "vendor.com/net=eth1", stdin=given)
        assert result.code == 0
        assert result.json["linux"]["netDevices"] == {"eth1": {"name": "net1"}}
        assert result.err.startswith(remark)
        assert bool(result.err) is bool(remark)


def test_unresolved_names_are_exit_1_and_no_output(cdi: Cdi, specs: Path) -> None:
    asked = ["vendor.com/gpu=0", "vendor.com/gpu=7", "other.com/*"]
    result = cdi("-d", specs, "inject", "-", *asked, stdin=oci())
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(
        "cdi: error: unresolvable CDI devices vendor.com/gpu=7, other.com/*\nhint: did you mean"
    )
    result = cdi("-d", specs, "inject", "-", "other.com/*", stdin=oci())
    assert result.err.endswith("hint: no device matches, 'cdi devices' lists them all\n")


def test_documents_that_are_no_oci_spec(cdi: Cdi, specs: Path) -> None:
    for content, message in (
        (b"[]", "'-' is not an OCI runtime spec: it is a list"),
        (b"", "'-' is not an OCI runtime spec: it is empty"),
        (b"{", "'-' is neither JSON nor YAML: "),
        (b"[" * 100_000, "'-' is nested too deeply"),
        (b"a: &a [*a]", "'-' has YAML aliases"),
        ((specs / "gpu.yaml").read_bytes(), "'-' is a CDI spec, not an OCI runtime spec"),
    ):
        result = cdi("-d", specs, "inject", "-", "vendor.com/gpu=0", stdin=content)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(f"cdi: error: {message}")


def test_resolve_takes_devices_and_annotations(cdi: Cdi, specs: Path) -> None:
    node = {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229}
    asking = oci(
        linux={"devices": [{"path": "vendor.com/gpu=1"}, node]},
        annotations={"cdi.k8s.io/plugin_x": "vendor.com/fpga=a", "other": "vendor.com/gpu=0"},
    )
    result = cdi("-d", specs, "-q", "resolve", "-", stdin=asking).json
    assert result["process"]["env"] == ["PATH=/bin", "GPU=1", "A=B"]
    assert result["linux"]["devices"] == [node]


def test_parts_of_another_kind_are_exit_1(cdi: Cdi, specs: Path) -> None:
    for document in ({"annotations": [3]}, {"annotations": 3}, {"linux": 3}, {"linux": {"devices": {"a": 1}}}):
        result = cdi("-d", specs, "resolve", "-", stdin=oci(**document))
        assert (result.code, result.out) == (1, "")
        assert result.err.endswith("\nhint: is this an OCI runtime spec (config.json)?\n")


def test_yaml_that_json_lacks_becomes_text(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "resolve", "-", stdin=b"a: 2001-01-01\n5: x\n")
    assert result.json == {"a": "2001-01-01", "5": "x"}


def test_resolve_of_unknown_devices_is_exit_1(cdi: Cdi, specs: Path) -> None:
    asking = oci(linux={"devices": [{"path": "vendor.com/gpu=9"}]})
    result = cdi("-d", specs, "resolve", "-", stdin=asking)
    assert (result.code, result.out) == (1, "")


def test_resolve_of_a_spec_that_asks_for_nothing_changes_nothing(cdi: Cdi, specs: Path) -> None:
    result = cdi("-d", specs, "resolve", "-", stdin=oci())
    assert (result.code, result.err) == (0, "cdi: the spec asks for no devices\n")
    assert result.json == OCI
