"""Pools: what a file says, what is wrong with it, and which functions each pool has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import cdi
from cdi.discovery import Discovery, discover, host_families
from cdi.discovery.pools import PoolsInvalid, parse_pools, read_pools
from cdi.discovery.pools.format import NETWORK, PREFIX, Selector, selectors_of
from cdi.discovery.pools.ranges import Ranged, parse_ranged
from cdi.generation import generate
from cdi.host import Host
from cdi.report import check

if TYPE_CHECKING:
    from cdi.discovery import Found
    from cdi.discovery.pools import PoolList
    from cdi.model import ContainerEdits

EXAMPLES = Path(__file__).parent.parent / "spec-examples"
POOLS = sorted(path for path in (EXAMPLES / "pools").iterdir() if path.is_file())
INVALID = sorted(path for path in (EXAMPLES / "pools/invalid").iterdir() if path.suffix in {".json", ".yaml"})
HOSTS = EXAMPLES / "hosts"


def example(name: str) -> PoolList:
    return parse_pools((EXAMPLES / "pools" / name).read_bytes(), source=name)


def pool(**fields: Any) -> dict[str, Any]:
    return {"resourceName": "net", "selectors": {}} | fields


def listed(*pools: dict[str, Any], source: str = "pools.json") -> PoolList:
    return parse_pools(json.dumps({"resourceList": pools}).encode(), source=source)


def found_on(host: str, *pools: dict[str, Any], include: tuple[str, ...] = ()) -> Discovery:
    return discover(Host.load(HOSTS / host), ["pool"], include=include, pools=[listed(*pools)])


def selected(host: str, selectors: Any, **fields: Any) -> list[str]:
    return [one.name for one in found_on(host, pool(selectors=selectors, **fields)).found]


def skips(discovery: Discovery) -> dict[str, str]:
    return {one.what: one.why for one in discovery.skipped}


def variables(edits: ContainerEdits) -> dict[str, str]:
    return dict(entry.split("=", 1) for entry in edits.env)


def info(found: Found) -> dict[str, Any]:
    (text,) = (value for key, value in variables(found.edits).items() if key.endswith("_INFO"))
    (own,) = json.loads(text).values()
    return own  # type: ignore[no-any-return]


def nodes(found: Found) -> list[str]:
    return [node.path for node in found.edits.device_nodes]


# The text of a file.


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.name)
def test_an_example_has_no_problem(path: Path) -> None:
    pools, problems = read_pools(path.read_bytes(), source=path.name)
    assert (problems, pools is not None) == ((), True)


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.name)
def test_an_invalid_example_gives_exactly_its_lines(path: Path) -> None:
    pools, problems = read_pools(path.read_bytes(), source=path.name)
    assert pools is None
    assert "".join(f"{problem.render(path.name)}\n" for problem in problems) == golden(path).read_text()


def test_every_golden_belongs_to_an_example() -> None:
    assert sorted((EXAMPLES / "pools/invalid").glob("*.errors.txt")) == sorted(map(golden, INVALID))


def golden(path: Path) -> Path:
    return path.with_suffix(".errors.txt")


def test_what_may_be_left_out_has_the_plugins_defaults() -> None:
    (placed,) = listed(pool()).pools
    one = placed.pool
    assert (one.resource_prefix, one.device_type, selectors_of(one)) == (PREFIX, NETWORK, (Selector(),))
    assert one.kind == "host.local/net"


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceList": [{"resourceName": "net", "selectors": [{"isRdma": true, "needVhostNet": true}]}]}',
        '{"resourceList": [{"RESOURCENAME": "net", "Selectors": {"IsRdma": true, "NeedVhostNet": true}}]}',
        """{"resourceList": [{"resourceName": "net", "deviceType": "", "resourcePrefix": null, "SelectorObjs": null,
        "selectors": {"isRdma": true, "needVhostNet": true, "vendors": null, "vdpaType": ""}}]}""",
        "resourcelist:\n- resourceName: net\n  selectors: {isRdma: true, needVhostNet: true}\n",
    ],
)
def test_a_file_is_read_as_the_plugin_reads_it(text: str) -> None:
    """Go's encoding/json: names in any case, null and empty strings as if they were left out."""
    (placed,) = parse_pools(text.encode(), source="pools").pools
    assert selectors_of(placed.pool) == (Selector(is_rdma=True, need_vhost_net=True),)
    assert placed.pool.kind == "host.local/net"


