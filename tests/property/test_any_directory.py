"""Whatever lies in a spec directory, the registry loads, and one broken file hides no other."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from cdi.encode import dump
from cdi.errors import CdiError, UnresolvedDevices
from cdi.names import parse_name
from cdi.registry import Registry
from tests.strategies import damaged, device_names, kinds, specs, vectors

if TYPE_CHECKING:
    from collections.abc import Generator

    from cdi.model import Spec

TEXTS = [vector["text"] for vector in vectors()]

contents = st.binary(max_size=60) | damaged(st.sampled_from(TEXTS) | specs().map(dump))
file_names = st.sampled_from(
    ("a.json", "b.yaml", "c.yaml", "d.yml", ".hidden.json", "e", "f.json.tmp", "\udcff.json", "line\nfeed.yaml")
)
GOOD = "cdiVersion: 0.3.0\nkind: example.com/good\ndevices:\n- name: one\n  containerEdits:\n    env: [A=1]\n"


@contextmanager
def directories(low: dict[str, bytes], high: dict[str, bytes]) -> Generator[list[Path], None, None]:
    """Two spec directories with files; in the low one also a good spec, a directory and a link to nowhere."""
    top = Path(tempfile.mkdtemp())
    try:
        dirs = [top / "low", top / "high"]
        for directory, files in zip(dirs, (low, high), strict=True):
            directory.mkdir()
            for name, raw in files.items():
                (directory / name).write_bytes(raw)
        (dirs[0] / "good.yaml").write_text(GOOD)
        (dirs[0] / "directory.yaml").mkdir()
        (dirs[0] / "nowhere.json").symlink_to("gone")
        yield dirs
    finally:
        shutil.rmtree(top)


files_of = st.dictionaries(file_names, contents, max_size=4)


@given(files_of, files_of)
def test_a_registry_loads_whatever_lies_there(low: dict[str, bytes], high: dict[str, bytes]) -> None:
    with directories(low, high) as dirs:
        registry = Registry.load(dirs)
        assert "example.com/good" in {loaded.spec.kind for loaded in registry.specs}
        for name in registry.devices:
            found = registry.get(name)
            assert found is not None
            assert str(parse_name(name)) == f"{found.spec.kind}={found.device.name}"
        for problems in registry.problems.values():
            assert all(problem.message for problem in problems)


@given(files_of, st.lists(st.text(max_size=20) | st.builds("{}={}".format, kinds, device_names), max_size=3))
def test_any_names_are_injected_or_refused(files: dict[str, bytes], names: list[str]) -> None:
    with directories(files, {}) as dirs:
        registry = Registry.load(dirs)
        with suppress(CdiError):
            registry.inject({}, [*registry.devices, *names])
        unknown = [name for name in names if registry.get(name) is None]
        if unknown:
            try:
                registry.edits(names)
            except UnresolvedDevices as error:
                assert set(error.names) >= set(unknown)  # noqa: PT017 - what it names is the point


@given(specs(), specs())
def test_the_later_directory_wins(low: Spec, high: Spec) -> None:
    with directories({"a.yaml": dump(low).encode()}, {"a.yaml": dump(high).encode()}) as dirs:
        registry = Registry.load(dirs)
        for device in high.devices:
            found = registry.get(str(high.qualified_name(device)))
            assert found is not None
            assert (found.device, found.path) == (device, dirs[1] / "a.yaml")
