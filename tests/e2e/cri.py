"""A client of the CRI socket: what a kubelet does to start a container with CDI devices."""

from __future__ import annotations

__all__ = ["Client", "CriError"]

import contextlib
import importlib
import itertools
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

# Milliseconds: a daemon is there sooner than gRPC's first second.
RETRY = (
    ("grpc.initial_reconnect_backoff_ms", 20),
    ("grpc.min_reconnect_backoff_ms", 20),
    ("grpc.max_reconnect_backoff_ms", 50),
)


_numbers = itertools.count()


class CriError(Exception):
    """What the runtime answered instead."""


class Client:
    """A pod of the runtime behind a socket, in which containers are started one after the other."""

    def __init__(self, socket: Path, *, image: str) -> None:
        self._image = image

        # Neither has types: this is imported when it is used, and makes the messages from the file.
        self._grpc: Any = importlib.import_module("grpc")
        self._messages, services = self._grpc.protos_and_services("tests/e2e/cri.proto")
        self._channel = self._grpc.insecure_channel(f"unix:{socket}", options=RETRY)
        self._service = services.RuntimeServiceStub(self._channel)
        pod = f"pod{next(_numbers)}"  # the last one stays when the daemon is started again
        self._sandbox_config = self._messages.PodSandboxConfig(
            metadata={"name": pod, "uid": pod, "namespace": "default"},
            linux={"security_context": {"namespace_options": {"network": self._messages.NODE}}},
        )
        self._pod: str | None = None

    def close(self) -> None:
        self._channel.close()

    @property
    def ready(self) -> bool:
        try:
            conditions = self._service.Status(self._messages.StatusRequest()).status.conditions
        except self._grpc.RpcError:
            return False
        return any(condition.type == "RuntimeReady" and condition.status for condition in conditions)

    def config(self) -> dict[str, Any]:
        """Return the configuration that the runtime really has, as `crictl info` does."""
        config: dict[str, Any] = json.loads(self._call("Status", verbose=True).info["config"])
        return config

    def run(
        self, devices: tuple[str, ...], script: str, *, annotations: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell script in a container that has these devices; `CriError` when there is no container."""
        with self._container(devices, annotations) as container:
            command = ["/bin/sh", "-c", script]
            done = self._call("ExecSync", container_id=container, cmd=command, timeout=60)
            return subprocess.CompletedProcess(command, done.exit_code, done.stdout.decode(), done.stderr.decode())

    @contextlib.contextmanager
    def _container(self, devices: tuple[str, ...], annotations: dict[str, str]) -> Generator[str]:
        if self._pod is None:
            self._pod = self._started_pod()
        config = {
            "metadata": {"name": f"container{next(_numbers)}"},
            "image": {"image": self._image},
            "command": ["/bin/sleep", "600"],
            "annotations": annotations,
            "CDI_devices": [{"name": device} for device in devices],
        }
        created = self._call(
            "CreateContainer", pod_sandbox_id=self._pod, config=config, sandbox_config=self._sandbox_config
        )
        try:
            self._call("StartContainer", container_id=created.container_id)
            yield created.container_id
        finally:
            self._call("RemoveContainer", container_id=created.container_id)

    def _started_pod(self) -> str:
        deadline = time.monotonic() + 10
        while True:
            try:
                return str(self._call("RunPodSandbox", config=self._sandbox_config).pod_sandbox_id)
            except CriError as error:  # CRI hears of an image that `ctr` has imported a moment later
                if "failed to get sandbox image" not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _call(self, method: str, **fields: Any) -> Any:
        request = getattr(self._messages, f"{method}Request")(**fields)
        try:
            return getattr(self._service, method)(request, timeout=60)
        except self._grpc.RpcError as error:
            raise CriError(error.details()) from error
