#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs what is missing: tools/setup.sh GROUP...
#
# The groups and their packages are in tools/packages.txt. Nothing happens when
# all is there. Installing goes by apt-get, with sudo unless we are root, and
# asks nothing. On other systems than Debian and its kin it only looks for the
# commands that a build cannot do without.
set -eu

list=$(dirname "$0")/packages.txt

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    for tool in cc meson ninja python3; do
        if ! command -v $tool >/dev/null; then
            echo "setup: $tool is missing; please install what $list names" >&2
            exit 1
        fi
    done
    exit 0
fi

# One line a package: "ii name" for what is there. Unknown names are complaints
# that we do not need, and make the exit status no news.
# shellcheck disable=SC2046
missing=$(
    {
        dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' \
            $(awk '!/^#/ && NF { print $2 }' "$list") 2>/dev/null || true
        for group in "$@"; do
            echo "want $group"
        done
        sed 's/^/list /' "$list"
    } | awk '
        $1 == "ii" { there[$2] = 1 }
        $1 == "want" { want[$2] = 1 }
        $1 == "list" && ($2 in want) && !($3 in there) && !seen[$3]++ {
            name = $3
            $1 = $2 = $3 = ""
            sub(/^ +/, "")
            print name " (" $0 ")"
        }'
)
[ -n "$missing" ] || exit 0

packages=$(echo "$missing" | awk '{ print $1 }' | tr '\n' ' ')
echo "setup: installing $(echo "$missing" | awk 'NR > 1 { printf ", " } { printf "%s", $0 }')"

if [ "$(id -u)" = 0 ]; then
    as_root="env"
elif ! command -v sudo >/dev/null; then
    echo "setup: not root, and there is no sudo. As root:" >&2
    echo "  apt-get install --no-install-recommends $packages" >&2
    exit 1
elif [ -t 0 ]; then
    as_root="sudo env"
else
    as_root="sudo -n env"
fi

apt() {
    $as_root DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" </dev/null >>"$log" 2>&1
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT

# The lists of packages may be missing (a fresh container), or older than what
# the archive still has.
found=no
for file in /var/lib/apt/lists/*_Packages*; do
    [ ! -e "$file" ] || found=yes
done
# shellcheck disable=SC2086
{
    [ $found = yes ] || apt update
    apt install --no-install-recommends $packages ||
        { [ $found = yes ] && apt update && apt install --no-install-recommends $packages; }
} || {
    tail -n 20 "$log" >&2
    echo "setup: could not install: $packages" >&2
    exit 1
}
