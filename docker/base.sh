#!/usr/bin/env bash
# Makes a Debian base image where none can be pulled: debootstrap and docker import.
#   docker/base.sh [IMAGE]          default tribune/base
# Suite and mirror: BASE_SUITE (the host's own), BASE_MIRROR (debootstrap's default).
set -euo pipefail
image=${1:-tribune/base}
suite=${BASE_SUITE:-$(. /etc/os-release && echo "$VERSION_CODENAME")}
command -v debootstrap >/dev/null || { echo "install debootstrap first" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "debootstrap wants root" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
echo "making $image from Debian $suite" >&2
debootstrap --variant=minbase --include=bash,busybox,ca-certificates,curl,iproute2,tini \
    "$suite" "$root/base" ${BASE_MIRROR:+"$BASE_MIRROR"} >"$root/log" 2>&1 ||
    { tail -n 20 "$root/log" >&2; exit 1; }
rm -rf "$root"/base/var/cache/apt/archives/*.deb "$root"/base/var/lib/apt/lists/*
tar -C "$root/base" --numeric-owner -c . | docker import --change 'CMD ["bash"]' - "$image"
