"""The files of NVIDIA's driver: which are found where, their paths in containers, and the links and hooks they need."""

from __future__ import annotations

from typing import Any

import pytest

from cdi.discovery.nvidia.driver import Driver, read_driver
from cdi.discovery.nvidia.libraries import find_library
from cdi.hooks import hook_name, links_of
from cdi.host import Host

FILE = ("ro", "nosuid", "nodev", "rbind", "rprivate")
SOCKET = ("nosuid", "nodev", "rbind", "rprivate", "noexec")
PLAIN = """
/usr/lib64/libcuda.so -> libcuda.so.1
/usr/lib64/libcuda.so.1 -> libcuda.so.550.54.15
/usr/lib64/libcuda.so.550.54.15 = library
/usr/lib64/libnvidia-ml.so.1 -> libnvidia-ml.so.550.54.15
/usr/lib64/libnvidia-ml.so.550.54.15 = library
"""
VERSION = "/sys/module/nvidia/version = 550.54.15\n"


def read(text: str, version: str | None = None, *, management: bool = False, **places: Any) -> Driver:
    return read_driver(Host.from_tree(text, **places), version, management=management)


def mounts(driver: Driver) -> dict[str, str]:
    """Return the path on the host by the path in the container."""
    return {mount.container_path: mount.host_path for mount in driver.edits.mounts}


def links(driver: Driver) -> list[str]:
    return [f"{target}::{link}" for hook in driver.edits.hooks for target, link in links_of(hook)]


def folders(driver: Driver) -> list[str]:
    hook = next(hook for hook in driver.edits.hooks if hook_name(hook) == "update-ldcache")
    return [word for word in hook.args[2:] if word != "--folder"]


def test_driver_is_its_libraries_links_hooks_and_environment() -> None:
    driver = read(PLAIN + VERSION)
    assert driver.version == "550.54.15"
    assert driver.warnings == ()
    assert driver.how == "driver 550.54.15: libraries 2; libraries in /usr/lib64"
    assert driver.edits.env == ("NVIDIA_CTK_LIBCUDA_DIR=/usr/lib64", "NVIDIA_VISIBLE_DEVICES=void")
    assert mounts(driver) == {
        path: path for path in ("/usr/lib64/libcuda.so.550.54.15", "/usr/lib64/libnvidia-ml.so.550.54.15")
    }
    assert {mount.options for mount in driver.edits.mounts} == {FILE}
    assert [(hook.hook_name, hook.path) for hook in driver.edits.hooks] == [
        ("createContainer", "/usr/bin/cdi-hook")
    ] * 5
    assert [hook.args[1:] for hook in driver.edits.hooks] == [
        (
            *("create-symlinks", "--link", "libcuda.so.1::/usr/lib64/libcuda.so"),
            *("--link", "libcuda.so.550.54.15::/usr/lib64/libcuda.so.1"),
            *("--link", "libnvidia-ml.so.550.54.15::/usr/lib64/libnvidia-ml.so.1"),
        ),
        ("enable-cuda-compat", "--host-driver-version=550.54.15"),
        ("update-ldcache", "--folder", "/usr/lib64"),
        ("disable-device-node-modification",),
        ("update-application-profile",),
    ]


def test_management_may_make_nodes_and_draws_nothing() -> None:
    drawing = PLAIN + "/usr/share/nvidia/nvoptix.bin = optix\n/usr/bin/nvidia-xconfig : f 0755\n"
    driver = read(drawing, "550.54.15", management=True)
    assert [hook_name(hook) for hook in driver.edits.hooks] == [
        "create-symlinks",
        "enable-cuda-compat",
        "update-ldcache",
    ]
    assert len(driver.edits.mounts) == 2
    assert set(mounts(read(drawing))) - set(mounts(driver)) == {
        "/usr/bin/nvidia-xconfig",
        "/usr/share/nvidia/nvoptix.bin",
    }


