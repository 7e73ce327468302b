#!/bin/sh
# Installs, upgrades, removes and purges a package in a Debian tree of its own: dpkg with a database of that tree, the maintainers' scripts in
# a chroot of it. Nothing of this machine's own dpkg is touched.
#
#   sh packaging/debian/try.sh jackline.deb TREE [FOLDER]
#
# FOLDER holds unpacked packages of Debian's: busybox-static and systemd-standalone-sysusers, if the machine has none. Needs root (chroot).
set -eu
package=$(realpath "$1") tree=$2 borrowed=${3:-}
. "$(dirname "$0")/../tree.sh"
mkdir -p "$tree/var/lib/dpkg/info" "$tree/var/lib/dpkg/updates"
: >"$tree/var/lib/dpkg/status"

run() { dpkg --root="$tree" --force-depends --force-not-root --no-triggers --log="$tree/dpkg.log" "$@" >"$tree/out" 2>&1; }
must() { run "$@" || { cat "$tree/out" >&2; fail "dpkg $* failed"; }; }
next="$tree/next.deb"
# The same package as the next version.
mkdir "$tree/next" && dpkg-deb -R "$package" "$tree/next"
sed -i 's/^Version: .*/Version: 99.0.0-1/' "$tree/next/DEBIAN/control"
dpkg-deb -b "$tree/next" "$next" >/dev/null
rm -r "$tree/next"

must -i "$package"
is_installed installed
live_in

must -i "$next"
dpkg --root="$tree" -s jackline 2>/dev/null | grep -q '^Version: 99' || fail "not upgraded"
is_kept upgraded
there /run/jackline-credentials upgraded

# While the node's programs are pointed at jackline it stays.
point
run -r jackline && fail "removed from under the node's own programs"
grep -q 'jackline setup --undo' "$tree/out" || fail "refused without saying what to do"
there /usr/bin/jackline refused
point_back

must -r jackline
gone /usr/bin/jackline removed
gone /run/jackline-credentials removed
is_kept removed

must -P jackline
gone /etc/jackline purged
gone /var/lib/jackline purged
echo "installed, upgraded, refused while in use, removed, purged"
