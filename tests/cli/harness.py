"""The command, run in this process: arguments and stdin in, exit code and both streams out."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple, Protocol

from cdi_cli.main import main


class Result(NamedTuple):
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cdi(Protocol):
    """Runs a command line."""

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Result: ...


def run(*arguments: object, stdin: bytes = b"") -> Result:
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", errors="surrogateescape") for _ in range(2))
    own_stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            code = main([str(argument) for argument in arguments])
    finally:
        sys.stdin = own_stdin
    texts = []
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
        texts.append(stream.read())
    return Result(code, *texts)


GPU = """\
cdiVersion: 0.5.0
kind: vendor.com/gpu
devices:
- name: "0"
  containerEdits:
    env:
    - GPU=0
    deviceNodes:
    - path: /dev/null
      permissions: rw
- name: "1"
  containerEdits:
    env:
    - GPU=1
containerEdits:
  mounts:
  - hostPath: /usr/lib/libgpu.so
    containerPath: /usr/lib/libgpu.so
    options: [ro, bind]
"""
BROKEN = """\
cdiVersion: 0.5.0
kind: vendor.com/nic
devices:
- name: "0"
  containerEdits:
    env:
    - NIC
"""
UNWISE = '{"cdiVersion":"0.6.0","kind":"vendor.com/fpga","devices":[{"name":"a","containerEdits":{"env":["A=B"]}}]}'