def test_paths_in_the_container_are_without_the_driver_root() -> None:
    text = "".join(f"/run/nvidia/driver{line}\n" for line in PLAIN.strip().splitlines())
    driver = read(text, driver_root="/run/nvidia/driver")
    assert mounts(driver) == {
        path: f"/run/nvidia/driver{path}"
        for path in ("/usr/lib64/libcuda.so.550.54.15", "/usr/lib64/libnvidia-ml.so.550.54.15")
    }
    assert driver.how == "driver 550.54.15 below /run/nvidia/driver: libraries 2; libraries in /usr/lib64"
    assert folders(driver) == ["/usr/lib64"]


def test_driver_root_that_is_not_there_is_said() -> None:
    driver = read("", "550.54.15", driver_root="/run/nvidia/driver")
    assert driver.warnings == ("there is no /run/nvidia/driver: containers get none of the driver's files",)
    assert driver.edits.env == ("NVIDIA_VISIBLE_DEVICES=void",)


def test_libraries_of_all_directories_count_together() -> None:
    """Debian's packages have what CUDA needs in one place, and what draws in another."""
    driver = read(
        """
        /usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.550.54.15 = library
        /usr/lib/x86_64-linux-gnu/libnvidia-eglcore.so.550.54.15 = library
        /opt/nvidia/libnvidia-tls.so.550.54.15 = library
        """.replace("        ", ""),
        library_dirs=("/opt/nvidia",),
    )
    assert list(mounts(driver)) == [
        "/opt/nvidia/libnvidia-tls.so.550.54.15",
        "/usr/lib/x86_64-linux-gnu/libnvidia-eglcore.so.550.54.15",
        "/usr/lib/x86_64-linux-gnu/nvidia/current/libcuda.so.550.54.15",
    ]
    assert folders(driver) == [
        "/opt/nvidia",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/x86_64-linux-gnu/nvidia/current",
    ]


def test_a_library_with_several_paths_is_mounted_once() -> None:
    driver = read(
        PLAIN + "/lib64 -> usr/lib64\n/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15 -> /lib64/libcuda.so.1\n"
    )
    assert list(mounts(driver)) == ["/usr/lib64/libcuda.so.550.54.15", "/usr/lib64/libnvidia-ml.so.550.54.15"]


def test_libraries_behind_links_are_mounted_where_they_are() -> None:
    """NixOS has a directory of links; the libraries, and the links beside them, are in the store."""
    driver = read("""
/run/opengl-driver/lib -> /nix/store/1-graphics/lib
/nix/store/1-graphics/lib/libcuda.so.1 -> /nix/store/2-nvidia/lib/libcuda.so.1
/nix/store/1-graphics/lib/libcuda.so.550.54.15 -> /nix/store/2-nvidia/lib/libcuda.so.550.54.15
/nix/store/2-nvidia/lib/libcuda.so.1 -> libcuda.so.550.54.15
/nix/store/2-nvidia/lib/libcuda.so.550.54.15 = library
/nix/store/2-nvidia/lib/libnvidia-tls.so.550.54.15 = library
/run/current-system/sw/bin/nvidia-smi -> /nix/store/2-nvidia-bin/bin/nvidia-smi
/nix/store/2-nvidia-bin/bin/nvidia-smi : f 0555
""")
    assert mounts(driver) == {
        "/nix/store/2-nvidia/lib/libcuda.so.550.54.15": "/nix/store/2-nvidia/lib/libcuda.so.550.54.15",
        "/nix/store/2-nvidia/lib/libnvidia-tls.so.550.54.15": "/nix/store/2-nvidia/lib/libnvidia-tls.so.550.54.15",
        "/usr/bin/nvidia-smi": "/run/current-system/sw/bin/nvidia-smi",
    }
    assert links(driver) == [
        "libcuda.so.1::/nix/store/2-nvidia/lib/libcuda.so",
        "libcuda.so.550.54.15::/nix/store/2-nvidia/lib/libcuda.so.1",
    ]


