#!/bin/bash
# Boots Debian's kernel on emulated hardware, with this machine's files; goes on as QEMU, which ends with its caller.
#   boot.sh ROOT DIR INIT SHARED...
# ROOT has the kernel, its modules and QEMU. DIR/out is what the guest may write, DIR/initrd is unpacked by the kernel, DIR/*.img are its
# disks, DIR/console.log is what it says. It finds this machine's files as they are, and SHARED ones at the same paths, and changes none.
set -euo pipefail
root=$1 dir=$2 init=$3
if [[ ${BOOT_INSIDE:-} != yes ]]; then
    BOOT_INSIDE=yes exec unshare --mount --propagation private -- "$0" "$@"
fi
machine=$dir/machine
mkdir "$machine"
mount -t tmpfs -o mode=0755 tmpfs "$machine"
mkdir "$machine"/{upper,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/work" overlay "$machine/root"
for shared in "${@:4}"; do
    mkdir -p "$machine/root/${shared%/*}"
    if [[ -d $shared ]]; then mkdir -p "$machine/root$shared"; else touch "$machine/root$shared"; fi
    mount --bind "$shared" "$machine/root$shared"
done
mkdir -p "$machine/root/lib/modules" "$machine/root/etc/cdi"
mount --bind "$root/usr/lib/modules" "$machine/root/lib/modules"
rm -rf "$machine/root/etc/cdi" "$machine/root/etc/cdi-tools"

# Drivers of what is emulated and not looked at: to load one takes up to a second.
unused=aesni_intel,ahci,crc32_pclmul,crct10dif_pclmul,evdev,ghash_clmulni_intel,i2c_i801,iTCO_wdt,kvm_amd,kvm_intel,lpc_ich
unused+=,pcspkr,psmouse,serio_raw,sha1_ssse3,sha256_ssse3,sha512_ssse3
qemu=(
    -machine q35,accel=tcg -cpu Nehalem -smp 2 -m 1536M -nodefaults -no-user-config -no-reboot -display none
    -L "$root/usr/share/seabios" -L "$root/usr/share/qemu"
    -kernel "$root"/boot/vmlinuz-* -initrd "$dir/initrd"
    -append "console=ttyS0 panic=-1 loglevel=4 mitigations=off no_timer_check cryptomgr.notests intel_iommu=on module_blacklist=$unused rdinit=/init -- /bin/bash $init"
    -serial "$CONSOLE"
    -device intel-iommu,intremap=on,caching-mode=on
    -fsdev "local,id=root,path=$machine/root,security_model=none,multidevs=remap,readonly=on"
    -device virtio-9p-pci,fsdev=root,mount_tag=root
    -fsdev "local,id=out,path=$dir/out,security_model=none" -device virtio-9p-pci,fsdev=out,mount_tag=out
    -device virtio-gpu-pci
    # A card with the way out, a card without, and a card that can be divided.
    -netdev user,id=out,ipv6=off -device virtio-net-pci,netdev=out,mac=52:54:00:00:00:01
    -netdev user,id=lan,ipv6=off,restrict=on -device e1000e,netdev=lan,mac=52:54:00:00:00:02
    -device pcie-root-port,id=slot1,slot=1 -device igb,bus=slot1,mac=52:54:00:00:00:03
    -device pcie-root-port,id=slot2,slot=2
    -device nvme-subsys,id=nvme
    -device nvme,serial=cdi-tools,subsys=nvme,bus=slot2,sriov_max_vfs=2,sriov_vq_flexible=4,sriov_vi_flexible=2,max_ioqpairs=6,msix_qsize=5
    -drive "file=$dir/disk.img,if=none,id=disk,format=raw" -device nvme-ns,drive=disk,nsid=1
    # A card that no driver of the kernel knows.
    -device edu
)
export QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu
exec setpriv --pdeathsig KILL "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
    "$root/usr/bin/qemu-system-x86_64" "${qemu[@]}"
