#!/bin/bash
# Boots this machine's own files as another machine with a systemd of its own, and runs CHECK there, until it ends.
# Usage: boot.sh PROJECT SITE PYTHON OUT UNIT...; OUT/check.sh is what runs, OUT what it may write. Nothing else is kept.
set -euo pipefail
if [[ ${BOOT_INSIDE:-} != yes ]]; then
    BOOT_INSIDE=yes exec unshare --mount --propagation private "$0" "$@"
fi
project=$1 site=$2 python=$3 out=$4
shift 4
mount -t tmpfs tmpfs /mnt
mkdir /mnt/{upper,work,root}
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
etc=$root/etc/systemd/system
rm -rf "$etc"/*.wants "$root/etc/cdi" "$root"/var/lib/{containers,containerd,docker}
# A machine that was never started before would enable all units.
tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
mkdir -p "$root"/opt/{project,site,python,out} "$etc/multi-user.target.wants" "$root/etc/tmpfiles.d"
cp "$project"/deploy/systemd/*.service "$etc/"
cp "$project/deploy/systemd/cdi.conf" "$root/etc/tmpfiles.d/"
# A Python that was built with a shared library looks for that where it was installed.
cat >"$root/usr/bin/cdi" <<'END'
#!/bin/sh
LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/project:/opt/project/cli:/opt/site PYTHONDONTWRITEBYTECODE=1 exec /opt/python/bin/python3 -m cdi_cli "$@"
END
chmod 755 "$root/usr/bin/cdi"
# What runtimes find when they start.
cat >"$etc/containerd.service" <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'ls /run/cdi >/opt/out/before-containerd 2>&1'
END
cat >"$etc/check.service" <<'END'
[Unit]
After=containerd.service cdi-watch.service cdi-generate.service
[Service]
Type=oneshot
TimeoutStartSec=60
WorkingDirectory=/opt/out
ExecStart=/bin/bash -eu check.sh
ExecStopPost=/bin/systemctl --no-block exit 0
StandardOutput=append:/opt/out/log
StandardError=append:/opt/out/log
END
for unit in containerd check "$@"; do
    ln -s "../$unit.service" "$etc/multi-user.target.wants/"
done
exec timeout --kill-after=10 90 systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit \
    --machine="cdi-units-$$" --private-network --bind-ro="$project":/opt/project --bind-ro="$site":/opt/site \
    --bind-ro="$python":/opt/python --bind="$out":/opt/out