def test_libraries_of_32_bits_come_after_the_others_and_name_no_cuda_directory() -> None:
    driver = read(
        PLAIN
        + """
/usr/lib/libcuda.so.1 -> libcuda.so.550.54.15
/usr/lib/libcuda.so.550.54.15 = library
/usr/lib/vdpau/libvdpau_nvidia.so.550.54.15 = library
/usr/lib64/vdpau/libvdpau_nvidia.so.550.54.15 = library
"""
    )
    assert folders(driver) == ["/usr/lib64", "/usr/lib64/vdpau", "/usr/lib", "/usr/lib/vdpau"]
    assert driver.edits.env[0] == "NVIDIA_CTK_LIBCUDA_DIR=/usr/lib64"
    assert links(driver)[-2:] == ["libcuda.so.1::/usr/lib/libcuda.so", "libcuda.so.550.54.15::/usr/lib/libcuda.so.1"]


def test_usr_lib_alone_holds_64_bits() -> None:
    driver = read("/usr/lib64 -> lib\n" + PLAIN.replace("lib64", "lib"))
    assert driver.edits.env[0] == "NVIDIA_CTK_LIBCUDA_DIR=/usr/lib"


def test_nvvm_of_older_drivers_and_what_else_has_the_version() -> None:
    driver = read(
        PLAIN + "/usr/lib64/libnvidia-nvvm70.so.4 = library\n/usr/lib64/nvidia_private.so.550.54.15 = library\n"
    )
    assert set(mounts(driver)) >= {"/usr/lib64/libnvidia-nvvm70.so.4", "/usr/lib64/nvidia_private.so.550.54.15"}


def test_links_that_programs_expect_are_made_even_if_the_host_lacks_them() -> None:
    driver = read("""
/usr/lib64/libGLX_nvidia.so.550.54.15 = library
/usr/lib64/libcuda.so.550.54.15 = library
/usr/lib64/libnvidia-allocator.so.550.54.15 = library
/usr/lib64/libnvidia-opticalflow.so.550.54.15 = library
/usr/lib64/libnvidia-vulkan-producer.so.550.54.15 = library
""")
    assert links(driver) == [
        "../libnvidia-allocator.so.1::/usr/lib64/gbm/nvidia-drm_gbm.so",
        "libnvidia-vulkan-producer.so.550.54.15::/usr/lib64/libnvidia-vulkan-producer.so",
        "libGLX_nvidia.so.550.54.15::/usr/lib64/libGLX_indirect.so.0",
        "libcuda.so.1::/usr/lib64/libcuda.so",
        "libnvidia-opticalflow.so.1::/usr/lib64/libnvidia-opticalflow.so",
    ]


def test_a_link_that_is_no_link_on_the_host_is_not_made() -> None:
    assert "libnvidia-ml.so.550.54.15::/usr/lib64/libnvidia-ml.so.1" not in links(
        read(PLAIN.replace("libnvidia-ml.so.1 -> libnvidia-ml.so.550.54.15", "libnvidia-ml.so.1 = copy"))
    )


GRAPHICS = (
    PLAIN
    + """
/usr/lib64/libnvidia-egl-wayland.so.1 -> libnvidia-egl-wayland.so.1.1.13
/usr/lib64/libnvidia-egl-wayland.so.1.1.13 = library
/usr/lib64/libnvidia-egl-wayland2.so.1.0.0 = library
/usr/lib64/xorg/modules/drivers/nvidia_drv.so = module
/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so -> libglxserver_nvidia.so.550.54.15
/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so.550.54.15 = module
/usr/lib/xorg/modules/drivers/nvidia_drv.so = another
/usr/bin/nvidia-xconfig : f 0755
/usr/local/share/glvnd/egl_vendor.d/10_nvidia.json = {}
/usr/share/glvnd/egl_vendor.d/10_nvidia.json = {}
/usr/share/X11/xorg.conf.d/10-nvidia.conf = configuration
/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json = {}
/etc/vulkan/implicit_layer.d/nvidia_layers.json = {}
/etc/OpenCL/vendors/nvidia.icd = libnvidia-opencl.so.1
/vulkan/icd.d/nvidia_icd.json = {}
"""
)


