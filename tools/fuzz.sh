#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Feeds each parser with noise for a while: tools/fuzz.sh [SECONDS]
#
# Every file fuzz/fuzz_NAME.c is a driver of libFuzzer, and fuzz/corpus/NAME the
# inputs it begins with. Inputs that reach something new are kept in
# build-fuzz/NAME; one that breaks something is written there, and named.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-10}
flags="-fsanitize=address,undefined -fno-sanitize-recover=undefined"

[ -f build-fuzz/build.ninja ] ||
    CC=clang meson setup build-fuzz -Db_sanitize=address,undefined -Db_lundef=false \
        -Dbuildtype=debugoptimized -Dtests=false -Dexamples=false \
        -Dc_args="-fsanitize=fuzzer-no-link" -Dc_link_args="-fsanitize=fuzzer-no-link" >/dev/null
ninja -C build-fuzz libhob.a >/dev/null

libs=$(pkg-config --libs liburing 2>/dev/null || true)
for driver in fuzz/fuzz_*.c; do
    name=$(basename "$driver" .c)
    name=${name#fuzz_}
    library=
    if [ "$name" = dns ]; then # the one that leans on a library of its own
        if ! pkg-config --exists libcares; then
            echo "fuzz $name: not without c-ares"
            continue
        fi
        ninja -C build-fuzz libhob-dns.a >/dev/null
        library="build-fuzz/libhob-dns.a $(pkg-config --libs libcares)"
    fi
    mkdir -p "build-fuzz/$name"
    # shellcheck disable=SC2086
    clang -g -O1 -Wall -Wextra -D_GNU_SOURCE $flags -fsanitize=fuzzer -Iinclude -Isrc \
        -o "build-fuzz/fuzz_$name" "$driver" $library build-fuzz/libhob.a $libs -pthread
    "build-fuzz/fuzz_$name" -max_total_time="$seconds" -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/$name-" "build-fuzz/$name" "fuzz/corpus/$name" \
        >"build-fuzz/$name.log" 2>&1 || {
        cat "build-fuzz/$name.log"
        echo "FAILED: fuzz $name"
        exit 1
    }
    runs=$(awk '/number_of_executed_units/ { print $2 }' "build-fuzz/$name.log")
    echo "fuzz $name: $runs inputs in $seconds s, nothing found"
done
