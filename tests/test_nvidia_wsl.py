"""GPUs under WSL: which driver is taken, and what WSL needs where something is missing."""

from __future__ import annotations

import json

import pytest

from cdi.discovery import Discovery, discover
from cdi.host import Host

DXG = "/dev/dxg : c 10 127 0666\n"
DXCORE = "/usr/lib/wsl/lib/libdxcore.so = library\n"
STORES = "/usr/lib/wsl/drivers"
STORE = f"{STORES}/nv_dispi.inf_amd64_1"
CUDA = f"{STORE}/libcuda.so.1.1 = library\n"


def look(text: str) -> Discovery:
    return discover(Host.from_tree(text), ["nvidia-wsl"])


def inf(version: str, store: str = STORE) -> str:
    return f'{store}/nv_dispi.inf = "[Version]\\r\\nDriverVer   = 10/18/2024, {version}\\r\\n"\n'


def test_one_node_stands_for_every_gpu() -> None:
    discovery = look(DXG + DXCORE + CUDA + inf("32.0.15.6614") + f"{STORE}/nvidia-smi : f 0555\n{STORE}/x.sys = no\n")
    (found,), (shared,) = discovery.found, discovery.shared
    assert (found.kind, found.name, found.warnings) == ("nvidia.com/dxg", "dxg", ())
    assert [node.path for node in found.edits.device_nodes] == ["/dev/dxg"]
    assert found.attributes == {"driverStore": STORE, "windowsDriverVersion": "32.0.15.6614"}
    assert [mount.container_path for mount in shared.edits.mounts] == [
        "/usr/lib/wsl/lib/libdxcore.so",
        f"{STORE}/libcuda.so.1.1",
        f"{STORE}/nvidia-smi",
    ]
    assert [hook.args[1:] for hook in shared.edits.hooks] == [
        ("create-symlinks", "--link", f"{STORE}/nvidia-smi::/usr/bin/nvidia-smi"),
        ("update-ldcache", "--folder", STORE, "--folder", "/usr/lib/wsl/lib"),
    ]
    assert shared.edits.env == ("NVIDIA_VISIBLE_DEVICES=void",)


@pytest.mark.parametrize(
    ("versions", "taken", "why"),
    [
        (("32.0.15.999", "32.0.15.7628"), 1, "the newest, 32.0.15.7628"),
        (("32.0.15.7628", "32.0.15.999"), 0, "the newest, 32.0.15.7628"),
        (("32.0.15.7628", None), 0, "the newest, 32.0.15.7628"),
        ((None, None), 1, "the last by name, their versions are unknown"),
    ],
)
def test_the_newest_of_several_drivers_is_taken(versions: tuple[str | None, str | None], taken: int, why: str) -> None:
    stores = (f"{STORES}/nv_dispi.inf_amd64_2", f"{STORES}/nv_dispi.inf_amd64_10")
    text = "".join(f"{store}/libcuda.so.1.1 = library\n" for store in stores)
    text += "".join(inf(version, store) for store, version in zip(stores, versions, strict=True) if version)
    (found,) = look(DXG + DXCORE + text).found
    assert found.attributes["driverStore"] == stores[taken]
    assert found.warnings == (
        (
            f"several drivers have CUDA; taken is {stores[taken]}, {why}; others: {stores[1 - taken]}."
            " If CUDA does not start, remove the drivers that Windows does not use (pnputil /delete-driver)"
        ),
    )


def test_description_of_a_driver_may_be_utf_16() -> None:
    raw = "\ufeffDriverVer=10/18/2024,31.0.15.3699".encode("utf-16-le").decode("utf-8", "surrogateescape")
    (found,) = look(DXG + DXCORE + CUDA + f"{STORE}/nv_dispi.inf = {json.dumps(raw)}\n").found
    assert found.attributes["windowsDriverVersion"] == "31.0.15.3699"


def test_dxcore_may_be_where_the_linker_looks() -> None:
    discovery = look(DXG + CUDA + "/usr/lib/x86_64-linux-gnu/libdxcore.so = library\n")
    assert discovery.shared[0].edits.hooks[-1].args[-1] == "/usr/lib/x86_64-linux-gnu"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (DXG + CUDA, "there is no libdxcore.so, neither in /usr/lib/wsl/lib nor where the linker looks"),
        (
            DXG + DXCORE + f"{STORES}/nv_dispi.inf_amd64_1/nvidia-smi = x\n",
            f"no directory in {STORES} has libcuda.so.1.1: Windows shares a GPU, but no driver of NVIDIA's",
        ),
        (DXCORE + CUDA, "there is no /dev/dxg"),
    ],
)
def test_what_is_missing_says_what_to_do_in_windows(text: str, why: str) -> None:
    (skipped,) = look(text).skipped
    assert skipped.why == why
    assert skipped.hint is not None
    assert "wsl --shutdown" in skipped.hint


def test_other_machines_have_no_wsl() -> None:
    discovery = look("/usr/lib/x86_64-linux-gnu/libcuda.so.1.1 = library\n")
    assert (discovery.found, discovery.skipped) == ((), ())
