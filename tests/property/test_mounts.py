"""Tables of mounts, swaps and the kernel's command line: any text gives an answer, and names come back as they were."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cdi.discovery.mounts import Mount, parse_mounts, parse_root, parse_swaps

# What the kernel writes as it is: it escapes white space, the backslash and, of mounts, the hash.
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def escaped(name: str) -> str:
    return "".join(f"\\{ord(char):03o}" if char in " \t\n\\#" else char for char in name)


@given(st.text())
def test_any_text_gives_an_answer(text: str) -> None:
    for mount in parse_mounts(text):
        assert isinstance(mount, Mount)
    assert all(isinstance(path, str) for path in parse_swaps(text))
    root = parse_root(text)
    assert root is None or root.startswith("/dev/")


@given(
    names, names, st.lists(st.sampled_from(["shared:1", "master:2", "unbindable"])), st.sampled_from(["ext4", "fuse.x"])
)
def test_a_mount_comes_back_as_it_was(point: str, source: str, optional: list[str], kind: str) -> None:
    fields = ["36", "35", "259:2", "/", escaped(f"/{point}"), "rw,noatime", *optional, "-", kind, escaped(source), "rw"]
    (mount,) = parse_mounts(" ".join(fields) + "\n")
    assert mount == Mount(numbers="259:2", point=f"/{point}", type=kind, source=source)


@given(st.lists(names))
def test_swaps_come_back_as_they_were(paths: list[str]) -> None:
    lines = [f"/{escaped(path)}   partition\t8388604\t\t0\t\t-2" for path in paths]
    text = "\n".join(["Filename\t\tType\tSize", *lines, "/swapfile file 1 0 -3", ""])
    assert list(parse_swaps(text)) == [f"/{path}" for path in paths]
