"""Specs that were right once: the doctor sees what is no longer so, on hosts with real drivers' files."""

from __future__ import annotations

import json
from pathlib import Path

from cdi.discovery import discover
from cdi.encode import dump
from cdi.generation import generate
from cdi.host import Host
from tests.doctoring import GOOD, NODE, Node

HOSTS = Path(__file__).parent.parent / "spec-examples/hosts"


def tree(name: str) -> str:
    return (HOSTS / name / "host.tree").read_text()


def node(name: str, *, changed: str | None = None, names: tuple[str, ...] = ()) -> Node:
    """Return a host with specs as they were generated on it, and then another tree in its place."""
    specs = generate(discover(Host.from_tree(tree(name)), ["nvidia-gpu"]), names=names, hooks=False)
    files = {f"/etc/cdi/{spec.kind.replace('/', '-')}.yaml": dump(spec) for spec in specs}
    return Node(files | {"/var/run/cdi/.keep": ""}, lines=changed or tree(name), podman="5.8.6")


def test_what_was_generated_here_is_fine() -> None:
    assert node("h100-8gpu").wrong() == []
    assert node("a100-mig").wrong("nvidia.com/gpu=0") == []
    assert {check.device for check in node("h100-8gpu").diagnosis().checks if check.device} == {"nvidia.com/gpu"}


def test_a_driver_update_is_the_cause_of_files_that_are_not_there() -> None:
    updated = node("a100-mig", changed=tree("a100-mig").replace("550.127.05", "560.35.03"))
    found = updated.first("nvidia.com/gpu=0")
    assert (found.step, found.path) == ("mounts", "/etc/cdi/nvidia.com-gpu.yaml")
    assert found.message.startswith("there is no '/")
    assert found.message.endswith(" mounts below it")
    assert found.why is not None
    assert found.why.startswith("the driver is 560.35.03 now, the spec was made for 550.127.05")
    assert [one.step for one in updated.wrong()] == ["mounts", "fresh"]


def test_a_gpu_that_is_gone_is_missed_by_its_name() -> None:
    lines = [line for line in tree("h100-8gpu").splitlines() if not line.startswith("/dev/nvidia7 ")]
    less = node("h100-8gpu", changed="\n".join(lines), names=("index",))
    found = [one for one in less.wrong("nvidia.com/gpu=[0-7]") if one.status == "problem"]
    assert [(one.step, one.message) for one in found] == [("nodes", "there is no '/dev/nvidia7'")]


def test_a_device_that_another_one_is_now() -> None:
    swapped = tree("h100-8gpu").replace('"index":0,', '"index":X,').replace('"index":1,', '"index":0,')
    found = node("h100-8gpu", changed=swapped.replace('"index":X,', '"index":1,')).wrong("nvidia.com/gpu=0")
    assert {one.step for one in found} == {"fresh"}


def test_a_device_that_is_called_by_its_other_name() -> None:
    answers = json.loads(
        next(line for line in tree("h100-8gpu").splitlines() if "/nvml/gpu3 " in line).partition("= ")[2]
    )
    found = node("h100-8gpu", names=("index",)).first(f"nvidia.com/gpu={answers['uuid']}")
    assert found.hint == "that is nvidia.com/gpu=3 here: ask for that, or have specs name it so: `cdi generate --name`"


def test_hardware_that_no_spec_offers_is_noted() -> None:
    here = Node({"/etc/cdi/gpu.json": GOOD, "/var/run/cdi/.keep": ""}, lines=NODE + tree("mi210"), podman="5.8.6")
    assert here.wrong() == []
    assert here.notes() == ["this node has devices of amd.com/gpu, and no spec offers them"]


def test_a_gpu_without_a_driver_is_a_problem_of_its_kind() -> None:
    broken = Node(
        {"/etc/cdi/nvidia.com-gpu.json": GOOD.replace("vendor", "nvidia")}, lines=NODE + tree("nvidia-broken")
    )
    found = [one for one in broken.wrong() if one.step == "driver"]
    assert {one.device for one in found} == {"nvidia.com/gpu"}
    assert "0000:03:00.0: no driver has it" in {one.message for one in found}


def test_a_mig_device_that_was_taken_apart() -> None:
    gone = [line for line in tree("a100-mig").splitlines() if "nvidia-cap219" not in line]
    less = node("a100-mig", changed="\n".join(gone))
    assert {one.step for one in less.wrong("nvidia.com/gpu=1:1")} <= {"nodes", "driver", "fresh"}
    assert less.first("nvidia.com/gpu=1:1").message == "there is no '/dev/nvidia-caps/nvidia-cap219'"
    reshaped = tree("a100-mig").replace("MIG-02000000", "MIG-0f000000")
    names = [one.message for one in node("a100-mig", changed=reshaped, names=("uuid",)).wrong() if one.step == "fresh"]
    assert any("any more" in name for name in names)