def test_a_pool_knows_its_place() -> None:
    assert [one.place for one in example("e810.yaml").pools] == ["e810.yaml:2:5", "e810.yaml:7:5"]


def test_an_invalid_file_is_an_error_with_all_that_is_wrong() -> None:
    with pytest.raises(PoolsInvalid) as caught:
        listed(pool(selectors={"vendors": ["8O86"]}))
    assert str(caught.value) == (
        "invalid list of pools pools.json\n"
        "pools.json:1:69: error: resourceList[0].selectors.vendors[0]: invalid vendor id '8O86' [pools-invalid]"
    )
    assert caught.value.hint == "write 4 hexadecimal digits in small letters, as in '8086'"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("eth0", Ranged("eth0")),
        ("eth0#3", Ranged("eth0", ((3, 3),))),
        ("eth0#0-3,7,9-9", Ranged("eth0", ((0, 3), (7, 7), (9, 9)))),
        ("0000:3b:00.0#1", Ranged("0000:3b:00.0", ((1, 1),))),
        *((text, None) for text in ("", "#1", "eth0#", "eth0#1,", "eth0#3-1", "eth0#-1", "eth0#1-2-3", "eth0#1#2")),
    ],
)
def test_ranges(text: str, meant: Ranged | None) -> None:
    assert parse_ranged(text) == meant


# Which functions a pool has.

VFS = {f"0000:3b:{1 + index // 8:02x}.{index % 8}": index for index in range(64)}  # of spec-examples/hosts/e810-64vf


@pytest.mark.parametrize(
    ("selectors", "indexes"),
    [
        ({"vendors": ["8086"]}, range(64)),
        ({"vendors": ["8086"], "devices": ["1889"]}, range(64)),
        ({"devices": ["ffff"]}, ()),
        ({"vendors": ["15b3"]}, ()),
        ({"drivers": ["iavf"]}, range(32)),
        ({"drivers": ["vfio-pci"]}, range(32, 64)),
        ({"drivers": ["iavf", "vfio-pci"]}, range(64)),
        ({"pfNames": ["enp59s0np0"]}, range(64)),
        ({"pfNames": ["ENP59S0np0#0"]}, [0]),
        ({"pfNames": ["enp59s0np0#0-3,7,62-99"]}, [0, 1, 2, 3, 7, 62, 63]),
        ({"pfNames": ["eth0", "enp59s0np0#5"]}, [5]),
        ({"pfNames": ["enp59s0np0#30-33"], "drivers": ["vfio-pci"]}, [32, 33]),
        ({"rootDevices": ["0000:3b:00.0#0-1"]}, [0, 1]),
        ({"rootDevices": ["0000:3b:00.0"], "pfNames": ["enp59s0np0#2"]}, [2]),
        ({"pciAddresses": ["0000:3b:01.0", "0000:3b:08.7"]}, [0, 63]),
        ({"linkTypes": ["ether"], "pfNames": ["enp59s0np0#31-32"]}, [31, 32]),
        ({"linkTypes": ["infiniband"]}, ()),
        ({"isRdma": True}, ()),
        ({"vdpaType": "vhost"}, ()),
        ([{"pfNames": ["enp59s0np0#1"]}, {"pfNames": ["enp59s0np0#1-2"]}], [1, 2]),
    ],
)
def test_a_function_is_taken_when_one_of_the_selectors_fits(selectors: Any, indexes: Any) -> None:
    assert [VFS[name] for name in selected("e810-64vf", selectors)] == list(indexes)


def test_what_the_host_needs_itself_stays_unless_it_is_named() -> None:
    everything = found_on("e810-64vf", pool())
    assert skips(everything) == {
        "0000:04:00.0": "carries the IPv4 default route",
        "0000:3b:00.0": "the host sets up its 64 virtual functions through it",
    }
    named = found_on("e810-64vf", pool(), include=("0000:04:00.0",))
    assert next(one.in_all for one in named.found if one.name == "0000:04:00.0") is False
    assert not named.problems


def test_a_physical_function_with_virtual_ones_stays_without_an_interface_too() -> None:
    tree = (HOSTS / "e810-64vf/host.tree").read_text().replace("/net/enp59s0np0", "/net_/enp59s0np0")
    discovery = discover(Host.from_tree(tree), ["pool"], pools=[listed(pool())])
    assert skips(discovery)["0000:3b:00.0"] == "its 64 virtual functions depend on it"


