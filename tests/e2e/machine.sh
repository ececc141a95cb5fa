#!/bin/bash
# A machine to try container runtimes on: a root file system of its own, and namespaces of its own for all else.
#   machine.sh LOWER DIR CGROUP SHARED...
# LOWER is the root file system; what is written goes to memory, mounted at DIR, and is gone with the machine. CGROUP is the name of
# a cgroup that the caller made in each hierarchy. SHARED files and directories are the caller's own, at the same paths.
# Writes the machine's process to stdout once it is ready, and ends, with all that runs in it, when stdin does.
set -euo pipefail
lower=$1 dir=$2 cgroup=$3

if (($$ != 1)); then
    for procs in /sys/fs/cgroup/{,*/}"$cgroup"/cgroup.procs; do
        [[ ! -e $procs ]] || echo $$ >"$procs"
    done
    exec unshare --mount --propagation private --pid --fork --kill-child --cgroup --ipc --net --uts -- "$0" "$@"
fi
read -r process _ </proc/self/stat # as the caller sees it: /proc is still the caller's

mount -t tmpfs -o mode=0755 tmpfs "$dir"
mkdir "$dir"/{upper,work,root}
root=$dir/root
mount -t overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" overlay "$root"
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys" # the machine's own network interfaces, not those of the caller
mount -t proc proc "$root/proc"
# Where runtimes keep containers: they mount overlays there, which does not work upon an overlay.
for state in run var/lib/containerd var/lib/containers var/lib/docker; do
    mkdir -p "$root/$state"
    mount -t tmpfs -o mode=0755 tmpfs "$root/$state"
done
for shared in "${@:4}"; do
    mkdir -p "$root/${shared%/*}"
    if [[ -d $shared ]]; then mkdir -p "$root$shared"; else touch "$root$shared"; fi
    mount --bind "$shared" "$root$shared"
done

# Only what is below the machine's own cgroup, and never version 2 beside version 1, which crun refuses.
cgroups=$root/sys/fs/cgroup
if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    mount -t cgroup2 cgroup "$cgroups"
    mkdir "$cgroups/init" # a cgroup whose children have controllers may have no processes
    echo 1 >"$cgroups/init/cgroup.procs"
else
    mount -t tmpfs -o mode=0755 cgroup "$cgroups"
    while IFS=: read -r _ controllers _; do
        [[ $controllers ]] || continue
        mkdir "$cgroups/${controllers#name=}"
        mount -t cgroup -o "${controllers/#name=/none,name=}" cgroup "$cgroups/${controllers#name=}"
    done </proc/self/cgroup
fi

echo "127.0.0.1 localhost" >"$root/etc/hosts" # what an installer writes, and pods get copies of
: >"$root/etc/resolv.conf"
rm -rf "$root/etc/cdi"
mkdir -p "$root/etc/cdi" "$root/run/cdi" "$root/mnt"
cd "$root"
pivot_root . mnt
umount -l /mnt
ip link set lo up
echo "$process"
# Not `exec sleep`: the first process of a machine buries the orphans, which bash does.
read -r _ || true
