#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the peers that Hob is measured against, on Debian 12, as root:
#
#   liburing-dev libuv1-dev libevent-dev   libraries of the echo and timer peers
#   libboost-context-dev                   the context switch of Boost
#   golang-1.23-go                         Go; from bookworm-backports, since Debian 12 has 1.19
#
# The backports suite is added beside the sources that the system already has, from the same
# place that its main suite comes from, and at its low default priority: nothing else changes.
# A peer that cannot be had is left out, and the benchmarks say so.
set -eu

sources=/etc/apt/sources.list.d/hob-bench-backports.sources
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

if [ "$(id -u)" != 0 ]; then
    echo "bench/setup.sh: run as root to install peers; measuring what is there" >&2
    exit 0
fi

try_install() {
    for package in "$@"; do
        if dpkg -s "$package" 2>/dev/null | grep -q '^Status: .* installed'; then
            continue
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" \
            >/dev/null || echo "bench/setup.sh: $package: not to be had" >&2
    done
}

# The URI that the suite "bookworm", component "main", is read from.
main_uri() {
    apt-get indextargets --format '$(IDENTIFIER) $(RELEASE) $(COMPONENT) $(REPO_URI)' |
        awk '$1 == "Packages" && $2 == "bookworm" && $3 == "main" { print $4; exit }'
}

add_backports() {
    if apt-get indextargets --format '$(RELEASE)' | grep -qx bookworm-backports; then
        return
    fi
    uri=$(main_uri)
    if [ -z "$uri" ]; then
        apt-get update -qq || true
        uri=$(main_uri)
    fi
    if [ -z "$uri" ]; then
        echo "bench/setup.sh: no source of Debian 12 found, so no backports" >&2
        return
    fi
    {
        echo "Types: deb"
        echo "URIs: $uri"
        echo "Suites: bookworm-backports"
        echo "Components: main"
        if [ -e "$keyring" ]; then
            echo "Signed-By: $keyring"
        fi
    } >"$sources"
    if ! apt-get update -qq; then
        echo "bench/setup.sh: no backports there" >&2
        rm -f "$sources"
    fi
}

try_install liburing-dev libuv1-dev libevent-dev libboost-context-dev
if [ ! -x /usr/lib/go-1.23/bin/go ]; then
    add_backports
    try_install golang-1.23-go
fi