def test_files_for_drawing_are_where_loaders_look_for_them() -> None:
    plain = mounts(read(PLAIN))
    driver = read(GRAPHICS)
    assert {path: host for path, host in mounts(driver).items() if path not in plain} == {
        "/usr/lib64/libnvidia-egl-wayland.so.1.1.13": "/usr/lib64/libnvidia-egl-wayland.so.1.1.13",
        "/usr/lib64/libnvidia-egl-wayland2.so.1.0.0": "/usr/lib64/libnvidia-egl-wayland2.so.1.0.0",
        "/usr/lib64/xorg/modules/drivers/nvidia_drv.so": "/usr/lib64/xorg/modules/drivers/nvidia_drv.so",
        "/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so.550.54.15": (
            "/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so.550.54.15"
        ),
        "/usr/bin/nvidia-xconfig": "/usr/bin/nvidia-xconfig",
        "/usr/share/glvnd/egl_vendor.d/10_nvidia.json": "/usr/local/share/glvnd/egl_vendor.d/10_nvidia.json",
        "/usr/share/X11/xorg.conf.d/10-nvidia.conf": "/usr/share/X11/xorg.conf.d/10-nvidia.conf",
        "/etc/OpenCL/vendors/nvidia.icd": "/etc/OpenCL/vendors/nvidia.icd",
        "/etc/vulkan/icd.d/nvidia_icd.json": "/vulkan/icd.d/nvidia_icd.json",
        "/etc/vulkan/icd.d/nvidia_icd.x86_64.json": "/usr/share/vulkan/icd.d/nvidia_icd.x86_64.json",
        "/etc/vulkan/implicit_layer.d/nvidia_layers.json": "/etc/vulkan/implicit_layer.d/nvidia_layers.json",
    }
    assert links(driver)[0] == (
        "libglxserver_nvidia.so.550.54.15::/usr/lib64/xorg/modules/extensions/libglxserver_nvidia.so"
    )
    assert links(driver)[-1] == "libnvidia-egl-wayland.so.1.1.13::/usr/lib64/libnvidia-egl-wayland.so.1"
    assert folders(driver) == ["/usr/lib64"]


def test_firmware_is_looked_for_where_the_kernel_does() -> None:
    driver = read(
        PLAIN
        + """
/proc/sys/kernel/osrelease = 6.8.0-45-generic
/sys/module/firmware_class/parameters/path = /opt/firmware
/opt/firmware/nvidia/550.54.15/gsp_tu10x.bin = firmware
/lib/firmware/6.8.0-45-generic/nvidia/550.54.15/gsp_ga10x.bin = firmware
/lib/firmware/6.8.0-40-generic/nvidia/550.54.15/gsp_ga10x.bin = of another kernel
/lib/firmware/nvidia/550.54.15/gsp_ga10x.bin = firmware
/lib/firmware/nvidia/550.54.15/other.bin = firmware
/lib/firmware/nvidia/535.1.1/gsp_ga10x.bin = of another driver
"""
    )
    assert [path for path in mounts(driver) if path.endswith(".bin")] == [
        "/opt/firmware/nvidia/550.54.15/gsp_tu10x.bin",
        "/lib/firmware/6.8.0-45-generic/nvidia/550.54.15/gsp_ga10x.bin",
        "/lib/firmware/nvidia/550.54.15/gsp_ga10x.bin",
    ]


def test_sockets_can_be_written_to_and_run_nothing() -> None:
    driver = read(
        PLAIN
        + """
/var/run -> ../run
/run/nvidia-persistenced/socket : s 0666
/run/nvidia-fabricmanager/socket : s 0600
/tmp/nvidia-mps/control : p 0666
"""
    )
    assert [(mount.container_path, mount.options) for mount in driver.edits.mounts[2:]] == [
        ("/run/nvidia-persistenced/socket", SOCKET),
        ("/run/nvidia-fabricmanager/socket", SOCKET),
        ("/tmp/nvidia-mps", SOCKET),
    ]


def test_programs_are_the_first_in_the_path_that_may_be_executed() -> None:
    driver = read(
        PLAIN
        + """
/bin -> usr/bin
/usr/local/bin/nvidia-smi : f 0644
/usr/bin/nvidia-smi : f 0755
/usr/sbin/nvidia-smi : f 0755
/usr/bin/nvidia-persistenced : f 0755
/home/kubernetes/bin/nvidia/bin/nvidia-debugdump : f 0755
"""
    )
    assert dict(list(mounts(driver).items())[2:]) == {
        "/usr/sbin/nvidia-smi": "/usr/sbin/nvidia-smi",
        "/usr/bin/nvidia-debugdump": "/home/kubernetes/bin/nvidia/bin/nvidia-debugdump",
        "/usr/bin/nvidia-persistenced": "/usr/bin/nvidia-persistenced",
    }


