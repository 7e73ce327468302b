#!/bin/sh
# Installs jackline from a release: the archive, verified against the list of checksums that you have, or have signed for.
#
#   sh install.sh --archive jackline-0.1.0-x86_64.tar.gz --checksums SHA256SUMS       files that are here
#   sh install.sh --url https://example.com/releases/0.1.0                            fetched with curl or wget
#
# --prefix DIR installs under DIR instead of / (an image). --uninstall removes what this has installed. Nothing is started: that is yours to say.
set -eu

prefix="" archive="" checksums="" url="" what=install
fail() { echo "install.sh: $*" >&2; exit 1; }
while [ $# -gt 0 ]; do
    case "$1" in
    --archive) archive=${2:?--archive FILE}; shift 2 ;;
    --checksums) checksums=${2:?--checksums FILE}; shift 2 ;;
    --url) url=${2:?--url URL}; shift 2 ;;
    --prefix) prefix=${2?--prefix DIR}; prefix=${prefix%/}; shift 2 ;;
    --uninstall) what=uninstall; shift ;;
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) fail "unknown argument $1; --help tells what there is" ;;
    esac
done

# Source in the archive, destination, mode: the same files as in the packages.
files='
jackline /usr/local/bin/jackline 755
systemd/jackline.service /etc/systemd/system/jackline.service 644
systemd/jackline.socket /etc/systemd/system/jackline.socket 644
systemd/jackline-credentials.service /etc/systemd/system/jackline-credentials.service 644
systemd/jackline-credentials.path /etc/systemd/system/jackline-credentials.path 644
systemd/jackline.sysusers /etc/sysusers.d/jackline.conf 644
systemd/jackline.tmpfiles /etc/tmpfiles.d/jackline.conf 644
'
live() { [ -z "$prefix" ] && [ -d /run/systemd/system ]; }

if [ "$what" = uninstall ]; then
    [ ! -f "$prefix/etc/jackline/setup/ledger.json" ] ||
        fail "this node's own programs are pointed at jackline; first: jackline setup --undo, and restart them as it says"
    if live; then
        systemctl disable --now jackline-credentials.path jackline.socket jackline.service jackline-credentials.service || true
    fi
    echo "$files" | while read -r _ to _; do
        [ -z "$to" ] || rm -f "$prefix$to"
    done
    if live; then systemctl daemon-reload; fi
    echo "removed; /etc/jackline and /var/lib/jackline are left"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
if [ -n "$url" ]; then
    case "$url" in https://*) ;; *) fail "only https: $url" ;; esac
    machine=$(uname -m)
    if command -v curl >/dev/null 2>&1; then
        fetch() { curl --proto '=https' --tlsv1.2 -fsSL -o "$2" "$1"; }
    elif command -v wget >/dev/null 2>&1; then
        fetch() { wget -q -O "$2" "$1"; }
    else
        fail "neither curl nor wget is here; fetch the archive and SHA256SUMS yourself, then --archive and --checksums"
    fi
    fetch "$url/SHA256SUMS" "$work/SHA256SUMS"
    name=$(sed -n "s/^[0-9a-f]\{64\}  \(jackline-[^ ]*-$machine\.tar\.gz\)\$/\1/p" "$work/SHA256SUMS" | head -n 1)
    [ -n "$name" ] || fail "the release has no archive for $machine"
    fetch "$url/$name" "$work/$name"
    archive=$work/$name checksums=$work/SHA256SUMS
fi
[ -n "$archive" ] && [ -n "$checksums" ] || fail "give --archive and --checksums, or --url; --help tells more"
[ -f "$archive" ] || fail "$archive is not there"

# Exactly one line must speak of this archive, by its name, and agree.
name=$(basename "$archive")
wanted=$(sed -n "s/^\([0-9a-f]\{64\}\)  $(printf '%s' "$name" | sed 's/[.[\*^$/]/\\&/g')\$/\1/p" "$checksums")
[ "$(printf '%s' "$wanted" | wc -w)" -eq 1 ] || fail "$checksums says nothing of $name, or more than one thing"
found=$(sha256sum "$archive" | cut -d ' ' -f 1)
[ "$wanted" = "$found" ] || fail "$name is not what $checksums says: wanted $wanted, found $found; nothing was installed"

tar -xzf "$archive" -C "$work" --no-same-owner
top=$(find "$work" -mindepth 1 -maxdepth 1 -type d -name 'jackline-*' | head -n 1)
[ -x "$top/jackline" ] || fail "$name does not hold jackline"
"$top/jackline" --version >/dev/null || fail "the program in $name does not run on this machine"
echo "$files" | while read -r from to mode; do
    [ -n "$from" ] || continue
    mkdir -p "$prefix$(dirname "$to")"
    case "$from" in
    # The packages' units name the packages' place of the program.
    *.service) sed 's#/usr/bin/jackline#/usr/local/bin/jackline#' "$top/$from" >"$work/unit" && from=$work/unit ;;
    *) from=$top/$from ;;
    esac
    # Beside it and over it at once: a program that runs is not written into.
    cp "$from" "$prefix$to.new" && chmod "$mode" "$prefix$to.new" && mv -f "$prefix$to.new" "$prefix$to"
done
if live; then
    systemd-sysusers jackline.conf
    systemd-tmpfiles --create jackline.conf
    systemctl daemon-reload
    systemctl try-restart jackline.service
fi
echo "installed $("$top/jackline" --version)"
echo "look:  jackline config show"
echo "start: systemctl enable --now jackline.socket jackline.service"
