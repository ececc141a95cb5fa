"""What users of runtimes reported, each as a node: the doctor recognises it and says what to do."""

from __future__ import annotations

import pytest

from tests.doctoring import GOOD, NODE, Node, spec

PODMAN = {"podman": "5.4.2", "crun": "1.28"}
DEVICE = "vendor.com/gpu=0"
HERE = {"/etc/cdi/gpu.json": GOOD, "/var/run/cdi/.keep": ""}


# Files that take a runtime down.

DASH = "cdiVersion: 0.5.0\nkind: vendor.com/other\ndevices:\n- name: a\n  containerEdits:\n    deviceNodes:\n    -\n"
NULLS = {
    "mounts": spec("a", kind="vendor.com/other", each={"mounts": [None]}),
    "hooks": spec("a", kind="vendor.com/other", each={"hooks": [None]}),
    "deviceNodes": DASH,
}


@pytest.mark.parametrize("text", NULLS.values(), ids=NULLS)
def test_a_stray_dash_kills_the_daemon_and_is_found_first(text: str) -> None:
    node = Node({**HERE, "/etc/cdi/other.yaml": text}, lines=NODE, containerd="2.1.9", podman="5.4.2")
    crashes = [one for one in node.wrong(DEVICE) if one.step == "crash"]
    assert {one.runtime: one.why for one in crashes} == {
        "containerd-2.1.9": "the daemon panics as soon as it reads the file, and cannot be started again while the "
        "file is there",
        "podman-5.4.2": "every command that asks for a CDI device panics, whichever it is",
    }
    assert {one.path for one in crashes} == {"/etc/cdi/other.yaml"}
    assert [one.step for one in node.wrong(DEVICE)] == ["crash", "crash"]
    assert [one.step for one in node.wrong()] == ["crash", "crash"]


def test_a_file_that_is_refused_before_anyone_looks_into_it_kills_nobody() -> None:
    too_new = spec("a", kind="vendor.com/other", version="1.1.0", each={"mounts": [None]})
    unknown = spec("a", kind="vendor.com/other", each={"mounts": [None], "other": 1})
    for text in (too_new, unknown, spec("a", kind="v/class", version="9.9.9")):
        assert Node({**HERE, "/etc/cdi/other.json": text}, lines=NODE, podman="4.3.1").wrong(DEVICE) == []
    newer = Node({**HERE, "/etc/cdi/other.json": too_new}, lines=NODE, containerd="2.3.4")
    assert newer.first(DEVICE).step == "crash"


@pytest.mark.parametrize("kind", ["v/class", "vendor.com/c"])
def test_a_vendor_or_class_of_one_letter_kills_the_daemon(kind: str) -> None:
    files = {**HERE, "/etc/cdi/short.json": spec("a", kind=kind)}
    for version, step in (("2.3.4", ["crash"]), ("2.4.0", [])):
        node = Node(files, lines=NODE, containerd=version)
        assert [one.step for one in node.wrong(DEVICE)] == step


def test_a_runtime_with_cdi_off_does_not_die_of_a_file() -> None:
    node = Node({**HERE, "/etc/cdi/short.json": spec("a", kind="v/c")}, lines=NODE, docker="26.1.5")
    assert [one.step for one in node.wrong(DEVICE)] == ["enabled"]


# podman.


def test_podman_5_5_reads_one_directory_only() -> None:
    files = {"/var/run/cdi/gpu.json": GOOD, "/etc/cdi/.keep": ""}
    found = Node(files, lines=NODE, podman="5.5.2").first(DEVICE)
    assert (found.step, found.path) == ("place", "/var/run/cdi/gpu.json")
    assert found.message == "it is defined in '/var/run/cdi/gpu.json', which podman-5.5.2 does not read"
    assert found.why == "it reads /etc/cdi (default of podman 5.5.2, which alone leaves out /var/run/cdi)"
    assert Node(files, lines=NODE, podman="5.6.0").wrong(DEVICE) == []
    (of_all,) = Node(files, lines=NODE, podman="5.5.2").wrong()
    assert (of_all.status, of_all.step, of_all.path) == ("problem", "place", "/var/run/cdi")


def test_a_directory_that_only_another_runtime_reads_is_found() -> None:
    node = Node({"/etc/buildkit/cdi/gpu.json": GOOD}, lines=NODE, **PODMAN)
    assert node.first(DEVICE).path == "/etc/buildkit/cdi/gpu.json"


def test_directories_that_were_chosen_are_a_warning() -> None:
    files = {"/opt/cdi/.keep": "", "/etc/cdi/gpu.json": GOOD}
    files["/etc/containers/containers.conf"] = '[engine]\ncdi_spec_dirs = ["/opt/cdi"]\n'
    node = Node(files, lines=NODE, podman="5.8.6")
    assert [(one.status, one.step) for one in node.wrong()] == [("warning", "place")]


