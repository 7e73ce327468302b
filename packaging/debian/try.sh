#!/bin/sh
# Installs, upgrades, removes and purges a package in a Debian tree of its own: dpkg with a database of that tree, the maintainers' scripts in
# a chroot of it. Nothing of this machine's own dpkg is touched.
#
#   sh packaging/debian/try.sh jackline.deb TREE [FOLDER]
#
# FOLDER holds unpacked packages of Debian's: busybox-static and systemd-standalone-sysusers, if the machine has none. Needs root (chroot).
set -eu
package=$(realpath "$1") tree=$2 borrowed=${3:-}
fail() { echo "try.sh: $*" >&2; exit 1; }
there() { [ -e "$tree$1" ] || fail "$2: $1 is not there"; }
gone() { [ ! -e "$tree$1" ] || fail "$2: $1 is still there"; }
borrow() {
    for at in "$borrowed/bin/$1" "$borrowed/usr/bin/$1" "/bin/$1" "/usr/bin/$1"; do
        if [ -x "$at" ]; then echo "$at"; return; fi
    done
    fail "$1 is not here: apt-get download $2"
}

# A tree: a shell, the program that makes users with the libraries that it has here, an empty database.
rm -rf "$tree"
mkdir -p "$tree/bin" "$tree/etc" "$tree/run" "$tree/tmp" "$tree/usr/bin" "$tree/dev" "$tree/var/lib/dpkg/info" "$tree/var/lib/dpkg/updates"
tree=$(realpath "$tree")
: >"$tree/dev/null"
: >"$tree/var/lib/dpkg/status"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$tree/etc/passwd"
printf 'root:x:0:\n' >"$tree/etc/group"
busybox=$(borrow busybox busybox-static)
cp "$busybox" "$tree/bin/busybox"
for name in sh rm cat grep ls mkdir test chmod chown; do ln -s busybox "$tree/bin/$name"; done
for name in sysusers; do
    program=$(borrow "systemd-$name" "systemd-standalone-$name")
    cp "$program" "$tree/usr/bin/"
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$tree$(dirname "$library")"
        cp -Ln "$library" "$tree$library"
    done
done

run() { dpkg --root="$tree" --force-depends --force-not-root --no-triggers --log="$tree/dpkg.log" "$@" >"$tree/out" 2>&1; }
must() { run "$@" || { cat "$tree/out" >&2; fail "dpkg $* failed"; }; }
next="$tree/next.deb"
# The same package as the next version.
mkdir "$tree/next" && dpkg-deb -R "$package" "$tree/next"
sed -i 's/^Version: .*/Version: 99.0.0-1/' "$tree/next/DEBIAN/control"
dpkg-deb -b "$tree/next" "$next" >/dev/null
rm -r "$tree/next"

must -i "$package"
there /usr/bin/jackline installed
there /usr/lib/systemd/system/jackline.service installed
grep -q '^jackline:' "$tree/etc/passwd" || fail "no user jackline"
# In the tree itself there is no /proc, which it needs.
"$(borrow systemd-tmpfiles systemd-standalone-tmpfiles)" --root="$tree" --create jackline.conf
there /run/jackline-credentials installed
chroot "$tree" /usr/bin/jackline --version >/dev/null || fail "the program does not run in a tree with nothing else"
mkdir -p "$tree/etc/jackline" "$tree/var/lib/jackline"
echo 'servers: ["https://10.0.0.1:6443"]' >"$tree/etc/jackline/config.yaml"
echo remembered >"$tree/var/lib/jackline/state"

must -i "$next"
dpkg --root="$tree" -s jackline 2>/dev/null | grep -q '^Version: 99' || fail "not upgraded"
there /etc/jackline/config.yaml upgraded
there /var/lib/jackline/state upgraded
there /run/jackline-credentials upgraded

# While the node's programs are pointed at jackline it stays.
mkdir "$tree/etc/jackline/setup" && echo '{}' >"$tree/etc/jackline/setup/ledger.json"
run -r jackline && fail "removed from under the node's own programs"
grep -q 'jackline setup --undo' "$tree/out" || fail "refused without saying what to do"
there /usr/bin/jackline refused
rm -r "$tree/etc/jackline/setup"

must -r jackline
gone /usr/bin/jackline removed
gone /run/jackline-credentials removed
there /etc/jackline/config.yaml removed
there /var/lib/jackline/state removed

must -P jackline
gone /etc/jackline purged
gone /var/lib/jackline purged
echo "installed, upgraded, refused while in use, removed, purged"
