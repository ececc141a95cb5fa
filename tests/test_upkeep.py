"""Specs that stay true: the engine on a directory that changes, with a clock of the test's own."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from cdi.errors import CdiError, UsageError
from cdi.host import Host
from cdi.store import load, lock, write
from cdi.upkeep import Engine, Entry, Keeper, Looker, Metrics, Timing, Wanted
from cdi.upkeep.pace import Pace
from tests.acme import FPGA, NPU, Acme, make

if TYPE_CHECKING:
    from collections.abc import Callable

TIMING = Timing()


class Running:
    """An engine that keeps the specs of a host, and what it said; `restart` is a new process."""

    def __init__(self, acme: Acme, *, make: Callable[[Host], Wanted] = make) -> None:
        self.acme = acme
        self.now = 1000.0
        self.said: list[Entry] = []
        self.looks = 0
        self.make = make
        self.restart()

    def restart(self) -> None:
        self.metrics = Metrics(version="1", wall=lambda: self.now)
        self.looker = Looker(Host(self.acme.root), self.make, root=str(self.acme.root))
        keeper = Keeper(self.acme.installed, TIMING, root=str(self.acme.root))
        self.engine = Engine(
            self.looker.look, keeper, TIMING, clock=lambda: self.now, say=self.said.append, metrics=self.metrics
        )

    def wait(self, seconds: float) -> None:
        """Let time pass, looking whenever that is due."""
        end = self.now + seconds
        while (due := max(self.engine.due(), self.now)) <= end:
            self.now = due
            self.engine.look()
            self.looks += 1
            self.now += 0.001
        self.now = end

    def after(self, change: Callable[..., object], *arguments: Any) -> None:
        """Let something happen, and be told of it."""
        change(*arguments)
        self.engine.stir("test")

    def installed(self) -> dict[str, list[str]]:
        """Return the devices of each spec, but for `all`."""
        specs = [load(path) for path in sorted(self.acme.installed.glob("*.yaml"))]
        return {spec.kind: [device.name for device in spec.devices if device.name != "all"] for spec in specs}

    def told(self) -> list[str]:
        return [entry.message for entry in self.said if entry.level != "debug"]

    def events(self) -> list[str]:
        return [entry.event for entry in self.said]


@pytest.fixture
def acme(tmp_path: Path) -> Acme:
    host = Acme(tmp_path / "host")
    host.add_npu(0)
    host.add_npu(1)
    return host


@pytest.fixture
def running(acme: Acme) -> Running:
    running = Running(acme)
    running.wait(0)
    return running


def written(path: Path) -> tuple[Path, int, int]:
    """Return what differs when a file is written again."""
    status = path.stat()
    return path, status.st_ino, status.st_mtime_ns


# When to look.


def pace(**ended: Any) -> Pace:
    own = Pace(TIMING, 0)
    own.began()
    own.ended(0, **{"failed": False, "waiting": False, **ended})
    return own


def test_the_first_look_is_due_at_once() -> None:
    assert Pace(TIMING, 5).due() == 5


def test_without_events_the_next_look_is_after_the_interval() -> None:
    assert pace().due() == TIMING.interval


def test_a_look_waits_for_quiet() -> None:
    own = pace()
    own.stir(20)
    own.stir(20.5)
    assert own.due() == 20.5 + TIMING.quiet


def test_constant_noise_does_not_keep_us_from_looking() -> None:
    own = pace()
    for tenth in range(200, 400):
        own.stir(tenth / 10)
    assert own.due() == 20 + TIMING.longest


def test_looks_keep_their_distance() -> None:
    own = pace()
    own.stir(0.1)
    assert own.due() == TIMING.gap
    own.hurry()
    assert own.due() == TIMING.gap


def test_events_during_a_look_are_for_the_next() -> None:
    own = pace()
    own.began()
    own.stir(30)
    own.ended(31, failed=False, waiting=False)
    assert own.due() == 31 + TIMING.gap


def test_failures_make_the_distance_longer_up_to_the_interval() -> None:
    own = pace()
    waits = []
    for _ in range(7):
        own.ended(100, failed=True, waiting=False)
        own.stir(100)
        waits.append(own.due() - 100)
    assert waits == [4, 8, 16, 32, 60, 60, 60]
    own.hurry(retry=True)
    assert own.due() == 100 + TIMING.gap


def test_what_is_missing_is_looked_for_before_the_grace_has_passed() -> None:
    assert pace(waiting=True).due() == TIMING.grace / TIMING.looks


# What is kept and what goes.


def test_specs_are_written_at_first_and_then_left_alone(running: Running) -> None:
    assert running.installed() == {NPU: ["0", "1"]}
    before = [written(path) for path in running.acme.installed.iterdir()]
    running.wait(500)
    assert running.looks > 8
    assert [written(path) for path in running.acme.installed.iterdir()] == before
    assert running.events() == ["wrote", *["looked"] * (running.looks - 1)]


def test_only_the_spec_that_changed_is_written(running: Running) -> None:
    npu = running.acme.installed / "acme.example-npu.yaml"
    before = written(npu)
    running.after(running.acme.add_fpga, 3)
    running.wait(2)
    assert running.installed() == {FPGA: ["3"], NPU: ["0", "1"]}
    assert written(npu) == before


def test_new_devices_are_written_as_soon_as_it_is_quiet(running: Running) -> None:
    running.wait(10)
    running.after(running.acme.add_npu, 10)
    running.wait(TIMING.quiet - 0.1)
    assert running.installed() == {NPU: ["0", "1"]}
    running.wait(0.2)
    assert running.installed() == {NPU: ["0", "1", "10"]}
    assert running.said[-1].message == "wrote acme.example/npu: 4 devices (10 new; all changed)"
    assert running.said[-1].reason == "test"


def test_a_device_that_is_missing_stays_for_the_grace(running: Running) -> None:
    running.after(running.acme.remove_npu, 1)
    running.wait(TIMING.grace)
    assert running.installed() == {NPU: ["0", "1"]}
    running.wait(TIMING.gap + TIMING.grace / TIMING.looks)
    assert running.installed() == {NPU: ["0"]}
    assert running.told() == [
        "wrote acme.example/npu: 3 devices",
        "kept acme.example/npu although 2 parts of it are missing: it may come back",
        "wrote acme.example/npu: 2 devices (all changed; 1 gone)",
    ]


def test_a_spec_without_devices_goes_after_the_grace(running: Running) -> None:
    for number in (0, 1):
        running.after(running.acme.remove_npu, number)
    running.wait(TIMING.grace)
    assert running.installed() == {NPU: ["0", "1"]}
    running.wait(TIMING.grace)
    assert list(running.acme.installed.iterdir()) == []
    assert running.engine.outcome.waiting == {}
    assert running.told()[-1] == "removed acme.example/npu, whose 3 devices are gone"


def test_a_driver_that_loads_again_costs_nothing(running: Running) -> None:
    before = written(running.acme.installed / "acme.example-npu.yaml")
    for _ in range(10):
        running.after(running.acme.remove_npu, 0)
        running.after(running.acme.unload_driver)
        running.wait(TIMING.grace - 5)
        running.after(running.acme.add_npu, 0)
        running.after(running.acme.load_driver)
        running.wait(5)
    assert written(running.acme.installed / "acme.example-npu.yaml") == before


def test_a_device_that_lost_a_node_keeps_it_for_the_grace(running: Running) -> None:
    running.after((running.acme.root / "dev/npu/1-core1").unlink)
    running.wait(TIMING.grace)
    spec = load(running.acme.installed / "acme.example-npu.yaml")
    assert len(spec.devices[1].container_edits.device_nodes) == 2
    running.wait(TIMING.grace)
    spec = load(running.acme.installed / "acme.example-npu.yaml")
    assert len(spec.devices[1].container_edits.device_nodes) == 1


def test_libraries_of_another_version_are_no_loss(running: Running) -> None:
    running.after(running.acme.load_driver, "2")
    running.wait(3)
    assert "libacme-npu.so.2" in (running.acme.installed / "acme.example-npu.yaml").read_text()


def test_shared_edits_are_kept_beside_new_devices(running: Running) -> None:
    running.after(running.acme.unload_driver)
    running.after(running.acme.add_npu, 2)
    running.wait(3)
    assert running.installed() == {NPU: ["0", "1", "2"]}
    assert "libacme-npu.so.1" in (running.acme.installed / "acme.example-npu.yaml").read_text()
    running.wait(2 * TIMING.grace)
    assert load(running.acme.installed / "acme.example-npu.yaml") == running.acme.specs()[NPU]


def test_a_loss_that_grows_is_waited_for_anew(running: Running) -> None:
    running.after((running.acme.root / "dev/npu/1-core1").unlink)
    running.wait(TIMING.grace - 3)
    running.after(running.acme.remove_npu, 1)
    running.wait(TIMING.grace - 3)
    assert running.installed() == {NPU: ["0", "1"]}
    running.wait(TIMING.grace)
    assert running.installed() == {NPU: ["0"]}


def test_after_a_restart_the_grace_begins_anew(running: Running) -> None:
    running.after(running.acme.remove_npu, 1)
    running.wait(TIMING.grace - 5)
    running.restart()
    running.wait(TIMING.grace - 5)
    assert running.installed() == {NPU: ["0", "1"]}
    running.wait(TIMING.grace)
    assert running.installed() == {NPU: ["0"]}


def test_a_long_time_alone_is_not_enough(running: Running) -> None:
    """As when the machine slept: it takes several looks, too."""
    running.acme.remove_npu(1)
    for passed in (0, 1000, 1000):
        assert running.installed() == {NPU: ["0", "1"]}
        running.now += passed
        running.engine.look()
    assert running.installed() == {NPU: ["0"]}


def test_a_spec_that_somebody_deleted_or_changed_is_put_back(running: Running) -> None:
    path = running.acme.installed / "acme.example-npu.yaml"
    text = path.read_text()
    running.after(path.unlink)
    running.wait(3)
    assert path.read_text() == text
    running.after(path.write_text, text.replace("/dev/npu/0-core0", "/dev/npu/none"))
    running.wait(3)
    assert path.read_text() == text


def test_a_spec_in_the_other_format_stays_in_it(acme: Acme) -> None:
    write(replace(acme.specs()[NPU], devices=acme.specs()[NPU].devices[:1]), acme.installed, format="json")
    running = Running(acme)
    running.wait(0)
    (path,) = acme.installed.iterdir()
    assert path.name == "acme.example-npu.json"
    assert load(path) == acme.specs()[NPU]


# What is not ours, and what goes wrong.


def test_files_of_others_are_not_touched(acme: Acme) -> None:
    acme.installed.mkdir(parents=True)
    other = acme.installed / "other.yaml"
    other.write_text("cdiVersion: 0.5.0\nkind: acme.example/old\ndevices: [{name: a, containerEdits: {env: [A=B]}}]\n")
    (acme.installed / "acme.example-fpga.yaml").write_text("no spec")
    running = Running(acme)
    running.after(acme.add_fpga, 0)
    running.wait(1000)
    running.after(acme.add_npu, 2)
    running.wait(3)  # one kind does not hold up another
    assert load(acme.installed / "acme.example-npu.yaml") == acme.specs()[NPU]
    assert (acme.installed / "acme.example-fpga.yaml").read_text() == "no spec"
    assert {path.name for path in acme.installed.iterdir()} == {
        "other.yaml",
        "acme.example-fpga.yaml",
        "acme.example-npu.yaml",
    }
    assert [entry.message for entry in running.said if entry.event == "conflict"] == [
        f"{str(acme.installed / 'acme.example-fpga.yaml')!r} does not hold a CDI spec"
    ]


def test_a_conflict_is_told_once_and_not_fought(acme: Acme) -> None:
    other = write(acme.specs()[NPU], acme.installed, name="acme")
    running = Running(acme)
    running.wait(1000)
    assert list(acme.installed.iterdir()) == [other]
    assert running.events() == ["conflict"]
    running.after(other.unlink)
    running.wait(3)
    assert running.installed() == {NPU: ["0", "1"]}


def test_a_spec_that_keeps_containers_from_starting_is_not_installed(acme: Acme) -> None:
    faults: dict[str, str] = {NPU: "there is no '/usr/bin/cdi-hook' to run"}

    def faulty(host: Host) -> Wanted:
        return replace(make(host), faulty=dict(faults))

    running = Running(acme, make=faulty)
    running.wait(1000)
    assert running.installed() == {}
    faults.clear()
    running.after(acme.add_npu, 2)
    running.wait(3)
    assert running.installed() == {NPU: ["0", "1", "2"]}
    faults[NPU] = "no hook again"
    running.after(acme.remove_npu, 2)
    running.wait(1000)
    assert running.installed() == {NPU: ["0", "1", "2"]}
    assert [entry.event for entry in running.said if entry.level != "debug"] == ["refused", "wrote", "refused"]


def test_a_look_that_fails_takes_nothing_and_is_tried_again_less_and_less_often(acme: Acme) -> None:
    broken = [False]

    def failing(host: Host) -> Wanted:
        if broken[0]:
            message = "cannot list '/sys/class/npu': input/output error"
            raise CdiError(message)
        return make(host)

    running = Running(acme, make=failing)
    running.wait(0)
    broken[0] = True
    acme.remove_npu(0)
    looks = running.looks
    running.wait(1000)
    assert running.looks - looks < 25
    assert running.installed() == {NPU: ["0", "1"]}
    assert [entry.event for entry in running.said if entry.level == "error"] == ["failed"]
    assert running.metrics.failures == running.looks - looks
    broken[0] = False
    running.wait(200)
    assert running.installed() == {NPU: ["1"]}


def test_a_request_that_makes_no_sense_ends_it_at_once(acme: Acme) -> None:
    def senseless(_host: Host) -> Wanted:
        message = "unknown family 'acme'"
        raise UsageError(message)

    with pytest.raises(UsageError):
        Running(acme, make=senseless).wait(0)


def test_a_kind_that_could_not_be_asked_about_loses_nothing(acme: Acme) -> None:
    unsure: dict[str, str] = {}
    running = Running(acme, make=lambda host: replace(make(host), unsure=dict(unsure)))
    running.wait(0)
    unsure[NPU] = "NVML says: Unknown Error"
    running.after(acme.remove_npu, 1)
    running.after(acme.add_npu, 2)
    running.wait(1000)
    assert running.installed() == {NPU: ["0", "1", "2"]}
    unsure.clear()
    running.wait(TIMING.grace)
    assert running.installed() == {NPU: ["0", "1", "2"]}
    running.wait(100)
    assert running.installed() == {NPU: ["0", "2"]}


def test_a_profile_that_is_broken_takes_no_spec_and_one_that_is_gone_does(acme: Acme) -> None:
    running = Running(acme, make=lambda host: make(host, None))
    running.wait(0)
    profile = acme.root / "etc/cdi-tools/profiles.d/npu.yaml"
    acme.add_fpga(0)
    running.after(profile.write_text, "{")
    running.wait(200)
    assert running.installed() == {FPGA: ["0"], NPU: ["0", "1"]}
    running.after(profile.unlink)
    running.wait(200)
    assert running.installed() == {FPGA: ["0"]}


def test_pools_are_followed(acme: Acme) -> None:
    """A function that comes into another pool leaves its own, and a broken file changes nothing."""
    for number in (0, 1):
        function = acme.root / f"sys/devices/pci0000:00/0000:00:0{number + 1}.0"
        (function / f"net/eth{number}").mkdir(parents=True)
        (function / "uevent").write_text("DRIVER=e1000e\nPCI_CLASS=20000\nPCI_ID=8086:10D3\n")
        for place, inside in (("bus/pci/devices", ""), ("class/net", f"/net/eth{number}")):
            link = acme.root / "sys" / place / (f"eth{number}" if inside else function.name)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(f"{'../' * (place.count('/') + 1)}devices/pci0000:00/{function.name}{inside}")
        (function / f"net/eth{number}/device").symlink_to("../..")
        (function / f"net/eth{number}/type").write_text("1\n")
    routes = acme.root / "proc/net/route"
    routes.parent.mkdir(parents=True)
    routes.write_text("Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n")
    file = acme.root / "etc/cdi-tools/pools.d/config.json"
    file.parent.mkdir()

    def pools(**addresses: list[str]) -> str:
        pools = [{"resourceName": name, "selectors": {"pciAddresses": of}} for name, of in addresses.items()]
        return json.dumps({"resourceList": pools})

    one, other = "0000:00:01.0", "0000:00:02.0"
    file.write_text(pools(first=[one], second=[other]))
    running = Running(acme, make=lambda host: make(host, ("pool",)))
    running.wait(0)
    assert running.installed() == {"host.local/first": [one], "host.local/second": [other]}
    assert "/etc/cdi-tools/pools.d" in running.looker.places.paths
    running.after(file.write_text, pools(first=[one, other]))
    running.wait(200)
    assert running.installed() == {"host.local/first": [one, other]}
    running.after(file.write_text, "{")
    running.wait(200)
    assert running.installed() == {"host.local/first": [one, other]}


def test_a_root_that_is_gone_takes_nothing(running: Running) -> None:
    specs = running.acme.installed
    hidden = running.acme.root.rename(running.acme.root.with_name("hidden"))
    running.wait(200)
    assert {entry.event for entry in running.said if entry.level == "error"} == {"failed"}
    hidden.rename(running.acme.root)
    running.wait(100)
    assert [path.name for path in specs.iterdir()] == ["acme.example-npu.yaml"]


def test_a_directory_that_has_become_a_link_is_left_alone(running: Running) -> None:
    specs = running.acme.installed
    real = specs.rename(specs.with_name("real"))
    specs.symlink_to("real")
    before = [written(path) for path in real.iterdir()]
    running.acme.add_npu(2)
    running.wait(200)
    assert [written(path) for path in real.iterdir()] == before
    (error,) = {entry for entry in running.said if entry.level == "error"}
    assert "is a link to 'real'" in error.message
    specs.unlink()
    real.rename(specs)
    running.wait(100)
    assert running.installed() == {NPU: ["0", "1", "2"]}


def test_a_locked_directory_is_tried_again(running: Running) -> None:
    running.acme.add_npu(2)
    with lock(running.acme.installed):
        running.engine.look()
    assert running.installed() == {NPU: ["0", "1"]}
    running.wait(5)
    assert running.installed() == {NPU: ["0", "1", "2"]}


def test_what_a_killed_writer_left_is_removed_at_first(acme: Acme) -> None:
    acme.installed.mkdir(parents=True)
    (acme.installed / ".cdi-tools-0123456789abcdef.tmp").write_text("half")
    Running(acme).wait(0)
    assert [path.name for path in acme.installed.iterdir()] == ["acme.example-npu.yaml"]


def test_the_places_are_those_that_a_look_depends_on(running: Running) -> None:
    places = running.looker.places
    assert {"/etc/cdi-tools/profiles.d", "/dev/npu", "/usr/lib64", "/opt/acme"} <= places.paths
    assert not any(path.startswith(("/sys", "/proc", "/tmp/")) for path in places.paths)


def test_hardware_that_nobody_tells_of_changes_the_fingerprint(running: Running) -> None:
    looker = running.looker
    prints = [looker.fingerprint()]
    running.acme.add_npu(7)
    prints.append(looker.fingerprint())
    mig = running.acme.root / "proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0"
    mig.mkdir(parents=True)
    prints.append(looker.fingerprint())
    (mig.parent / "ci1").mkdir()
    prints.append(looker.fingerprint())
    assert len(set(prints)) == 4
    assert looker.fingerprint() == prints[-1]


def test_metrics_are_escaped_and_count(running: Running) -> None:
    running.after(running.acme.remove_npu, 0)
    running.wait(3)
    text = running.metrics.text()
    assert 'cdi_watch_devices{kind="acme.example/npu"} 3\n' in text
    assert 'cdi_watch_pending_removals{kind="acme.example/npu"} 2\n' in text
    assert 'cdi_watch_regenerations_total{kind="acme.example/npu"} 1\n' in text
    assert 'cdi_watch_build_info{version="a\\"b\\\\\\nc"} 1\n' in Metrics(version='a"b\\\nc', wall=time.time).text()


# All of it at once.


def something(running: Running, random: Random) -> float:
    """Let something happen, and return how long to wait then."""
    acme = running.acme
    event = random.random()
    if event < 0.8:
        acme.shake(random)
    elif event < 0.85:
        acme.unload_driver()
    elif event < 0.99:
        acme.load_driver()
    elif event < 0.993:
        running.restart()
        (acme.installed / f".cdi-tools-{random.getrandbits(64):016x}.tmp").write_text("half a spec")
    elif event < 0.995:
        running.engine.lost("test")
    elif event < 0.997:
        for number in range(6):
            acme.remove_fpga(number)
        return 2 * TIMING.grace
    return random.expovariate(0.4) if random.random() < 0.03 else 0.02


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_after_ten_thousand_events_the_specs_are_exactly_right(tmp_path: Path, seed: int) -> None:
    """Devices come and go, drivers load again, writers and the service itself are killed; half of it for each seed."""
    random = Random(seed)
    acme = Acme(tmp_path / "host")
    other = acme.installed / "theirs.yaml"
    acme.installed.mkdir(parents=True)
    other.write_text("cdiVersion: 0.5.0\nkind: o.example/x\ndevices: [{name: a, containerEdits: {env: [A=B]}}]\n")
    text = other.read_text()
    running: Running
    there: dict[str, float] = {}  # when each device was last seen

    def seeing(host: Host) -> Wanted:
        there.update(dict.fromkeys(acme.npus(), running.now))
        return make(host)

    running = Running(acme, make=seeing)
    start, size = running.now, 0
    before: set[str] = set()
    for number in range(5_000):
        pause = something(running, random)
        if random.random() < 0.003:
            (acme.installed / "acme.example-npu.yaml").unlink(missing_ok=True)
            before = set()
        running.engine.stir("test")
        looks = running.looks
        running.wait(pause)
        if running.looks != looks:
            after = set(running.installed().get(NPU, []))
            assert all(running.now - there[name] >= TIMING.grace for name in before - after)
            before = after
        if number == 1000:
            size = resident()
    assert resident() - size < 4 << 20
    assert running.looks <= (running.now - start) / TIMING.gap + 50
    assert {"wrote", "waiting", "removed", "lost-events"} <= set(running.events())
    running.wait(3 * TIMING.grace)
    found = {path.name for path in acme.installed.iterdir()}
    assert found == {"theirs.yaml", *(f"{kind.replace('/', '-')}.yaml" for kind in acme.specs())}
    assert {spec.kind: spec for spec in map(load, acme.installed.glob("acme*"))} == acme.specs()
    assert other.read_text() == text


def resident() -> int:
    """Return how much memory this process has, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
