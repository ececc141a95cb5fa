"""Who uses a function: programs that open one by VFIO, and what the kernel and `cdi discover` say of that."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.harness import run
from tests.vm.hardware import PCI, bind

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from tests.vm.hardware import Cards

pytestmark = pytest.mark.vm
# As linux/vfio.h has it: VFIO_GROUP_SET_CONTAINER, VFIO_SET_IOMMU with VFIO_TYPE1_IOMMU, VFIO_GROUP_GET_DEVICE_FD.
USER = """
import fcntl, os, struct, sys
group, bdf = sys.argv[1:]
container, file = os.open("/dev/vfio/vfio", os.O_RDWR), os.open(f"/dev/vfio/{group}", os.O_RDWR)
fcntl.ioctl(file, 0x3B68, struct.pack("i", container))
fcntl.ioctl(container, 0x3B66, 1)
device = fcntl.ioctl(file, 0x3B6A, bytearray(bdf.encode() + b"\\0"))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def function(cards: Cards) -> Iterator[str]:
    """A function that is alone in its group, bound to vfio-pci."""
    driver = (PCI / f"devices/{cards.edu_bdf}/driver").resolve().name
    bind(cards.edu_bdf, "vfio-pci")
    yield cards.edu_bdf
    bind(cards.edu_bdf, driver)


@contextmanager
def used(bdf: str, *around: str) -> Generator[int]:
    """Have a program use a function meanwhile; return its PID, or that of what is around it."""
    group = (PCI / f"devices/{bdf}/iommu_group").readlink().name
    command = [*around, sys.executable, "-c", USER, group, bdf]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "open\n"
        yield program.pid
        program.communicate("")


def enabled(bdf: str) -> str:
    return (PCI / f"devices/{bdf}/enable").read_text().strip()


def told(bdf: str, *options: str) -> tuple[Any, Any]:
    """Return who uses a function that is offered, and why it is not where it is not."""
    answer = run("discover", "vfio", "-o", "json", *options).json
    users = [one["attributes"].get("usedBy") for one in answer["found"] if one["name"] == bdf]
    why = [one["why"] for one in answer["skipped"] if one["what"] == bdf]
    return users, why


def test_a_program_of_the_host_keeps_it_as_long_as_it_has_it_open(function: str) -> None:
    assert (enabled(function), told(function)) == ("0", ([None], []))
    with used(function) as pid:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        user = f"process {pid} ({name})"
        assert (enabled(function), told(function)) == ("1", ([], [f"is used by {user}"]))
        assert told(function, "--include", function) == ([user], [])
    assert (enabled(function), told(function)) == ("0", ([None], []))


def test_a_container_that_has_it_may_have_it_again(function: str) -> None:
    with used(function, "unshare", "--pid", "--fork"):
        users, why = told(function)
        assert (enabled(function), why) == ("1", [])
        assert users[0].startswith("process ")
        assert users[0].endswith(" of a container")
