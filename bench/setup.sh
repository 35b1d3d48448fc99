#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Installs the peers that Hob is measured against, on Debian 12, as root or by sudo:
#
#   libuv1-dev libevent-dev    libraries of the echo, timer and file peers
#   fio                        reads files, for the questions on files
#   nginx, h2o                 web servers; only unpacked, into bench/peers/nginx/root and h2o/root,
#                              so that no service of that name begins to run
#   libboost-context-dev       the context switch of Boost
#   golang-1.23-go             Go; from bookworm-backports, since Debian 12 has 1.19
#   golang-github-gorilla-websocket-dev   WebSockets in Go; unpacked into bench/peers/go_ws/root
#   npm                        fetches Bun, undici and ws into node_modules of bench/peers/bun and
#                              node; Node comes with it
#
# The backports suite is added beside the sources that the system already has, from the same
# place that its main suite comes from, and at its low default priority: nothing else changes.
# A peer that cannot be had is left out, and the benchmarks say so: this never fails.
set -u

sources=/etc/apt/sources.list.d/hob-bench-backports.sources
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
go=/usr/lib/go-1.23/bin/go
peers=$(dirname "$0")/peers

say() {
    echo "bench/setup.sh: $*" >&2
}

is_there() {
    dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "no apt here; measuring beside what is installed"
    exit 0
fi

missing=
for package in libuv1-dev libevent-dev libboost-context-dev fio; do
    is_there $package || missing="$missing $package"
done

# What the package.json of a folder wants, into its node_modules.
fetch_by_npm() { # folder, a file that is there then, what it is
    if [ ! -e "$1/node_modules/$2" ] && command -v npm >/dev/null; then
        say "fetching $3 by npm into $1"
        npm install --prefix "$1" --no-package-lock --no-fund --no-audit \
            --silent >/dev/null 2>&1 </dev/null || say "$3 is not to be had; measuring without"
    fi
}

fetch_of_npm() {
    fetch_by_npm "$peers/bun" .bin/bun Bun
    fetch_by_npm "$peers/node" ws/package.json "undici and ws"
}

# A package's files, below a folder: nothing of it is set up.
unpack() { # package, a file of it, where
    if [ -e "$3/$2" ] || [ -x "/$2" ]; then
        return
    fi
    folder=$(mktemp -d)
    if (cd "$folder" && apt-get download -qq "$1") >/dev/null 2>&1 </dev/null; then
        dpkg-deb -x "$folder/$1"_*.deb "$3"
    else
        say "$1 is not to be had; measuring without it"
    fi
    rm -r "$folder"
}

fetch_unpacked() {
    unpack nginx usr/sbin/nginx "$peers/nginx/root"
    unpack h2o usr/bin/h2o "$peers/h2o/root"
    unpack golang-github-gorilla-websocket-dev \
        usr/share/gocode/src/github.com/gorilla/websocket/conn.go "$peers/go_ws/root"
}

if [ -z "$missing" ] && [ -x $go ] && command -v npm >/dev/null; then
    fetch_of_npm
    fetch_unpacked
    exit 0
fi
if [ "$(id -u)" != 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        exec sudo -n sh "$0"
    fi
    say "not root; measuring without$missing$([ -x $go ] || echo ' Go 1.23')"
    fetch_of_npm
    fetch_unpacked
    exit 0
fi

install_package() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o DPkg::Lock::Timeout=120 \
        --no-install-recommends "$1" >/dev/null 2>&1 </dev/null
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
        say "this is not Debian 12, or it has no source of packages: no backports"
        return
    fi
    say "adding the suite bookworm-backports ($sources) for Go 1.23; Debian 12 itself has 1.19"
    {
        echo "Types: deb"
        echo "URIs: $uri"
        echo "Suites: bookworm-backports"
        echo "Components: main"
        if [ -e "$keyring" ]; then
            echo "Signed-By: $keyring"
        fi
    } >"$sources"
    if ! apt-get update -qq >/dev/null 2>&1; then
        say "no backports there"
        rm -f "$sources"
    fi
}

for package in $missing; do
    install_package "$package" || { apt-get update -qq >/dev/null 2>&1 && install_package "$package"; } ||
        say "$package is not to be had; measuring without it"
done
if [ ! -x $go ]; then
    add_backports
    install_package golang-1.23-go || say "golang-1.23-go is not to be had; measuring without Go"
fi
command -v npm >/dev/null || install_package npm || say "npm is not to be had; measuring without Bun"
fetch_of_npm
fetch_unpacked
exit 0
