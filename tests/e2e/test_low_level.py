"""What `cdi inject` writes into a container's configuration, run by a low-level runtime with no engine above it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.engines import Engine

pytestmark = pytest.mark.e2e

# No engine of the matrix reads CDI 1.1.0, which has netDevices; crun moves them since 1.22, runc 1.3 leaves them out.
SPEC = {
    "cdiVersion": "1.1.0",
    "kind": "vendor.com/net",
    "devices": [{"name": "nic", "containerEdits": {"netDevices": [{"hostInterfaceName": "cdi-nic0", "name": "net1"}]}}],
}


@pytest.mark.parametrize("engine", ["forky-podman"], indirect=True)
def test_crun_moves_the_interface_that_was_injected(engine: Engine) -> None:
    machine = engine.machine
    (machine.etc / "net.json").write_text(json.dumps(SPEC))
    assert machine.execute("ip", "link", "add", "cdi-nic0", "type", "veth").returncode == 0
    bundle = machine.root / "run/bundle"
    bundle.mkdir()
    assert machine.execute("sh", "-c", "cd /run/bundle && crun spec").returncode == 0
    config = json.loads((bundle / "config.json").read_text())
    config["root"] = {"path": str(engine.rootfs)}
    config["process"] |= {"terminal": False, "args": ["/bin/ls", "/sys/class/net"], "rlimits": []}
    del config["process"]["capabilities"]["ambient"]

    injected = machine.execute("cdi", "inject", "-", "vendor.com/net=nic", "-o", "json", input=json.dumps(config))
    assert injected.returncode == 0, injected.stderr
    (bundle / "config.json").write_text(injected.stdout)
    container = machine.execute("crun", "run", "--bundle=/run/bundle", "nic")

    assert (container.stdout.split(), container.stderr) == (["lo", "net1"], "")
    assert "cdi-nic0" not in machine.execute("ip", "-brief", "link").stdout
