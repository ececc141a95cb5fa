#!/bin/bash
# The first process of the guest on its own root: a machine as udev makes it, and then what /run/cdi-tools/go says.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=0755 run /run
mkdir /run/cdi-tools
mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none out /run/cdi-tools
ln -sfn /proc/self/fd /dev/fd
hostname guest
ip link set lo up
/lib/systemd/systemd-udevd --daemon --children-max=4
# What was there before udev; all else is announced to it.
udevadm trigger --action=add --subsystem-match=mem --subsystem-match=misc --subsystem-match=pci --subsystem-match=virtio
udevadm settle
echo "udev has settled after $(cut -d' ' -f1 /proc/uptime) s"
bash /run/cdi-tools/go </dev/console
echo "ended with $? after $(cut -d' ' -f1 /proc/uptime) s"
busybox poweroff -f
