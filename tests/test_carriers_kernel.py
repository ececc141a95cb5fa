"""Connections of a real kernel: two network namespaces, a pair of interfaces between them, and a server on it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROGRAMS = ("ip", "nsenter", "unshare")
# In a network namespace of its own: who comes from the other end is seen on guard0; the server may be called sshd.
SCRIPT = r'''
import json, os, socket, subprocess, sys, time
from pathlib import Path

def ip(*words, inside=False):
    prefix = ["nsenter", "--net", "--target", str(other.pid)] if inside else []
    subprocess.run([*prefix, "ip", *words], check=True)

other = subprocess.Popen(["unshare", "--net", "sleep", "60"])
while os.readlink(f"/proc/{other.pid}/ns/net") == os.readlink("/proc/self/ns/net"):
    time.sleep(0.01)
ip("link", "add", "guard0", "type", "veth", "peer", "name", "guard1", "netns", str(other.pid))
for name, number, inside in (("guard0", 1, False), ("guard1", 2, True)):
    ip("address", "add", f"198.51.100.{number}/24", "dev", name, inside=inside)
    ip("address", "add", f"2001:db8:7::{number}/64", "dev", name, "nodad", inside=inside)
    ip("address", "add", f"fe80::7:{number}/64", "dev", name, "nodad", inside=inside)
    ip("link", "set", name, "up", inside=inside)

LOOK = """
import json
from cdi.discovery.carriers import read_carriers
from cdi.host import Host
carriers, problems = read_carriers(Host())
print(json.dumps([carriers.get("guard0"), [problem.message for problem in problems]]))
"""

def seen(family, address, to, port, name):
    # With a dual-stack server, the addresses of IPv4 are in the table of IPv6.
    Path("/proc/self/comm").write_text(name)
    with socket.socket(family) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen()
        connect = f"import socket; s = socket.create_connection(({to!r}, {port})); s.recv(1)"
        client = subprocess.Popen(
            ["nsenter", "--net", "--target", str(other.pid), sys.executable, "-c", connect]
        )
        connection, _ = server.accept()
        with connection:
            answer = subprocess.run([sys.executable, "-c", LOOK], check=True, capture_output=True, text=True).stdout
        client.wait()
    return json.loads(answer)

V4, V6 = socket.AF_INET, socket.AF_INET6
print(json.dumps({
    "IPv4": seen(V4, "198.51.100.1", "198.51.100.1", 22, "server"),
    "dual-stack": seen(V6, "::", "198.51.100.1", 22, "server"),
    "IPv6": seen(V6, "::", "2001:db8:7::1", 22, "server"),
    "link-local": seen(V6, "::", "fe80::7:1%guard1", 22, "server"),
    "other port": seen(V4, "198.51.100.1", "198.51.100.1", 2222, "server"),
    "own session": seen(V4, "198.51.100.1", "198.51.100.1", 2222, "sshd-session"),
    "own session, IPv6": seen(V6, "::", "2001:db8:7::1", 2222, "sshd"),
}))
other.kill()
'''


@pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)), reason="needs root, iproute2 and util-linux"
)
def test_a_real_kernel_tells_the_interface_of_each_connection() -> None:
    command = ["unshare", "--net", sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    ssh = ["carries an SSH connection", []]
    assert json.loads(done.stdout) == {
        "IPv4": ssh,
        "dual-stack": ssh,
        "IPv6": ssh,
        "link-local": ssh,
        "other port": [None, []],
        "own session": ssh,
        "own session, IPv6": ssh,
    }