def test_partition_keys_and_link_types_of_infiniband() -> None:
    named = ("0000:af:00.0",)
    for selectors, count in (
        ({"linkTypes": ["infiniband"]}, 1),
        ({"linkTypes": ["infiniband"], "pKeys": ["0xffff"]}, 1),
        ({"pKeys": ["0x8001"]}, 0),
        ({"linkTypes": ["ether"]}, 0),
    ):
        one = pool(selectors=selectors | {"pciAddresses": [*named]})
        assert len(found_on("cx4-infiniband", one, include=named).found) == count


def test_a_number_of_the_firmware() -> None:
    tree = (HOSTS / "e810-64vf/host.tree").read_text()
    (place,) = (line.partition(" ")[0] for line in tree.splitlines() if "/0000:3b:01.3/vendor" in line)
    tree += f"{place.replace('/vendor', '/acpi_index')} = 7\n"
    pools = [listed(pool(selectors={"acpiIndexes": ["7", "8"]}))]
    assert [one.name for one in discover(Host.from_tree(tree), ["pool"], pools=pools).found] == ["0000:3b:01.3"]


def test_rdma_comes_where_it_is_asked_for() -> None:
    """As in the plugin, which looks for RDMA devices of pools with isRdma only."""
    plain, rdma = (
        found_on("cx6-roce", pool(selectors={"pfNames": ["enp65s0f0np0#0"], "isRdma": wanted})).found
        for wanted in (False, True)
    )
    assert ([nodes(one) for one in plain], [info(one) for one in plain]) == (
        [[]],
        [{"generic": {"deviceID": "0000:41:00.2"}}],
    )
    assert [nodes(one) for one in rdma] == [
        ["/dev/infiniband/uverbs2", "/dev/infiniband/umad2", "/dev/infiniband/rdma_cm"]
    ]
    assert [info(one) for one in rdma] == [
        {
            "generic": {"deviceID": "0000:41:00.2"},
            "rdma": {
                "rdma_dev": "rocep65s0f0v0",
                "uverbs": "/dev/infiniband/uverbs2",
                "umad": "/dev/infiniband/umad2",
                "rdma_cm": "/dev/infiniband/rdma_cm",
            },
        }
    ]


def test_vdpa_of_a_type() -> None:
    vhost = found_on("mlx5-vdpa", pool(selectors={"vdpaType": "vhost"})).found
    assert {one.name: [node for node in nodes(one) if "vdpa" in node] for one in vhost} == {
        "0000:65:00.2": ["/dev/vhost-vdpa-0"],
    }
    assert [info(one)["vdpa"] for one in vhost] == [{"mount": "/dev/vhost-vdpa-0"}]
    virtio = found_on("mlx5-vdpa", pool(selectors={"vdpaType": "virtio"})).found
    assert [(one.name, nodes(one)) for one in virtio] == [("0000:65:00.3", [])]
    assert "vdpa" not in str(virtio[0].edits)


def test_subfunctions_are_of_their_own_type() -> None:
    selectors = {"auxTypes": ["sf"], "isRdma": True}
    (one,) = found_on("switchdev", pool(deviceType="auxNetDevice", selectors=selectors)).found
    assert (one.name, [net.host_interface_name for net in one.edits.net_devices]) == ("mlx5_core.sf.2", ["p0sf88"])
    for ranges, count in (("#88", 1), ("#87", 0), ("", 1)):
        for by in ({"rootDevices": [f"0000:08:00.0{ranges}"]}, {"pfNames": [f"enp8s0f0np0{ranges}"]}):
            assert len(selected("switchdev", selectors | by, deviceType="auxNetDevice")) == count, by
    assert not [name for name in selected("switchdev", {}) if "sf" in name]


def test_accelerators_are_functions_of_class_12_on_vfio_or_uio() -> None:
    tree = (HOSTS / "noiommu-vfio/host.tree").read_text()
    vendor = next(line.partition(" ")[0] for line in tree.splitlines() if "/0000:02:00.0/vendor" in line)
    lines = [line for line in tree.splitlines() if not line.startswith(vendor.replace("/vendor", "/uevent"))]
    lines = [line for line in lines if not line.startswith(vendor.replace("/vendor", "/class"))]
    text = "\n".join([*lines, f"{vendor.replace('/vendor', '/class')} = 0x120000\n"])
    one = pool(deviceType="accelerator", resourceName="fpga")
    discovery = discover(Host.from_tree(text), ["pool"], pools=[listed(one, pool())])
    assert {found.kind: found.name for found in discovery.found if found.name == "0000:02:00.0"} == {
        "host.local/fpga": "0000:02:00.0"
    }
    (fpga,) = (found for found in discovery.found if found.kind == "host.local/fpga")
    assert nodes(fpga) == ["/dev/vfio/0", "/dev/vfio/vfio"]
    assert variables(fpga.edits)["PCIDEVICE_HOST_LOCAL_FPGA"] == "0000:02:00.0"