def test_rootless_podman_does_not_see_a_spec_of_mode_0600() -> None:
    node = Node(HERE, lines=f"{NODE}/etc/cdi/gpu.json : f 0600\n", **PODMAN)
    assert node.first(DEVICE, user="1000").hint == "chmod a+r /etc/cdi/gpu.json"


def test_builds_and_compose_files_of_old_podman_are_noted() -> None:
    notes = " ".join(Node(HERE, lines=NODE, podman="4.9.3").notes(DEVICE))
    assert "`podman build --device` takes no CDI names" in notes
    assert "`driver: cdi` in compose files needs podman 5.4" in notes
    assert Node(HERE, lines=NODE, podman="5.8.6").notes(DEVICE) == []


def test_builds_by_buildah() -> None:
    found = Node(HERE, lines=NODE, buildah="1.35.4").first(DEVICE)
    assert (found.step, found.hint) == ("enabled", "update buildah")
    files = {**HERE, "/etc/containers/containers.conf": '[engine]\nruntime = "runc"\n'}
    notes = Node(files, lines=NODE, buildah="1.39.3", runc="1.1.15").notes(DEVICE)
    assert notes == ["builds with device nodes fail under runc: 'device access at 2 field cannot be empty'"]


# Docker.


def test_docker_with_cdi_off() -> None:
    found = Node(HERE, lines=NODE, docker="27.5.1").first(DEVICE)
    assert (found.step, found.why) == ("enabled", "'could not select device driver \"cdi\" with capabilities: []'")
    assert found.hint == "`cdi runtime enable docker --restart`"
    assert Node(HERE, lines=NODE, docker="28.2.0").wrong(DEVICE) == []


def test_docker_that_lost_its_feature_to_another_tool() -> None:
    files = {**HERE, "/etc/docker/daemon.json": '{"features": {"containerd-snapshotter": true}}'}
    assert Node(files, lines=NODE, docker="27.5.1").first(DEVICE).step == "enabled"


OF_ALICE = '/etc/passwd = "alice:x:1000:1000::/home/alice:/bin/sh\\n"\n'
ROOTLESS = f"""{OF_ALICE}
/proc/stat = "btime 1764000000\\n"
/proc/77 : d 0755 1000 1000
/proc/77/exe -> /usr/bin/dockerd
/proc/77/cmdline = "/usr/bin/dockerd\\u0000"
/proc/77/stat = "77 (dockerd) S 1 77 77 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 9 0 100 0 0\\n"
"""


def test_rootless_docker_does_not_see_the_directories_of_the_host() -> None:
    found = Node(HERE, lines=NODE + ROOTLESS, docker="28.5.2").first(DEVICE)
    assert (found.step, found.message) == ("place", "rootless docker-28.5.2 does not see /etc/cdi and /var/run/cdi")
    assert Node(HERE, lines=NODE + ROOTLESS, docker="29.2.0").wrong(DEVICE) == []


def test_containers_that_docker_restarts_by_itself_are_noted() -> None:
    files = {**HERE, "/etc/docker/daemon.json": '{"features": {"cdi": true}}'}
    assert ["restart: always" in note for note in Node(files, lines=NODE, docker="28.1.1").notes(DEVICE)] == [True]
    assert Node(files, lines=NODE, docker="28.2.0").notes(DEVICE) == []


def test_cri_dockerd_drops_devices() -> None:
    node = Node(HERE, lines=f"{NODE}/usr/bin/cri-dockerd : f 0755\n", docker="29.2.0")
    (found,) = node.wrong(DEVICE)
    assert (found.status, found.path) == ("warning", "/usr/bin/cri-dockerd")
    assert "device plugins and DRA cannot work" in found.message


def test_missing_directories_are_noted() -> None:
    node = Node({"/etc/cdi/gpu.json": GOOD}, lines=NODE, docker="29.2.0")
    assert node.notes(DEVICE) == ["there is no /var/run/cdi"]


# containerd.


def test_containerd_1_6_has_no_cdi() -> None:
    found = Node(HERE, lines=NODE, containerd="1.6.20").first(DEVICE)
    assert (found.step, found.hint) == ("enabled", "update containerd")
    assert found.message == "containerd-1.6.20 has CDI off: containerd reads specs since 1.7"


def test_containerd_1_7_has_cdi_off_unless_told() -> None:
    assert Node(HERE, lines=NODE, containerd="1.7.24").first(DEVICE).step == "enabled"
    assert Node(HERE, lines=NODE, containerd="2.1.9").wrong(DEVICE) == []


MAIN = """version = 2
imports = ["/etc/containerd/conf.d/*.toml"]
[plugins."io.containerd.grpc.v1.cri"]
enable_cdi = true
"""


