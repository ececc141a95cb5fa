"""The units of deploy/systemd under a real systemd: they do their work with the rights that they leave themselves."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

PROJECT = Path(__file__).parents[2]
BOOT = Path(__file__).with_name("boot.sh")
SPEC = "host.local-dev.yaml"  # of /dev/net/tun, which every container of systemd has

WATCH = f"""
systemctl show cdi-watch -p ActiveState,NRestarts,Result >state
pid=$(systemctl show cdi-watch -p MainPID --value)
grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$pid/status" >rights
stat -c '%a %U' /run/cdi /run/cdi/{SPEC} >modes
for place in /etc /run /run/lock /usr /var /opt /run/cdi; do
    nsenter -t "$pid" -m touch "$place/x" 2>/dev/null && echo "$place"
done >writable || true
rm /run/cdi/x
cp /run/cdi/{SPEC} .
rm /run/cdi/{SPEC}
for _ in {{1..100}}; do [ -e /run/cdi/{SPEC} ] && break; sleep 0.1; done
cmp /run/cdi/{SPEC} {SPEC}
systemctl reload cdi-watch
systemctl start cdi-generate
systemctl show cdi-generate -p Result >generate
systemctl stop cdi-watch
ls /run/cdi >after
echo done >end
"""
GENERATE = f"""
systemctl show cdi-generate -p Result,ExecMainStatus >state
cp /run/cdi/{SPEC} .
rm /run/cdi/{SPEC}
systemctl start cdi-generate
cmp /run/cdi/{SPEC} {SPEC}
mount -t tmpfs tmpfs /dev/net
rm /run/cdi/*
systemctl start cdi-generate
systemctl show cdi-generate -p Result,ExecMainStatus >nothing
stat -c '%a %U' /etc/cdi /run/cdi >modes
echo done >end
"""


def booted(out: Path, check: str, *units: str) -> dict[str, str]:
    """Return what a check wrote on a machine that was started with these units."""
    out.joinpath("check.sh").write_text(check)
    python = Path(sys.base_prefix)
    console = subprocess.run(
        [BOOT, PROJECT, sysconfig.get_path("purelib"), python, out, *units],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    ).stdout.decode(errors="replace")
    files = {path.name: path.read_text() for path in out.iterdir()}
    assert files.get("end") == "done\n", f"{console[-4000:]}\n{files}"
    return files


def test_the_service_keeps_specs_with_no_capability_and_one_writable_directory(tmp_path: Path) -> None:
    said = booted(tmp_path, WATCH, "cdi-watch")
    assert sorted(said["state"].splitlines()) == ["ActiveState=active", "NRestarts=0", "Result=success"]
    rights = dict(line.split(":\t") for line in said["rights"].splitlines())
    assert rights == {"CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    assert said["before-containerd"] == f"{SPEC}\n"
    assert said["modes"] == "755 root\n644 root\n"
    assert said["writable"] == "/run/cdi\n"
    assert said["generate"] == "Result=exec-condition\n"
    assert said["after"] == f"{SPEC}\n"


def test_the_oneshot_writes_specs_before_runtimes_and_finds_nothing_without_fault(tmp_path: Path) -> None:
    said = booted(tmp_path, GENERATE, "cdi-generate")
    assert sorted(said["state"].splitlines()) == ["ExecMainStatus=0", "Result=success"]
    assert said["before-containerd"] == f"{SPEC}\n"
    assert sorted(said["nothing"].splitlines()) == ["ExecMainStatus=3", "Result=success"]
    assert said["modes"] == "755 root\n755 root\n"
