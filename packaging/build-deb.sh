#!/usr/bin/env bash
# Builds tribune_VERSION_ARCH.deb in the current folder from a static binary: one package for every
# release of Debian.
#   packaging/build-deb.sh [BINARY]       default: what `cargo static` builds
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
binary=${1:-$here/../target/x86_64-unknown-linux-musl/release/tribune}
[ -x "$binary" ] || { echo "$binary is not there; run cargo static first" >&2; exit 1; }
ldd "$binary" 2>&1 | grep -qE 'statically linked|not a dynamic executable' ||
    { echo "$binary is not static; build it with cargo static" >&2; exit 1; }
version=$("$binary" serf version | sed -n 's/^Tribune //p')
[ -n "$version" ] || { echo "$binary serf version names no Tribune version" >&2; exit 1; }
architecture=$(dpkg --print-architecture)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"

install -Dm755 "$binary" "$root/usr/bin/tribune"
ln -s tribune "$root/usr/bin/consul"
install -Dm644 "$here/debian/tribune-serf.service" "$root/lib/systemd/system/tribune-serf.service"
install -Dm644 "$here/debian/consul.service" "$root/lib/systemd/system/consul.service"
install -Dm644 "$here/debian/serf.json.example" "$root/usr/share/doc/tribune/serf.json.example"
install -Dm644 "$here/debian/consul.hcl" "$root/etc/consul.d/consul.hcl"
# Serf's own unit name stays good for scripts, and keeps the unit enabled if Serf's was.
ln -s tribune-serf.service "$root/lib/systemd/system/serf.service"
install -Dm644 "$here/debian/copyright" "$root/usr/share/doc/tribune/copyright"
cat "$here/../LICENSE-MIT" >>"$root/usr/share/doc/tribune/copyright"
gzip -9n <"$here/../CHANGELOG.md" >"$root/usr/share/doc/tribune/CHANGELOG.md.gz"
gzip -9n <"$here/../docs/consul-configuration.md" \
    >"$root/usr/share/doc/tribune/consul-configuration.md.gz"
gzip -9n >"$root/usr/share/doc/tribune/changelog.gz" <<CHANGELOG
tribune ($version) unstable; urgency=medium

  * What changed is in CHANGELOG.md.gz, beside this file.

 -- The Tribune authors <maintainers@tribune.invalid>  $(date -R -r "$here/../CHANGELOG.md")
CHANGELOG
install -d -m755 "$root/etc/serf" "$root/var/lib/serf"
install -d "$root/usr/share/man/man1" "$root/usr/share/bash-completion/completions" \
    "$root/usr/share/zsh/vendor-completions" "$root/usr/share/fish/vendor_completions.d"
"$binary" manual | gzip -9n >"$root/usr/share/man/man1/tribune-serf.1.gz"
for name in tribune consul; do
    ln -s tribune-serf.1.gz "$root/usr/share/man/man1/$name.1.gz"
done
"$binary" completions bash >"$root/usr/share/bash-completion/completions/serf"
for name in tribune consul; do
    ln -s serf "$root/usr/share/bash-completion/completions/$name"
done
"$binary" completions zsh >"$root/usr/share/zsh/vendor-completions/_serf"
"$binary" completions fish >"$root/usr/share/fish/vendor_completions.d/serf.fish"
for name in tribune consul; do
    ln -s serf.fish "$root/usr/share/fish/vendor_completions.d/$name.fish"
done

install -d "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<CONTROL
Package: tribune
Version: $version
Architecture: $architecture
Maintainer: The Tribune authors <maintainers@tribune.invalid>
Section: net
Priority: optional
Depends: passwd
Provides: serf, consul
Conflicts: serf, consul
Replaces: serf, consul
Installed-Size: $(du -sk "$root" | cut -f1)
Description: service discovery: a drop-in for Serf and Consul
 Decentralised cluster membership by gossip, failure detection within seconds,
 user events, queries and handler scripts. Speaks the wire protocol, the RPC and
 the command line of HashiCorp's Serf, and shares a cluster with it.
 .
 Service catalogue, health checks, key-value store, sessions and locks of one
 server, over the HTTP API and the command line of HashiCorp's Consul.
CONTROL
echo /etc/consul.d/consul.hcl >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do
    install -m755 "$here/debian/$script" "$root/DEBIAN/$script"
done
dpkg-deb --root-owner-group -Zxz --build "$root" "tribune_${version}_${architecture}.deb"
