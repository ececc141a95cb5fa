"""What the Go compiler wrote into a program, in bytes as it writes them."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdi.host import Host
from cdi.runtimes import find_runtimes
from cdi.runtimes.goinfo import GoBuild, parse_build, parse_spec_versions, read_build

if TYPE_CHECKING:
    from pathlib import Path

START = bytes.fromhex("3077af0c92740802 41e1c107e6d618e6")
END = bytes.fromhex("f932433186182072 008242104116d8f2")
LIBRARY = "tags.cncf.io/container-device-interface"
OLD_LIBRARY = "github.com/container-orchestrated-devices/container-device-interface"


def varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def blob(*lines: str) -> bytes:
    """Return the header and the two strings behind it."""
    text = START + "".join(f"{line}\n" for line in lines).encode() + END
    header = b"\xff Go buildinf:" + bytes([8, 2])
    return header.ljust(32, b"\0") + b"\x08go1.24.3" + varint(len(text)) + text


def elf(data: bytes, *, order: str = "<", accident: bytes = b"\xff Go buildinf:") -> bytes:
    """Return a program with code that holds the mark by accident, and with this data."""
    code, size = accident.ljust(4096, b"x"), 56
    ident = b"\x7fELF" + bytes([2, 1 if order == "<" else 2, 1]) + bytes(9)
    head = ident + struct.pack(f"{order}HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, size, 2, 0, 0, 0)
    at = 8192
    programs = struct.pack(f"{order}IIQQQQQQ", 1, 5, 4096, 0, 0, len(code), len(code), 4096)
    programs += struct.pack(f"{order}IIQQQQQQ", 1, 6, at, 0, 0, len(data), len(data), 4096)
    return (head + programs).ljust(4096, b"\0") + code + data


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_build_names_its_version_and_modules(order: str) -> None:
    data = bytes(16) + blob(
        "path\tgithub.com/containerd/containerd/v2/cmd/containerd",
        "mod\tgithub.com/containerd/containerd/v2\tv2.1.9\th1:abc=",
        f"dep\t{LIBRARY}\tv1.0.1\th1:def=",
        "dep\tgithub.com/old/one\tv1.0.0",
        "=>\tgithub.com/new/one\tv1.2.0\th1:ghi=",
        "build\t-compiler=gc",
    )
    assert parse_build(elf(data, order=order)) == GoBuild(
        path="github.com/containerd/containerd/v2/cmd/containerd",
        version="2.1.9",
        modules={"github.com/containerd/containerd/v2": "v2.1.9", LIBRARY: "v1.0.1", "github.com/old/one": "v1.2.0"},
    )


def test_a_version_given_to_the_linker_counts_if_it_is_the_program_s_own() -> None:
    flags = (
        ' -X \\"k8s.io/component-base/version.gitVersion=v1.33.0\\"'
        ' -X \\"github.com/docker/docker/dockerversion.GitCommit=1.2\\"'
        ' -X \\"github.com/docker/docker/dockerversion.Version=28.2.2\\" -extldflags -static'
    )
    lines = ["path\tgithub.com/docker/docker/cmd/dockerd", f'build\t-ldflags="{flags}"']
    build = parse_build(blob(*lines))
    assert build is not None
    assert build.version == "28.2.2"
    main = parse_build(
        blob("path\tgithub.com/opencontainers/runc", 'build\t-ldflags="-X main.version=1.3.6 -X main.gitCommit=v"')
    )
    assert main is not None
    assert main.version == "1.3.6"


@pytest.mark.parametrize("version", ["(devel)", "v0.0.0-20250101000000-abcdefabcdef"])
def test_a_build_without_a_release_says_none(version: str) -> None:
    build = parse_build(blob("path\tx", f"mod\texample.com/x\t{version}"))
    assert build is not None
    assert build.version is None


def test_what_go_did_not_write_is_none() -> None:
    assert parse_build(b"") is None
    assert parse_build(elf(bytes(64))) is None
    pointers = bytearray(blob("path\tx"))
    pointers[15] = 0  # before Go 1.18: addresses of strings
    assert parse_build(bytes(pointers)) is None
    assert parse_build(b"\0" + blob("path\tx")) is None  # not where the linker puts it
    assert parse_build(blob("path\t" + "x" * 100)[:-40]) == GoBuild(modules={})  # cut off: Go, but nothing known


@given(st.binary(max_size=200), st.integers(0, 200), st.binary(max_size=8))
def test_any_bytes_are_read_or_not(before: bytes, at: int, change: bytes) -> None:
    data = elf(blob("path\tx", "mod\tx\tv1.0.0"))
    for damaged in (
        before,
        b"\xff Go buildinf:" + before,
        data[:at] + change + data[at + len(change) :],
        data[: at * 50],
    ):
        parse_build(damaged)
        parse_spec_versions(damaged)


def test_a_program_is_read_from_a_directory_and_from_a_tree(tmp_path: Path) -> None:
    content = elf(blob("path\tx", "mod\tx\tv1.0.0"))
    (tmp_path / "program").write_bytes(content)
    (tmp_path / "empty").write_bytes(b"")
    build = GoBuild(path="x", version="1.0.0", modules={"x": "v1.0.0"})
    assert read_build(Host(tmp_path), "/program") == build
    assert read_build(Host(tmp_path), "/empty") is None
    assert read_build(Host(tmp_path), "/missing") is None
    text = json.dumps(content.decode("utf-8", "surrogateescape"))
    assert read_build(Host.from_tree(f"/program = {text}"), "/program") == build


@pytest.mark.parametrize(
    ("library", "release", "newest"),
    [
        (LIBRARY, "v1.1.0", "1.1.0"),
        (LIBRARY, "v1.0.1", "1.0.0"),
        (LIBRARY, "v0.8.1", "0.8.0"),
        (LIBRARY, "v1.1.1-0.20260713101010-e1a65960dd4f", "1.1.0"),
        (LIBRARY, "v2.3.0", "1.1.0"),  # newer than we know
        (OLD_LIBRARY, "v0.5.4", "0.5.0"),
        (OLD_LIBRARY, "v0.3.2", "0.3.0"),
    ],
)
def test_the_library_in_it_tells_what_a_runtime_reads(tmp_path: Path, library: str, release: str, newest: str) -> None:
    program = tmp_path / "usr/bin/containerd"
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(blob("path\tx", "mod\tx\tv1.7.0", f"dep\t{library}\t{release}")))
    program.chmod(0o755)
    (found,) = find_runtimes(Host(tmp_path))
    assert (found.version, found.version_why) == ("1.7.0", "built into /usr/bin/containerd")
    assert (found.newest_version, found.newest_version_why) == (newest, f"its CDI library is {release}")


def functions(package: str, *versions: str) -> bytes:
    """Return the names of the library's functions, as in a program's table of them."""
    return b"".join(f"{package}.requiresV{version}\0".encode() for version in versions)


@pytest.mark.parametrize(
    ("named", "newest"),
    [
        (functions(f"{LIBRARY}/specs-go", "040", "100", "080"), "1.0.0"),
        (functions(f"{LIBRARY}/specs-go", "110", "100"), "1.1.0"),
        (functions(f"github.com/docker/docker/vendor/{LIBRARY}/specs-go", "070"), "0.7.0"),
        (functions(f"{OLD_LIBRARY}/pkg/cdi", "040", "050"), "0.5.0"),
        (functions(f"{LIBRARY}/specs-go", "990"), "1.1.0"),  # newer than we know
    ],
)
def test_without_the_library_s_release_its_functions_tell(tmp_path: Path, named: bytes, newest: str) -> None:
    program = tmp_path / "usr/bin/podman"
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(blob("path\tx", "mod\tx\tv6.1.1") + named))
    program.chmod(0o755)
    (found,) = find_runtimes(Host(tmp_path))
    assert (found.version, found.newest_version) == ("6.1.1", newest)
    assert found.newest_version_why.startswith("its CDI library has functions for ")


def test_functions_of_others_and_names_in_code_do_not_count(tmp_path: Path) -> None:
    code = functions(f"{LIBRARY}/specs-go", "100")
    assert parse_spec_versions(elf(functions("example.com/other", "100"), accident=code)) == ()
    assert parse_spec_versions(code[:-2]) == ()  # cut off
    program = tmp_path / "usr/bin/podman"
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(blob("path\tx", "mod\tx\tv5.5.0"), accident=code))
    program.chmod(0o755)
    (found,) = find_runtimes(Host(tmp_path))
    assert (found.newest_version, found.newest_version_why) == ("1.0.0", "by its release")


def test_with_the_library_in_it_what_is_always_on_is_on_in_any_version(tmp_path: Path) -> None:
    program = tmp_path / "usr/bin/podman"
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(blob("path\tx", "mod\tx\t(devel)", f"dep\t{LIBRARY}\tv1.0.1")))
    program.chmod(0o755)
    (found,) = find_runtimes(Host(tmp_path))
    assert (found.version, found.enabled, found.newest_version) == (None, True, "1.0.0")


def test_the_containerd_compiled_into_k3s_is_found(tmp_path: Path) -> None:
    inside = tmp_path / "var/lib/rancher/k3s/data/current/bin"
    inside.mkdir(parents=True)
    lines = [
        "path\tgithub.com/k3s-io/k3s/cmd/server",
        'build\t-ldflags="-X github.com/k3s-io/k3s/pkg/version.Version=v1.33.1+k3s1"',
        "dep\tgithub.com/containerd/containerd/v2\tv2.0.5",
        "=>\tgithub.com/k3s-io/containerd/v2\tv2.0.5-k3s1",
        f"dep\t{LIBRARY}\tv1.0.1",
    ]
    (inside / "k3s").write_bytes(elf(blob(*lines)))
    (inside / "k3s").chmod(0o755)
    (inside / "containerd").symlink_to("k3s")
    program = tmp_path / "usr/local/bin/k3s"
    program.parent.mkdir(parents=True)
    program.write_bytes(elf(blob(*lines)))
    program.chmod(0o755)
    (found,) = find_runtimes(Host(tmp_path))
    assert (found.name, found.version, found.newest_version) == ("k3s", "1.33.1+k3s1", "1.0.0")
    assert found.remarks == ("its containerd 2.0.5-k3s1",)