def test_an_accelerator_with_a_driver_of_its_own_is_anothers() -> None:
    discovery = found_on("ascend-910b", pool(deviceType="accelerator", selectors={"drivers": ["devdrv_device_driver"]}))
    assert not discovery.found
    assert {(one.why, one.hint) for one in discovery.skipped} == {
        ("its driver devdrv_device_driver makes no nodes of VFIO or UIO", "bind it to vfio-pci")
    }


@pytest.mark.parametrize(
    ("selectors", "why"),
    [
        (
            {"vendors": ["15b3"]},
            "selects none of 66 network functions: vendors leaves out the last 66, which have 14e4, 8086",
        ),
        (
            {"drivers": ["vfio-pci"], "pfNames": ["eth0"]},
            "selects none of 66 network functions: pfNames leaves out the last 32, which have enp59s0np0",
        ),
        ({"vdpaType": "vhost"}, "selects none of 66 network functions: vdpaType leaves out the last 66"),
    ],
)
def test_a_pool_that_has_nothing_says_what_left_the_last_ones_out(selectors: Any, why: str) -> None:
    assert skips(found_on("e810-64vf", pool(selectors=selectors))) == {"pool-net": why}


def test_there_may_be_nothing_to_select_from() -> None:
    three = [pool(resourceName=kind.lower(), deviceType=kind) for kind in (NETWORK, "accelerator")]
    three.append(pool(resourceName="sf", deviceType="auxNetDevice", selectors={"auxTypes": ["sf"]}))
    assert skips(found_on("minimal", *three)) == {
        "pool-accelerator": "there is no accelerator",
        "pool-netdevice": "there is no network function",
        "pool-sf": "there is no subfunction",
    }


# What its devices bring.


def test_the_environment_is_that_of_the_plugin() -> None:
    (one,) = found_on(
        "e810-64vf",
        pool(
            resourceName="dpdk-vfs",
            resourcePrefix="intel.com",
            selectors={"pfNames": ["enp59s0np0#40"]},
            additionalInfo={"*": {"zone": "a", "more": "x"}, "0000:3b:06.0": {"zone": "b"}},
        ),
    ).found
    assert variables(one.edits).keys() == {"PCIDEVICE_INTEL_COM_DPDK-VFS", "PCIDEVICE_INTEL_COM_DPDK-VFS_INFO"}
    assert variables(one.edits)["PCIDEVICE_INTEL_COM_DPDK-VFS"] == "0000:3b:06.0"
    assert info(one) == {
        "extra": {"zone": "b", "more": "x"},
        "generic": {"deviceID": "0000:3b:06.0"},
        "vfio": {"dev-mount": "/dev/vfio/180", "mount": "/dev/vfio/vfio"},
    }


def test_devices_are_called_by_their_address_and_their_number() -> None:
    (spec,) = generate(found_on("e810-64vf", pool(selectors={"pfNames": ["enp59s0np0#0-1"]})))
    assert [device.name for device in spec.devices] == [
        "0000:3b:01.0",
        "0000:3b:01.1",
        "enp59s0np0-vf0",
        "enp59s0np0-vf1",
        "all",
    ]
    every = variables(spec.devices[-1].container_edits)
    assert every["PCIDEVICE_HOST_LOCAL_NET"] == "0000:3b:01.0,0000:3b:01.1"
    assert json.loads(every["PCIDEVICE_HOST_LOCAL_NET_INFO"]).keys() == {"0000:3b:01.0", "0000:3b:01.1"}


def test_vhost_net_comes_with_tun() -> None:
    selectors = {"pfNames": ["ens1f0#0"], "needVhostNet": True}
    (one,) = found_on("bonded-pair", pool(selectors=selectors)).found
    assert nodes(one) == ["/dev/vhost-net", "/dev/net/tun"]
    assert info(one)["vhost"] == {"net-mount": "/dev/vhost-net", "tun-mount": "/dev/net/tun"}
    (bare,) = found_on("e810-64vf", pool(selectors={"pfNames": ["enp59s0np0#0"], "needVhostNet": True})).found
    assert (nodes(bare), "vhost" in info(bare)) == ([], False)
    assert bare.warnings == ("needVhostNet: there is no /dev/vhost-net; modprobe vhost_net and tun make the nodes",)