def test_a_drop_in_that_wipes_the_cri_table_of_containerd_1_7() -> None:
    files = {**HERE, "/etc/containerd/config.toml": MAIN}
    assert Node(files, lines=NODE, containerd="1.7.24").wrong(DEVICE) == []
    drop_in = '[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = "runc"\n'
    node = Node({**files, "/etc/containerd/conf.d/99.toml": drop_in}, lines=NODE, containerd="1.7.24")
    assert node.first(DEVICE).step == "enabled"
    assert any("reads nothing of this table" in note for note in node.notes(DEVICE))


@pytest.mark.parametrize(("version", "wrong"), [("2.1.9", []), ("2.3.4", ["enabled"])])
def test_a_drop_in_of_a_higher_version_than_the_main_file(version: str, wrong: list[str]) -> None:
    drop_in = "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\nenable_cdi = true\n"
    files = {**HERE, "/etc/containerd/config.toml": MAIN, "/etc/containerd/conf.d/99.toml": drop_in}
    node = Node(files, lines=NODE, containerd=version)
    assert [one.step for one in node.wrong(DEVICE)][:1] == wrong
    assert wrong or any("loses this table" in note for note in node.notes(DEVICE))


def test_the_switch_in_a_table_where_it_has_no_effect() -> None:
    text = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\nenable_cdi = true\n'
    node = Node({**HERE, "/etc/containerd/config.toml": text}, lines=NODE, containerd="1.7.24")
    assert node.first(DEVICE).step == "enabled"
    assert any("enable_cdi has no effect here" in note for note in node.notes(DEVICE))


def test_drop_ins_that_nothing_imports() -> None:
    files = {**HERE, "/etc/containerd/config.toml": "version = 3\n", "/etc/containerd/conf.d/99.toml": "version = 3\n"}
    (found,) = Node(files, lines=NODE, containerd="2.2.1").wrong(DEVICE)
    assert (found.status, found.path) == ("warning", "/etc/containerd/conf.d/99.toml")
    assert found.message.startswith("containerd does not read /etc/containerd/conf.d/99.toml")


def test_several_programs_called_containerd() -> None:
    node = Node(HERE, lines=f"{NODE}/usr/local/bin/containerd : f 0755\n", containerd="2.1.9")
    assert any("there are others of the same name: " in note for note in node.notes(DEVICE))


def test_the_template_of_an_older_k3s() -> None:
    template = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml.tmpl"
    node = Node({**HERE, template: "x"}, lines=NODE, k3s="1.33.1")
    assert any("containerd 2 has config-v3.toml.tmpl" in note for note in node.notes(DEVICE))


# Specs.


def test_a_device_without_edits_makes_its_file_invalid() -> None:
    text = '{"cdiVersion":"0.5.0","kind":"vendor.com/gpu","devices":[{"name":"0","containerEdits":{}}]}'
    found = Node({"/etc/cdi/gpu.json": text}, **PODMAN).first(DEVICE)
    assert (found.step, found.message, found.line) == ("loads", "a device without container edits", 1)
    assert found.why == "the whole file is dropped for it, and its devices are 'unresolvable'"


def test_libraries_that_went_with_a_driver_update() -> None:
    gone = {"mounts": [{"hostPath": "/usr/lib/libcuda.so.535.1", "containerPath": "/l", "options": ["bind"]}]}
    node = Node({"/etc/cdi/gpu.json": spec("0", "1", shared=gone)}, lines=NODE, **PODMAN)
    found = node.first(DEVICE)
    assert (found.step, found.message) == ("mounts", "there is no '/usr/lib/libcuda.so.535.1' to mount")
    assert found.hint == "an update of its driver may have renamed it: `cdi generate` writes what is there now"
    assert len(node.wrong()) == 1


def test_a_hook_that_was_uninstalled() -> None:
    hook = {"hooks": [{"hookName": "createContainer", "path": "/usr/bin/nvidia-cdi-hook"}]}
    found = Node({"/etc/cdi/gpu.json": spec("0", shared=hook)}, lines=NODE, **PODMAN).first(DEVICE)
    assert (found.step, found.message) == ("mounts", "there is no '/usr/bin/nvidia-cdi-hook' to run")


def test_a_file_that_was_half_written() -> None:
    found = Node({"/etc/cdi/gpu.json": GOOD[:60]}, **PODMAN).first(DEVICE)
    assert (found.step, found.path) == ("loads", "/etc/cdi/gpu.json")


def test_names_that_are_asked_for_and_not_offered() -> None:
    files = {"/etc/cdi/management.json": spec("all", kind="management.nvidia.com/gpu")}
    found = Node(files, lines=NODE, **PODMAN).first("management.nvidia.com/gpu=GPU-8e4f")
    assert (found.step, found.hint) == ("place", "management.nvidia.com/gpu has all")


ANNOTATION = (
    "that is a container annotation: ask for 'vendor.com/gpu=0'; "
    "annotations of a pod are not read, only those of a container"
)