def test_programs_of_a_driver_with_directories_of_its_own_go_before_scripts_in_the_path_that_start_them() -> None:
    driver = read("""
/var/lib/nvidia/lib64/libcuda.so.550.54.15 = library
/var/lib/nvidia/bin/nvidia-smi : f 0755
/usr/bin/nvidia-smi : f 0755
/usr/bin/nvidia-persistenced : f 0755
""")
    assert dict(list(mounts(driver).items())[1:]) == {
        "/usr/bin/nvidia-smi": "/var/lib/nvidia/bin/nvidia-smi",
        "/usr/bin/nvidia-persistenced": "/usr/bin/nvidia-persistenced",
    }


def test_a_directory_in_the_path_is_not_the_drivers_own_under_another_name() -> None:
    driver = read(
        PLAIN
        + """
/usr/sbin -> bin
/usr/local/bin/nvidia-smi : f 0755
/usr/bin/nvidia-smi : f 0755
/usr/bin/nvidia-persistenced : f 0755
"""
    )
    assert dict(list(mounts(driver).items())[2:]) == {
        "/usr/local/bin/nvidia-smi": "/usr/local/bin/nvidia-smi",
        "/usr/sbin/nvidia-persistenced": "/usr/sbin/nvidia-persistenced",
    }


def test_an_absolute_link_in_the_driver_root_stays_in_it() -> None:
    """A runtime would follow it from its own root, to a file of the host or to none."""
    driver = read(
        """
/driver/usr/bin/nvidia-smi -> /etc/alternatives/nvidia-smi
/driver/etc/alternatives/nvidia-smi -> /usr/lib/nvidia/current/nvidia-smi
/driver/usr/lib/nvidia/current/nvidia-smi : f 0755
/driver/usr/bin/nvidia-debugdump -> ../lib/nvidia/nvidia-debugdump
/driver/usr/lib/nvidia/nvidia-debugdump : f 0755
/usr/lib/nvidia/current/nvidia-smi : f 0755
""",
        driver_root="/driver",
    )
    assert mounts(driver) == {
        "/usr/bin/nvidia-smi": "/driver/usr/lib/nvidia/current/nvidia-smi",
        "/usr/bin/nvidia-debugdump": "/driver/usr/bin/nvidia-debugdump",
    }


LIBRARIES_OF_OTHER = PLAIN.replace("550.54.15", "560.35.03")


@pytest.mark.parametrize(
    ("text", "stated", "version", "warning"),
    [
        (PLAIN, None, "550.54.15", None),
        (PLAIN + LIBRARIES_OF_OTHER.replace("lib64", "lib"), "550.54.15", "550.54.15", None),
        (PLAIN + LIBRARIES_OF_OTHER.replace("lib64", "lib") + VERSION, None, "550.54.15", None),
        (
            LIBRARIES_OF_OTHER + VERSION,
            None,
            "560.35.03",
            (
                "the kernel module is 550.54.15, but the libraries are 560.35.03; no program can use the GPU like that:"
                " restart the machine, or unload the module and load it again, and generate anew"
            ),
        ),
        (
            PLAIN + VERSION,
            "560.35.03",
            "550.54.15",
            (
                "NVML says that the driver is 560.35.03, /sys/module/nvidia/version says 550.54.15:"
                " restart the machine, or unload the module and load it again, and generate anew"
            ),
        ),
        (
            PLAIN + LIBRARIES_OF_OTHER.replace("lib64", "lib"),
            None,
            "550.54.15",
            (
                "libraries of several drivers are installed, 550.54.15, 560.35.03, and the kernel module is not loaded"
                " to tell which is in use: taken 550.54.15; load it (modprobe nvidia) and generate anew"
            ),
        ),
        (
            "/usr/lib64/libnvidia-ml.so.550.54.15 = library\n",
            None,
            "550.54.15",
            "there is no libcuda.so.550.54.15: containers cannot use CUDA until it is installed",
        ),
        (
            VERSION + "/usr/lib64/libc.so.6 = library\n",
            None,
            "550.54.15",
            (
                "there is no libcuda.so.550.54.15 in any of 1 directories of libraries: containers cannot use CUDA;"
                " install the driver's libraries, or name their directory with --library-search-path,"
                " or the root that they are below with --driver-root"
            ),
        ),
        (
            "",
            None,
            None,
            (
                "there is no libcuda.so.* in any of 0 directories of libraries: containers cannot use CUDA;"
                " install the driver's libraries, or name their directory with --library-search-path,"
                " or the root that they are below with --driver-root"
            ),
        ),
    ],
)
def test_version_is_that_of_the_kernel_module_if_its_libraries_are_there(
    text: str, stated: str | None, version: str | None, warning: str | None
) -> None:
    driver = read(text, stated)
    assert driver.version == version
    assert driver.warnings == ((warning,) if warning is not None else ())


