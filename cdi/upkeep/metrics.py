"""What is counted, and its text for Prometheus."""

from __future__ import annotations

__all__ = ["Metrics", "write_metrics"]

import os
from collections import Counter
from typing import TYPE_CHECKING

from cdi.files import locked_directory, os_errors, put, remove_stale

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cdi.upkeep.keeper import Outcome

_LOCK_S = 0.5


class Metrics:
    """Counts since the start; `wall` is the clock of time stamps."""

    def __init__(self, *, version: str, wall: Callable[[], float]) -> None:
        self._version = version
        self._wall = wall
        self.events = 0
        self.lost_events = 0
        self.looks = 0
        self.failures = 0
        self.last_success: float | None = None
        self._written: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._devices: Mapping[str, int] = {}
        self._waiting: Mapping[str, int] = {}

    def took(self, outcome: Outcome) -> None:
        """Count what a look led to."""
        self.failures += outcome.failed
        if not outcome.failed:
            self.last_success = self._wall()
        for entry in outcome.done:
            (self._written if entry.event == "wrote" else self._removed)[entry.kind or ""] += 1
        self._faults = Counter(fault.kind for fault in outcome.faults if fault.kind is not None)
        self._devices = outcome.devices
        self._waiting = outcome.waiting

    def text(self) -> str:
        """Return all of it in the text format of Prometheus."""
        return "".join(self._lines())

    def _lines(self) -> Iterator[str]:
        kinds = sorted({*self._devices, *self._waiting, *self._faults, *self._written, *self._removed})

        def by_kind(values: Mapping[str, int]) -> dict[str, float]:
            return {_labels(kind=kind): values.get(kind, 0) for kind in kinds}

        own = {_labels(version=self._version): 1.0}
        specs = {kind: int(kind in self._devices) for kind in kinds}
        yield from _family("build_info", "gauge", "The version of cdi-tools.", own)
        yield from _family("specs", "gauge", "Installed specs that are kept up, by kind.", by_kind(specs))
        yield from _family("devices", "gauge", "Devices of installed specs.", by_kind(self._devices))
        yield from _family(
            "pending_removals",
            "gauge",
            "Devices, and shared edits, kept although they are missing.",
            by_kind(self._waiting),
        )
        yield from _family(
            "faulty", "gauge", "Whether a kind is left as it is, for a conflict or a fault.", by_kind(self._faults)
        )
        yield from _family("regenerations_total", "counter", "Times that a spec was written.", by_kind(self._written))
        yield from _family("removals_total", "counter", "Times that a spec was removed.", by_kind(self._removed))
        yield from _family("looks_total", "counter", "Times that the host was looked at.", {"": self.looks})
        yield from _family("failures_total", "counter", "Looks that failed.", {"": self.failures})
        yield from _family("events_total", "counter", "Events that may concern a spec.", {"": self.events})
        yield from _family("lost_events_total", "counter", "Times that the kernel lost events.", {"": self.lost_events})
        if self.last_success is not None:
            stamp = {"": round(self.last_success, 3)}
            yield from _family(
                "last_success_timestamp_seconds", "gauge", "When a look last succeeded, in Unix time.", stamp
            )


def write_metrics(path: Path, text: str) -> None:
    """Put the text in place, whole or not at all; raise `CdiError`."""
    with locked_directory(path.parent, _LOCK_S) as directory, os_errors("write", path, writing=True):
        remove_stale(directory)
        put(directory, path.name, os.fsencode(text))


def _family(name: str, kind: str, told: str, samples: Mapping[str, float]) -> Iterator[str]:
    if not samples:
        return
    yield f"# HELP cdi_watch_{name} {told}\n# TYPE cdi_watch_{name} {kind}\n"
    yield from (f"cdi_watch_{name}{labels} {value:.15g}\n" for labels, value in samples.items())


def _labels(**labels: str) -> str:
    """Return `{kind="nvidia.com/gpu"}`, escaped as the format has it."""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