def test_what_a_container_has_stays_the_pools() -> None:
    for selectors in ({"linkTypes": ["ether"]}, {"pfNames": ["enp8s0f0np0"]}):
        discovery = found_on("switchdev", pool(selectors=selectors))
        assert "0000:08:00.4" in discovery.lent["host.local/net"]


# Several pools.


def test_a_function_is_in_the_first_pool_that_takes_it_and_the_overlap_is_said() -> None:
    discovery = discover(Host.load(HOSTS / "e810-64vf"), ["pool"], pools=[example("overlapping.yaml")])
    by_kind: dict[str, list[int]] = {}
    for one in discovery.found:
        by_kind.setdefault(one.kind, []).append(VFS[one.name])
    assert by_kind == {"host.local/first_half": [*range(32)], "host.local/middle": [*range(32, 48)]}
    (problem,) = discovery.problems
    assert (problem.severity, problem.rule) == ("warning", "pools-overlap")
    assert problem.message == (
        "overlapping.yaml:4:5: the pool host.local/middle selects 0000:3b:03.0 and 15 more too, "
        "which the pool host.local/first_half has (overlapping.yaml:2:5)"
    )
    assert skips(discovery)["0000:3b:03.0"] == "is in the pool host.local/first_half"


def test_a_pool_that_is_asked_for_alone_takes_nothing_from_an_earlier_one() -> None:
    discovery = discover(Host.load(HOSTS / "e810-64vf"), ["pool-middle"], pools=[example("overlapping.yaml")])
    assert [VFS[one.name] for one in discovery.found] == [*range(32, 48)]


def test_pools_that_share_only_what_nobody_gets_do_not_overlap() -> None:
    one, other = pool(selectors={"drivers": ["ice"]}), pool(resourceName="other", selectors={"drivers": ["ice"]})
    discovery = found_on("e810-64vf", one, other)
    assert not discovery.found
    assert not discovery.problems


def test_pools_are_of_the_host_and_a_given_one_replaces_its_namesake() -> None:
    tree = (HOSTS / "e810-64vf/host.tree").read_text()

    def line(name: str, *pools: dict[str, Any]) -> str:
        return f"/etc/cdi-tools/pools.d/{name} = {json.dumps(json.dumps({'resourceList': pools}))}\n"

    tree += line("b.json", pool(selectors={"pfNames": ["enp59s0np0#0-3"]}))
    tree += line("a.yaml", pool(resourceName="first", selectors={"pfNames": ["enp59s0np0#2-3"]}))
    tree += line("c.yml", pool(resourceName="never"))
    host = Host.from_tree(tree)
    assert {one.kind: family for family, one in host_families(host)[0]} == {
        "host.local/first": "/etc/cdi-tools/pools.d/a.yaml",
        "host.local/net": "/etc/cdi-tools/pools.d/b.json",
    }
    discovery = discover(host, ["pool"])
    assert {one.name: one.kind for one in discovery.found} == {
        "0000:3b:01.0": "host.local/net",
        "0000:3b:01.1": "host.local/net",
        "0000:3b:01.2": "host.local/first",
        "0000:3b:01.3": "host.local/first",
    }
    assert [problem.message.partition(":")[0] for problem in discovery.problems] == [
        "/etc/cdi-tools/pools.d/c.yml is ignored",
        "/etc/cdi-tools/pools.d/b.json",
    ]
    given = listed(pool(selectors={"pfNames": ["enp59s0np0#2"]}), source="new.json")
    assert {one.name: one.kind for one in discover(host, ["pool"], pools=[given]).found} == {
        "0000:3b:01.2": "host.local/net",
        "0000:3b:01.3": "host.local/first",
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("= x", "/etc/cdi-tools/pools.d/b.json:1:1: expected a mapping, got a string, 'x'"),
        ("! EACCES", "cannot read '/etc/cdi-tools/pools.d/b.json': permission denied"),
    ],
)
def test_pools_after_a_broken_file_wait_for_it(content: str, message: str) -> None:
    """They could take what it says is of others."""
    texts = [json.dumps(json.dumps({"resourceList": [pool(resourceName=name)]})) for name in ("first", "rest")]
    tree = f"/etc/cdi-tools/pools.d/a.json = {texts[0]}\n/etc/cdi-tools/pools.d/b.json {content}\n"
    tree += f"/etc/cdi-tools/pools.d/c.json = {texts[1]}\n"
    families, problems = host_families(Host.from_tree(tree))
    assert [family.name for _, family in families] == ["pool-first"]
    waits = "/etc/cdi-tools/pools.d/c.json: its pools are not made while /etc/cdi-tools/pools.d/b.json is broken"
    assert [(problem.rule, problem.message) for problem in problems] == [
        ("pools-invalid", message),
        ("pools-invalid", f"{waits}: they could take functions of that one's"),
    ]


