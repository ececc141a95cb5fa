#!/bin/busybox sh
# The first process of the guest, in its initrd: makes a root of this machine's files that may be written, in memory.
set -e
mkdir -p /proc /sys /dev /lower /memory /new
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module"; done
mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=1048576,cache=loose root /lower
mount -t tmpfs -o mode=0755 memory /memory
mkdir /memory/upper /memory/work
mount -t overlay -o lowerdir=/lower,upperdir=/memory/upper,workdir=/memory/work root /new
umount /dev
exec switch_root /new "$@"