def test_annotations_of_a_pod() -> None:
    found = Node(HERE, lines=NODE, containerd="2.1.9").first("cdi.k8s.io/gpus: vendor.com/gpu=0")
    assert (found.step, found.hint) == ("name", ANNOTATION)


def test_devices_of_builds_need_an_entitlement() -> None:
    assert Node(HERE, lines=NODE, buildkit="0.21.0").notes(DEVICE)[0] == (
        "`RUN --device` of vendor.com/gpu needs `--allow device` at each build"
    )


# Drivers.

H100 = """
/sys/bus/pci/devices/0000:1b:00.0 -> ../../../devices/pci0000:00/0000:1b:00.0
/sys/devices/pci0000:00/0000:1b:00.0/vendor = 0x10de
/sys/devices/pci0000:00/0000:1b:00.0/device = 0x2330
/sys/devices/pci0000:00/0000:1b:00.0/class = 0x030200
"""
NVIDIA = {"/etc/cdi/nvidia.json": spec("0", kind="nvidia.com/gpu", each={"env": ["A=B"]})}


def test_a_driver_that_is_not_loaded() -> None:
    found = Node(NVIDIA, lines=H100, **PODMAN).first("nvidia.com/gpu=0")
    assert (found.step, found.message) == ("driver", "0000:1b:00.0: no driver has it")
    assert found.hint is not None
    assert found.hint.startswith("`modprobe nvidia`")


def test_a_driver_that_was_updated_and_not_reloaded() -> None:
    message = "NVML says: Driver/library version mismatch"
    answer = f'/.cdi/nvml/driver = {{"failure":{{"message":"{message}","hint":"reboot or reload","unusable":true}}}}\n'
    wrong = Node(NVIDIA, lines=H100 + answer, **PODMAN).wrong("nvidia.com/gpu=0")
    assert ("driver", message, "reboot or reload") in {(one.step, one.message, one.hint) for one in wrong}


def test_a_refresh_service_that_failed_at_boot() -> None:
    unit = {"/usr/lib/systemd/system/nvidia-cdi-refresh.service": "[Service]\n"}
    found = next(one for one in Node({**HERE, **unit}, lines=NODE, **PODMAN).wrong() if one.step == "notes")
    assert found.message == "nvidia-cdi-refresh.service is installed, and there is no spec of nvidia.com/gpu"


def test_hardware_without_a_spec_is_to_be_generated() -> None:
    gpu = "/dev/nvidia0 : c 195 0 0666\n/dev/nvidiactl : c 195 255 0666\n"
    found = Node(HERE, lines=gpu, **PODMAN).first("nvidia.com/gpu=0")
    assert (found.step, found.why) == ("place", "the hardware is there (0), the spec is not")


def test_a_generated_configuration_with_a_table_twice() -> None:
    path = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml"
    twice = "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n"
    text = twice + twice.partition("\n")[2]
    found = Node({**HERE, path: text}, lines=NODE, k3s="1.33.1").first(DEVICE)
    assert (found.step, found.path, found.line) == ("enabled", path, 3)


def test_limits_are_told_of_what_works_and_oddities_always() -> None:
    text = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\nenable_cdi = true\n'
    node = Node({**HERE, "/etc/containerd/config.toml": text}, lines=NODE, containerd="1.7.24", podman="4.9.3")
    notes = node.notes("vendor.com/gpu=none")
    assert any("has no effect here" in note for note in notes)
    assert not any("podman build" in note for note in notes)
    assert any("podman build" in note for note in node.notes(DEVICE))


def test_a_containerd_that_serves_docker_alone_is_left_aside() -> None:
    node = Node(HERE, lines=NODE, docker="28.5.2", containerd="1.7.24", ctr="1.7.24")
    assert node.wrong() == []
    assert {check.runtime for check in node.diagnosis(DEVICE).checks} == {"docker-28.5.2"}
    assert [note.partition(":")[0] for note in node.notes()] == [
        "containerd-1.7.24 is left aside",
        "ctr-1.7.24 is left aside",
    ]
    with_kubelet = Node(HERE, lines=f"{NODE}/var/lib/kubelet/\n", docker="28.5.2", containerd="1.7.24")
    assert [one.runtime for one in with_kubelet.wrong()] == ["containerd-1.7.24"]


def test_a_ctr_without_cdi_is_no_fault_of_a_containerd_with() -> None:
    files = {**HERE, "/etc/containerd/config.toml": MAIN}
    node = Node(files, lines=NODE, containerd="1.7.24", ctr="1.7.24")
    assert node.wrong() == []
    assert any("is left aside: ctr reads specs since 2.0" in note for note in node.notes())
    assert Node(HERE, lines=NODE, ctr="1.7.24").first(DEVICE).step == "enabled"
