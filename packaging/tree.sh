# A tree of its own to install packages in: a shell, the program that makes users with the libraries that it has here, and nothing else.
# Read by debian/try.sh and rpm/try.sh, with $package, $tree and $borrowed set; needs root (chroot).
fail() { echo "try.sh: $*" >&2; exit 1; }
there() { [ -e "$tree$1" ] || fail "$2: $1 is not there"; }
gone() { [ ! -e "$tree$1" ] || fail "$2: $1 is still there"; }
borrow() {
    for at in "$borrowed/bin/$1" "$borrowed/usr/bin/$1" "/bin/$1" "/usr/bin/$1"; do
        if [ -x "$at" ]; then echo "$at"; return; fi
    done
    fail "$1 is not here: apt-get download $2"
}

rm -rf "$tree"
mkdir -p "$tree/bin" "$tree/etc" "$tree/run" "$tree/tmp" "$tree/usr/bin" "$tree/dev"
tree=$(realpath "$tree")
: >"$tree/dev/null"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$tree/etc/passwd"
printf 'root:x:0:\n' >"$tree/etc/group"
busybox=$(borrow busybox busybox-static)
cp "$busybox" "$tree/bin/busybox"
for name in sh rm cat grep ls mkdir test chmod chown; do ln -s busybox "$tree/bin/$name"; done
sysusers=$(borrow systemd-sysusers systemd-standalone-sysusers)
cp "$sysusers" "$tree/usr/bin/"
ldd "$sysusers" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$tree$(dirname "$library")"
    cp -Ln "$library" "$tree$library"
done

# What every installation must have brought, with these words for where it is looked.
is_installed() {
    there /usr/bin/jackline "$1"
    there /usr/lib/systemd/system/jackline.service "$1"
    grep -q '^jackline:' "$tree/etc/passwd" || fail "$1: no user jackline"
    # In the tree itself there is no /proc, which it needs.
    "$(borrow systemd-tmpfiles systemd-standalone-tmpfiles)" --root="$tree" --create jackline.conf
    there /run/jackline-credentials "$1"
    chroot "$tree" /usr/bin/jackline --version >/dev/null || fail "$1: the program does not run in a tree with nothing else"
}

# What an operator and jackline itself leave.
live_in() {
    mkdir -p "$tree/etc/jackline" "$tree/var/lib/jackline"
    echo 'servers: ["https://10.0.0.1:6443"]' >"$tree/etc/jackline/config.yaml"
    echo remembered >"$tree/var/lib/jackline/state"
}
is_kept() {
    there /etc/jackline/config.yaml "$1"
    there /var/lib/jackline/state "$1"
}

# The node's own programs are pointed at jackline, and not any more.
point() { mkdir "$tree/etc/jackline/setup" && echo '{}' >"$tree/etc/jackline/setup/ledger.json"; }
point_back() { rm -r "$tree/etc/jackline/setup"; }
