"""The manifests of deploy/kubernetes: what Kubernetes takes, and no more rights than the pod needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy/kubernetes"
MANIFESTS = sorted(DEPLOY.glob("*.yaml"))
RELEASES = ("1.30", kubernetes_validate.latest_version())


def manifest(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


POD: dict[str, Any] = manifest("daemonset.yaml")["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_kubernetes_knows_every_field(path: Path, release: str) -> None:
    kubernetes_validate.validate(yaml.safe_load(path.read_text()), release, strict=True)


def test_the_pod_has_no_right_but_that_of_its_user() -> None:
    assert CONTAINER["securityContext"] == {
        "privileged": False,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {POD[name] for name in ("hostNetwork", "hostPID", "hostIPC", "automountServiceAccountToken")} == {False}
    assert "ports" not in CONTAINER


def test_the_pod_writes_one_directory_of_the_node() -> None:
    of_host = {volume["name"]: volume["hostPath"]["path"] for volume in POD["volumes"] if "hostPath" in volume}
    mounts = {mount["name"]: mount for mount in CONTAINER["volumeMounts"]}
    assert of_host == {"host": "/", "specs": "/run/cdi"}
    assert mounts["specs"] == {"name": "specs", "mountPath": "/host/run/cdi"}
    assert mounts["host"] == {
        "name": "host",
        "mountPath": "/host",
        "readOnly": True,
        "recursiveReadOnly": "IfPossible",
    }


def test_probes_look_at_the_file_that_the_service_writes() -> None:
    (file,) = [CONTAINER["args"][i + 1] for i, word in enumerate(CONTAINER["args"]) if word == "--metrics-file"]
    state = next(mount["mountPath"] for mount in CONTAINER["volumeMounts"] if mount["name"] == "state")
    assert Path(file).is_relative_to(state)
    for probe in ("startupProbe", "livenessProbe"):
        assert file in CONTAINER[probe]["exec"]["command"][-1]


def test_the_daemon_set_is_in_its_namespace_and_finds_its_pods() -> None:
    daemon_set = manifest("daemonset.yaml")
    assert daemon_set["metadata"]["namespace"] == manifest("namespace.yaml")["metadata"]["name"]
    labels = daemon_set["spec"]["template"]["metadata"]["labels"]
    assert daemon_set["spec"]["selector"]["matchLabels"] == labels


def test_the_image_starts_what_the_pod_expects() -> None:
    lines = (DEPLOY / "Containerfile").read_text().splitlines()
    assert 'ENTRYPOINT ["cdi", "--root", "/host"]' in lines
    assert 'CMD ["watch"]' in lines
