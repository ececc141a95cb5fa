"""The commands: one module each, or each small group, imported when it runs."""

from __future__ import annotations

__all__ = ["COMMANDS", "SECTIONS", "Entry"]

from typing import NamedTuple


class Entry(NamedTuple):
    """A command of the table: its module in this package, its help in one line, the shared options it takes.

    `format_option` is another name for `--output`; `passes_on` is for a command whose options are not its own.
    """

    module: str
    help: str
    takes: tuple[str, ...] = ()
    format_option: str | None = None
    passes_on: bool = False


_HOST = ("root",)
_DIRS = ("spec_dir", "root")

SECTIONS: dict[str, dict[str, Entry]] = {
    "From hardware to specs": {
        "discover": Entry(
            "discover", "Show the hardware that can be given to containers, and what was skipped.", _HOST
        ),
        "generate": Entry("generate", "Write specs for the hardware of this host.", _DIRS),
        "profile": Entry("profile", "Check profiles of hardware, or list the families there are.", _HOST),
        "pools": Entry("pools", "Check pools of network functions, and show what each has.", _HOST),
        "snapshot": Entry("snapshot", "Record this host as a text tree that --root can stand in for.", _HOST),
    },
    "Spec files": {
        "validate": Entry("validate", "Check specs as runtimes do, and say what is wrong where.", _DIRS),
        "install": Entry("install", "Check spec files, then put them in place atomically.", _DIRS),
        "uninstall": Entry("install", "Remove installed specs.", _DIRS),
        "convert": Entry("convert", "Write a spec as JSON or YAML, for older runtimes if need be.", _HOST, "--to"),
        "transform": Entry("transform", "Change the root of a spec's paths."),
        "diff": Entry("diff", "Compare two specs, device by device."),
        "schema": Entry("schema", "Print the JSON Schema of specs, or of profiles."),
    },
    "What is installed": {
        "devices": Entry("listing", "List the devices that containers can ask for.", _DIRS),
        "specs": Entry("listing", "List the spec files.", _DIRS),
        "vendors": Entry("listing", "List the vendors.", _DIRS),
        "classes": Entry("listing", "List the device classes.", _DIRS),
        "dirs": Entry("listing", "List the spec directories.", _DIRS),
        "show": Entry("show", "Show what devices add to a container, from which file and line.", _DIRS),
        "watch": Entry("watch", "Keep the installed specs true: a service.", _DIRS),
        "monitor": Entry("monitor", "Show changes in the spec directories as they happen.", _DIRS),
    },
    "Containers": {
        "inject": Entry("inject", "Add devices to an OCI runtime spec.", _DIRS),
        "resolve": Entry("inject", "Add the devices that an OCI runtime spec asks for.", _DIRS),
        "hook": Entry("hook", "Run a hook of a spec, as runtimes do while they make a container.", passes_on=True),
    },
    "This node": {
        "doctor": Entry("doctor", "Say why containers do not get a device, and what to do.", _DIRS),
        "runtime": Entry("runtime", "Show what of CDI the container runtimes have switched on, or switch it.", _HOST),
    },
    "Shell": {
        "completion": Entry("completion", "Print the completion script for a shell."),
    },
}

COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}