def test_libcuda_of_tegra_and_wsl_tells_no_version() -> None:
    assert read("/usr/lib64/libcuda.so.1.1 = library\n").version is None


def test_cache_of_the_linker_that_is_none_is_said() -> None:
    driver = read(PLAIN + "/etc/ld.so.cache = text\n")
    assert driver.warnings == (
        (
            "/etc/ld.so.cache is no cache of the dynamic linker:"
            " it starts with neither 'ld.so-1.7.0' nor 'glibc-ld.so.cache1.1'"
        ),
    )
    assert len(driver.edits.mounts) == 2


def test_what_cannot_be_read_is_said_and_hides_nothing_else() -> None:
    driver = read(PLAIN + "/usr/lib/x86_64-linux-gnu/ ! EACCES\n")
    assert driver.warnings == ("cannot list '/usr/lib/x86_64-linux-gnu': permission denied",)
    assert len(driver.edits.mounts) == 2


def test_order_of_a_directory_does_not_matter() -> None:
    lines = GRAPHICS.strip().splitlines()
    assert read("\n".join(reversed(lines))) == read(GRAPHICS)


def test_library_is_found_below_the_driver_root() -> None:
    text = "/d/usr/lib64/libnvidia-ml.so.1 -> /usr/lib64/libnvidia-ml.so.2\n/d/usr/lib64/libnvidia-ml.so.2 = library\n"
    host = Host.from_tree(text, driver_root="/d")
    assert find_library(host, "libnvidia-ml.so.1") == "/d/usr/lib64/libnvidia-ml.so.2"
    assert find_library(host, "libcuda.so.1") is None


def test_directories_of_the_linker_of_alpine_count() -> None:
    text = "/etc/ld-musl-x86_64.path = /lib:/opt/nvidia/lib\n/opt/nvidia/lib/libcuda.so.550.54.15 = library\n"
    assert list(mounts(read(text))) == ["/opt/nvidia/lib/libcuda.so.550.54.15"]


def test_library_of_32_bits_is_not_what_a_program_loads() -> None:
    assert find_library(Host.from_tree("/usr/lib32/libnvidia-ml.so.1 = library\n"), "libnvidia-ml.so.1") is None


@pytest.mark.parametrize("name", ["libdd::x.so.550.54.15", "libnl\\n.so.550.54.15"])
def test_a_library_whose_name_no_hook_can_be_told_is_left_out_and_that_is_said(name: str) -> None:
    driver = read(PLAIN + VERSION + f'"/usr/lib64/{name}" = library\n')
    assert driver.edits == read(PLAIN + VERSION).edits
    (warning,) = driver.warnings
    assert "is left out, no hook can be told of such a name" in warning


def test_what_is_no_file_is_no_program() -> None:
    driver = read(PLAIN + VERSION + "/usr/bin/nvidia-smi : p 0755\n/usr/share/nvidia/nvoptix.bin : p 0644\n")
    assert driver.edits == read(PLAIN + VERSION).edits
