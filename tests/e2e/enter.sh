#!/bin/sh
# Runs a command where /etc and /run are private copies, so that nothing done there touches the machine:
#   unshare --mount --propagation private sh enter.sh DIR COMMAND...
# /etc/cdi is DIR/etc, /var/run/cdi is DIR/run; everything else in /etc is a link to the real file.
set -eu
dir=$1
shift
mount --bind /etc "$dir/real-etc"
mount -t tmpfs tmpfs /etc
cp -sR "$dir"/real-etc/* /etc/
rm -rf /etc/cdi
mkdir /etc/cdi
mount --bind "$dir/etc" /etc/cdi
mount -t tmpfs tmpfs /run
mkdir /run/cdi
mount --bind "$dir/run" /run/cdi
exec "$@"
