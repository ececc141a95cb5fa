"""`cdi watch` where hardware really comes, goes and changes hands, with udev running."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.e2e.machine import CDI
from tests.vm.hardware import VIRTUAL_FUNCTIONS, bind, divide

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.vm.hardware import Cards

pytestmark = pytest.mark.vm
SPECS = Path("/run/cdi")
# No look that nothing caused: the next would be due after the tests.
COMMAND = (CDI, "watch", "netdev", "nic", "vfio", "--compat", "none", "--interval", "3600", "--grace", "1")
PATIENCE = 120.0  # seconds; under emulation a look takes some three of them


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the log of a service that runs, and has written its specs."""
    path = tmp_path_factory.mktemp("watch") / "log"
    with path.open("w") as file:
        service = subprocess.Popen(COMMAND, stdin=subprocess.DEVNULL, stderr=file)
    try:
        comes(lambda: "watching" in path.read_text(), path)
        yield path
        assert service.poll() is None, path.read_text()
        service.terminate()
        assert service.wait(timeout=PATIENCE) == 0, path.read_text()
    finally:
        service.kill()
        service.wait()
        shutil.rmtree(SPECS, ignore_errors=True)


def comes(true: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


def device(family: str, name: str) -> dict[str, Any] | None:
    """Return the edits of a device that is installed."""
    path = SPECS / f"host.local-{family}.yaml"
    spec = yaml.safe_load(path.read_text()) if path.exists() else {"devices": []}
    return next((device["containerEdits"] for device in spec["devices"] if device["name"] == name), None)


def interface(bdf: str) -> str:
    (found,) = (path.name for path in Path(f"/sys/bus/pci/devices/{bdf}/net").iterdir())
    return found


def test_it_listens_to_udev(log: Path, cards: Cards) -> None:
    assert "uevents of udev" in log.read_text()
    assert device("nic", cards.virtual[0]) is not None


def test_a_function_that_is_bound_to_vfio_and_back_is_seen(log: Path, cards: Cards) -> None:
    bdf = cards.virtual[2]
    name = interface(bdf)
    before = device("nic", bdf)
    bind(bdf, "vfio-pci")
    comes(lambda: device("vfio", bdf) is not None and device("netdev", name) is None, log)
    bind(bdf, "igbvf")
    comes(lambda: device("netdev", name) is not None and device("vfio", bdf) is None, log)
    comes(lambda: device("nic", bdf) == before, log)


def test_functions_that_go_and_come_are_seen(log: Path, cards: Cards) -> None:
    divide(cards.igb_bdf, 0)
    comes(lambda: not any(device("nic", bdf) for bdf in cards.virtual), log)
    divide(cards.igb_bdf, VIRTUAL_FUNCTIONS)
    bind(cards.virtual[1], "vfio-pci")
    comes(lambda: all(device("nic", bdf) for bdf in cards.virtual), log)
    comes(lambda: device("vfio", cards.virtual[1]) is not None, log)
