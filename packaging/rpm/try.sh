#!/bin/sh
# Looks at an .rpm - files, modes, what is run when - and installs, upgrades and removes it in a tree of its own: rpm with a database of that
# tree, the scriptlets in a chroot of it. Nothing of this machine's own rpm is touched.
#
#   sh packaging/rpm/try.sh jackline.rpm TREE FOLDER
#
# FOLDER holds unpacked packages of Debian's: rpm with its libraries, busybox-static and systemd-standalone-sysusers. Needs root (chroot).
set -eu
package=$(realpath "$1") tree=$2 borrowed=$(realpath "$3")
. "$(dirname "$0")/../tree.sh"
libraries=$(dirname "$(ls "$borrowed"/usr/lib/*/librpm.so.9)")
RPM_CONFIGDIR=$borrowed/usr/lib/rpm LD_LIBRARY_PATH=$libraries
export RPM_CONFIGDIR LD_LIBRARY_PATH
ask() { "$borrowed/usr/bin/rpm" -qp "$@" "$package"; }
# Not its libraries for the programs of the tree: a scriptlet has the variables of its rpm.
run() { "$borrowed/usr/bin/rpm" --root "$tree" --nodeps --noplugins --define '_dbpath /var/lib/rpm' "$@" >"$tree/out" 2>&1; }
must() { run "$@" || { cat "$tree/out" >&2; fail "rpm $* failed"; }; }

# Path, mode, owner and group of every file, and no other file.
wanted='/usr/bin/jackline 0100755 root root
/usr/lib/systemd/system/jackline-credentials.path 0100644 root root
/usr/lib/systemd/system/jackline-credentials.service 0100644 root root
/usr/lib/systemd/system/jackline.service 0100644 root root
/usr/lib/systemd/system/jackline.socket 0100644 root root
/usr/lib/sysusers.d/jackline.conf 0100644 root root
/usr/lib/tmpfiles.d/jackline.conf 0100644 root root
/usr/share/doc/jackline/README.md 0100644 root root
/usr/share/licenses/jackline/LICENSE 0100644 root root'
found=$(ask --dump | awk '{ print $1, $5, $6, $7 }' | LC_ALL=C sort)
[ "$found" = "$wanted" ] || fail "other files than those wanted: $found"
scripts=$(ask --scripts)
for line in 'systemd-sysusers jackline.conf' 'systemd-tmpfiles --create jackline.conf' 'systemctl try-restart jackline.service' \
    'jackline setup --undo' 'systemctl disable --now'; do
    case "$scripts" in *"$line"*) ;; *) fail "no scriptlet has: $line" ;; esac
done
ask --requires | grep -q '^systemd$' || fail "it does not require systemd"

must -U "$package"
is_installed installed
live_in

# The same package again stands for the next version: rpm tells the scriptlets of both the same.
must -U --replacepkgs "$package"
is_kept upgraded
there /usr/bin/jackline upgraded
there /run/jackline-credentials upgraded

# While the node's programs are pointed at jackline it stays.
point
run -e jackline && fail "removed from under the node's own programs"
grep -q 'jackline setup --undo' "$tree/out" || fail "refused without saying what to do"
there /usr/bin/jackline refused
point_back

must -e jackline
gone /usr/bin/jackline removed
gone /usr/lib/systemd/system/jackline.service removed
gone /run/jackline-credentials removed
is_kept removed
echo "looked at, installed, upgraded, refused while in use, removed"
