"""`cdi inject` and `cdi resolve`: devices into OCI runtime specs, as container runtimes do it."""

from __future__ import annotations

__all__ = ["EXAMPLES", "Container", "inject", "resolve"]

from typing import Annotated, Any

import typer

from cdi_cli.answer import Answer
from cdi_cli.asking import asked_for
from cdi_cli.containers import read_oci, requested
from cdi_cli.hosts import loaded

EXAMPLES = {
    "inject": """cdi inject config.json vendor.com/gpu=0 > edited.json
runc spec && cdi inject - 'vendor.com/gpu=*' < config.json""",
    "resolve": "cdi resolve config.json",
}

_Oci = Annotated[str, typer.Argument(metavar="OCI", help="OCI runtime spec (config.json), or - for stdin.")]


class Container(Answer, frozen=True, kw_only=True):
    """An OCI runtime spec."""

    oci: dict[str, Any]

    def to_data(self) -> dict[str, Any]:
        """Return the OCI spec itself."""
        return self.oci


def _injected(oci: dict[str, Any]) -> Container:
    """Return the OCI spec, with what runtimes make of interfaces for a container without a network of its own."""
    linux = oci.get("linux")
    parts: dict[str, Any] = linux if isinstance(linux, dict) else {}
    moved, listed = parts.get("netDevices"), parts.get("namespaces")
    namespaces = [one.get("type") for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    if not moved or "network" in namespaces:
        return Container(oci=oci)
    fate = "runc refuses the container, crun sets them up on the host"
    return Container(oci=oci, notes=(f"it has the host's network, so that {', '.join(moved)} cannot be moved: {fate}",))


def inject(
    ctx: typer.Context,
    oci: _Oci,
    devices: Annotated[
        list[str],
        typer.Argument(metavar="DEVICE...", help="Qualified names or patterns.", show_default=False),
    ],
) -> Container:
    """Add devices to an OCI runtime spec.

    The edited spec goes to stdout. Exit code: 0 done, 1 a device is not there or cannot be added, and there is
    no output.
    """
    document = read_oci(oci)
    with loaded(ctx.obj) as registry:
        return _injected(registry.inject(document, asked_for(registry, devices)))


def resolve(ctx: typer.Context, oci: _Oci) -> Container:
    """Add the devices that an OCI runtime spec asks for.

    It asks by device names in place of paths in `linux.devices`, and by `cdi.k8s.io/…` annotations. The edited
    spec goes to stdout. Exit code: 0 done, 1 a device is not there, and there is no output.
    """
    document, names = requested(read_oci(oci))
    if not names:
        return Container(oci=document, notes=("the spec asks for no devices",))
    with loaded(ctx.obj) as registry:
        return _injected(registry.inject(document, asked_for(registry, names)))
