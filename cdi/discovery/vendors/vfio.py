"""PCI functions of any sort that are bound to VFIO, for virtual machines and programs that drive them themselves."""

from __future__ import annotations

__all__ = ["FAMILY"]

from typing import TYPE_CHECKING

from cdi.discovery.found import Family, Found, Report, Skipped, present
from cdi.discovery.nic import read_nics
from cdi.discovery.node import NodeFault, edits_of
from cdi.discovery.pci import Function, find_function, list_functions
from cdi.discovery.sriov import read_indexes
from cdi.discovery.vfio import is_vfio, read_vfio
from cdi.host import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdi.host import Host

_NAME = "vfio"
_KIND = "host.local/vfio"


def _discover(host: Host, wanted: frozenset[str]) -> Iterator[Report]:
    functions = list(list_functions(host, driver=is_vfio))
    names = _virtual_names(host, functions) if functions else {}
    for function in functions:
        try:
            yield _reported(host, function, names.get(function.bdf), wanted)
        except (NodeFault, HostError) as fault:
            hint = "modprobe vfio-pci makes the nodes"
            yield Skipped(family=_NAME, what=function.bdf, why=str(fault), hint=hint, broken=True)
    if not functions:
        yield Skipped(family=_NAME, what=_NAME, why="no PCI function is bound to VFIO", absent=True)


def _virtual_names(host: Host, functions: list[Function]) -> Mapping[str, tuple[int, str]]:
    """Return number and `PF-vfN` of virtual functions; a physical one is called as its interface is, or its address."""
    cards = {nic.name: nic.interfaces for nic in host.once(read_nics)}
    parents = (find_function(host, bdf) for bdf in {function.parent for function in functions} if bdf is not None)
    names: dict[str, tuple[int, str]] = {}
    for parent in parents:
        if parent is not None:
            interfaces = cards.get(parent.bdf, ())
            called = interfaces[0].name if len(interfaces) == 1 else parent.bdf
            names |= {bdf: (index, f"{called}-vf{index}") for bdf, index in read_indexes(host, [parent]).items()}
    return names


def _reported(
    host: Host, function: Function, virtual: tuple[int, str] | None, wanted: frozenset[str]
) -> Found | Skipped:
    vfio = read_vfio(host, function)
    names = {"bdf": function.bdf, "id": function.stable_id, "group": vfio.group}
    names |= {"vf": virtual[1]} if virtual is not None else {}
    asked = not wanted.isdisjoint(names.values())
    hint = f"--include {function.bdf} offers it all the same"
    if function.caution is not None and not asked:
        return Skipped(family=_NAME, what=function.bdf, why=function.caution, hint=hint)
    if vfio.caution is not None and not asked:
        return Skipped(family=_NAME, what=function.bdf, why=vfio.caution, hint=hint, lent=tuple(names.values()))
    whose = f" of {function.parent}" if function.parent is not None else ""
    facts = {
        **function.attributes,
        "class": f"0x{function.class_code:06x}" if function.class_code is not None else None,
        "iommuGroup": vfio.group,
        "vfIndex": virtual[0] if virtual is not None else None,
        "usedBy": vfio.use,
    }
    return Found(
        family=_NAME,
        kind=_KIND,
        name=function.bdf,
        names=names,
        also=("vf",),
        edits=edits_of((*vfio.own, *vfio.shared), permissions="rw", groups=True),
        how=f"PCI function {function.bdf}{whose}, driver {function.driver}, IOMMU group {vfio.group}",
        attributes=present(facts),
        warnings=(*((function.caution,) if function.caution is not None else ()), *vfio.warnings, *function.unread),
        in_all=vfio.caution is None and function.caution is None and not vfio.unprotected,
    )


FAMILY = Family(
    name=_NAME,
    kind=_KIND,
    summary="PCI functions of any sort that are bound to VFIO",
    discover=_discover,
)
