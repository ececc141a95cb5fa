"""The container of deploy/kubernetes/daemonset.yaml, with its rights and mounts, started by podman and runc."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.engines import LIMITS
from tests.e2e.machine import CDI, Machine, python_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

MANIFEST = Path(__file__).parents[2] / "deploy/kubernetes/daemonset.yaml"
POD: dict[str, Any] = yaml.safe_load(MANIFEST.read_text())["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
# What podman 4 calls the rights that the manifest names. It knows no recursive `ro`: the node's mounts are listed.
RIGHTS = ("--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--read-only-tmpfs=false")
SPEC = "run/cdi/host.local-dev.yaml"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    (tmp_path / "machine").mkdir()
    one = Machine(Path("/"), tmp_path / "machine")
    try:
        yield one
    finally:
        one.close()


def mounts() -> Iterator[str]:
    """Yield the volumes of the manifest as podman takes them."""
    volumes = {volume["name"]: volume.get("hostPath", {}).get("path") for volume in POD["volumes"]}
    for mount in CONTAINER["volumeMounts"]:
        if mount["name"] != "tmp":  # where the Python of the tests may be
            source = volumes[mount["name"]] or "/srv/state"
            yield f"--volume={source}:{mount['mountPath']}:{'ro,rbind' if mount.get('readOnly') else 'rw'}"


def test_the_pod_keeps_specs_with_the_rights_that_it_has(machine: Machine) -> None:
    for directory in ("host", "var/lib/cdi-watch", "srv/state", "srv/image", "run/cdi"):
        (machine.root / directory).mkdir(parents=True, exist_ok=True)
    assert machine.execute("mount", "--bind", "/", "/srv/image").returncode == 0  # without what is mounted below
    script = 'exec timeout --preserve-status 10 "$@"'
    command = ("/bin/sh", "-c", script, "sh", CDI, "--root", "/host", *CONTAINER["args"])
    done = machine.execute(
        *("podman", "--runtime=runc", "run", "--rm", "--network=none", *LIMITS, *RIGHTS, *mounts()),
        *(f"--volume={path}:{path}:ro" for path in python_paths()),
        *("--user=0", "--rootfs", "/srv/image", *command),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (machine.root / SPEC).exists(), done.stderr
    assert "cdi_watch_last_success_timestamp_seconds" in (machine.root / "srv/state/cdi.prom").read_text()
