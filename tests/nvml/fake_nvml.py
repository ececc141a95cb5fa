"""A library that answers as NVML does: the compiler makes it of `fake_nvml.c` and a table of GPUs."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parent / "fake_nvml.c"
COMPILE = ("cc", "-shared", "-fPIC", "-O0", "-Wall", "-Werror", "-Wl,-soname,libnvidia-ml.so.1")
GPU_IS_LOST = 15


class Instance(NamedTuple):
    """A MIG device."""

    number: int
    gpu_instance: int
    compute_instance: int
    uuid: str
    name: str
    memory: int = 4864
    profile_id: int = 19
    error: int = 0


class Gpu(NamedTuple):
    """A GPU; -1 is what it does not support, a negative minor the error that asking for it gives."""

    minor: int
    uuid: str
    name: str
    bus_id: str
    memory_node: int = -1
    addressing: int = -1
    mig: int = -1
    mig_pending: int = 0
    handle_error: int = 0
    instances: tuple[Instance, ...] = ()


def build(  # noqa: PLR0913 - a table of all that a library can say
    path: Path,
    gpus: tuple[Gpu, ...],
    *,
    version: str = "570.86.15",
    init_error: int = 0,
    missing: tuple[str, ...] = (),
    undefined: str | None = None,
    unresolved: str | None = None,
) -> Path:
    """Compile the library at a path; `missing` are functions that it lacks.

    `undefined` is one whose address it wants and nobody has, `unresolved` one that it would call.
    """
    table = path.with_name("table.h")
    table.write_text(_table(gpus, version, init_error))
    script = path.with_name("exports.map")
    script.write_text(f"{{ global: *; local: {' '.join(f'{name};' for name in missing) or 'nothing;'} }};\n")
    extra: list[str] = []
    if undefined is not None:
        part = path.with_name("undefined.c")
        part.write_text(f"void {undefined}(void);\nvoid (*const needed)(void) = {undefined};\n")
        extra.append(str(part))
    if unresolved is not None:
        part = path.with_name("unresolved.c")
        part.write_text(f"void {unresolved}(void);\nvoid not_called(void) {{ {unresolved}(); }}\n")
        extra += ["-Wl,-z,lazy", str(part)]
    subprocess.run(
        [*COMPILE, f"-Wl,--version-script={script}", "-include", str(table), "-o", str(path), str(SOURCE), *extra],
        check=True,
    )
    return path


def _table(gpus: tuple[Gpu, ...], version: str, init_error: int) -> str:
    rows = [
        f"    {{A_GPU, {gpu.minor}, {_text(gpu.uuid)}, {_text(gpu.name)}, {_text(gpu.bus_id)}, {gpu.memory_node},"
        f" {gpu.addressing}, {gpu.mig}, {gpu.mig_pending}, {gpu.handle_error}}},\n"
        for gpu in gpus
    ]
    parts = [(parent, part) for parent, gpu in enumerate(gpus) for part in gpu.instances]
    instances = [
        f"    {{AN_INSTANCE, {parent}, {part.number}, {part.gpu_instance}, {part.compute_instance}, {_text(part.uuid)},"
        f" {_text(part.name)}, {part.memory}, {part.profile_id}, {part.error}}},\n"
        for parent, part in parts
    ]
    empty = "    {0},\n"
    return (
        "enum { A_GPU = 1, AN_INSTANCE = 2 };\n"
        "typedef struct { int what, minor; const char *uuid, *name, *bus_id;"
        " int memory_node, addressing, mig, mig_pending, handle_error; } gpu;\n"
        "typedef struct { int what, parent; unsigned index, gpu_instance, compute_instance; const char *uuid, *name;"
        " unsigned memory, profile_id; int error; } instance;\n"
        f"static const gpu gpus[] = {{\n{''.join(rows) or empty}}};\n"
        f"static const instance instances[] = {{\n{''.join(instances) or empty}}};\n"
        f"#define GPUS {len(gpus)}u\n#define INSTANCES {len(parts)}u\n"
        f"#define INIT_ERROR {init_error}\n#define DRIVER_VERSION {_text(version)}\n"
    )


def _text(text: str) -> str:
    """Return a C string; characters up to U+00FF are bytes."""
    return "".join(f"\\x{ord(c):02x}" + '""' if ord(c) > 0x7E else c for c in json.dumps(text, ensure_ascii=False))
