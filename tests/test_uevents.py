"""Real uevents of this machine's kernel: as root, writing to `uevent` of a device makes the kernel send one."""

from __future__ import annotations

import os
import select
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cdi.upkeep.uevents import Uevents, open_uevents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NULL = Path("/sys/class/mem/null/uevent")
pytestmark = pytest.mark.skipif(not os.access(NULL, os.W_OK), reason="needs root, and a /sys that is not read-only")


@pytest.fixture
def hear() -> Iterator[Callable[..., Uevents]]:
    """Give a function that opens uevents, which are closed in the end."""
    with ExitStack() as stack:
        yield lambda *given, **more: stack.enter_context(closing(open_uevents(*given, **more)))


def wait(uevents: Uevents) -> None:
    assert select.select([uevents], [], [], 10)[0], "no uevent came"


def test_a_real_uevent_is_told(hear: Callable[..., Uevents]) -> None:
    uevents = hear("kernel")
    assert uevents.take() == ((), False)
    NULL.write_text("change")
    wait(uevents)
    assert uevents.take() == (("change of mem null",), False)


def test_subsystems_that_are_noise_are_not_told(hear: Callable[..., Uevents]) -> None:
    uevents = hear("kernel")
    uevents.noise = frozenset({"mem"})
    NULL.write_text("change")
    wait(uevents)
    assert uevents.take() == ((), False)


def test_lost_uevents_are_noticed(hear: Callable[..., Uevents]) -> None:
    uevents = hear("kernel", buffer=4096)
    for _ in range(200):
        NULL.write_text("change")
    wait(uevents)
    assert any(uevents.take().lost for _ in range(200))


def test_there_is_always_a_source(hear: Callable[..., Uevents]) -> None:
    assert hear().source == ("udev" if Path("/run/udev/control").exists() else "kernel")