def test_a_pool_whose_kind_is_taken_keeps_what_is_its_own() -> None:
    lists = [
        listed(pool(selectors={"pfNames": ["enp59s0np0#0"]}), source="a.json"),
        listed(pool(selectors={"pfNames": ["enp59s0np0#1"]}), source="b.json"),
        listed(pool(resourceName="rest", selectors={"pfNames": ["enp59s0np0#0-2"]}), source="c.json"),
    ]
    discovery = discover(Host.load(HOSTS / "e810-64vf"), ["pool"], pools=lists)
    assert {VFS[one.name]: one.kind for one in discovery.found} == {0: "host.local/net", 2: "host.local/rest"}


@pytest.mark.parametrize(
    ("other", "owner"),
    [
        (pool(resourceName="nic"), "the family nic"),
        (pool(resourceName="gpu", resourcePrefix="nvidia.com"), "the family nvidia-gpu"),
        (pool(), "a.json:1:19"),
    ],
)
def test_no_two_have_one_kind(other: dict[str, Any], owner: str) -> None:
    lists = [listed(pool(), source="a.json"), listed(other, source="b.json")]
    families, problems = host_families(Host.from_tree(""), lists)
    assert [family.kind for _, family in families] == ["host.local/net"]
    kind = f"{other.get('resourcePrefix', PREFIX)}/{other['resourceName']}"
    assert [(problem.severity, problem.message) for problem in problems] == [
        ("error", f"b.json:1:19: the kind {kind!r} is that of {owner} already")
    ]


def test_namesakes_of_two_vendors_are_told_apart() -> None:
    lists = [listed(pool(), pool(resourcePrefix="intel.com"), pool(resourceName="other"))]
    families, _ = host_families(Host.from_tree(""), lists)
    assert {family.name: family.kind for _, family in families} == {
        "pool-host.local-net": "host.local/net",
        "pool-intel.com-net": "intel.com/net",
        "pool-other": "host.local/other",
    }


def test_several_pools_come_into_one_container(tmp_path: Path) -> None:
    """A file and a kind for each: of the plugin's, later pools overwrite earlier ones, or share one kind."""
    lists = [
        example("e810.yaml"),
        listed(pool(resourceName="e810_rest", selectors={"pfNames": ["enp59s0np0#16-30"]}, resourcePrefix="intel.com")),
    ]
    specs = generate(discover(Host.load(HOSTS / "e810-64vf"), ["pool"], pools=lists), numbers=True).specs
    assert [spec.kind for spec in specs] == ["intel.com/e810_dpdk", "intel.com/e810_net", "intel.com/e810_rest"]
    for spec in specs:
        assert check(cdi.dump(spec), source="spec").problems == ()
        cdi.write(spec, tmp_path)
    assert len([*tmp_path.iterdir()]) == 3
    names = [
        "intel.com/e810_net=0000:3b:01.0",
        "intel.com/e810_dpdk=enp59s0np0-vf32",
        "intel.com/e810_dpdk=0000:3b:08.7",
        "intel.com/e810_rest=enp59s0np0-vf16",
    ]
    with cdi.Registry.load([tmp_path]) as registry:
        assert not registry.problems
        oci = registry.inject({"ociVersion": "1.3.0", "process": {}, "linux": {}}, names)
    env = dict(entry.split("=", 1) for entry in oci["process"]["env"])
    assert {key: value for key, value in env.items() if not key.endswith("_INFO")} == {
        "PCIDEVICE_INTEL_COM_E810_NET": "0000:3b:01.0",
        "PCIDEVICE_INTEL_COM_E810_DPDK": "0000:3b:08.7",  # of two devices of one pool, the last
        "PCIDEVICE_INTEL_COM_E810_REST": "0000:3b:03.0",
    }
    assert json.loads(env["PCIDEVICE_INTEL_COM_E810_DPDK_INFO"])["0000:3b:08.7"]["extra"] == {"zone": "b"}
    assert set(oci["linux"]["netDevices"]) == {"enp59s0v0", "enp59s0v16"}
