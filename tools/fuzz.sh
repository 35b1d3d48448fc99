#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Feeds each parser with noise for a while: tools/fuzz.sh [SECONDS]
#
# Every file fuzz/fuzz_NAME.c is a driver of libFuzzer, and fuzz/corpus/NAME the
# inputs it begins with. A driver with a line "// links: json" is linked with
# libhob-json, too, and left out where that is not built. Inputs that reach
# something new are kept in build-fuzz/NAME; one that breaks something is
# written there, and named.
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

# What a driver is linked with besides the core: archives of ours, and what these stand on. What a
# machine lacks, the archive was built without. 1: it is not built here.
own_libs() {
    name=$(sed -n 's|^// links: ||p' "$1")
    case $name in
    '') return 0 ;;
    dns) ours=dns needs=libcares ;;
    http) ours=http needs=libnghttp2 ;;
    json) ours=json needs=jansson ;;
    site) ours="site http" needs="openssl libnghttp2" ;;
    web) ours="web http json" needs="jansson zlib libnghttp2" ;;
    ws) ours="ws http" needs="zlib libnghttp2" ;;
    *)
        echo "$1: links what tools/fuzz.sh does not know" >&2
        return 2
        ;;
    esac
    grep -q "^build libhob-$name.a:" build-fuzz/build.ninja || return 1
    for one in $ours; do
        ninja -C build-fuzz "libhob-$one.a" >/dev/null || return 2
        echo "build-fuzz/libhob-$one.a"
    done
    for one in $needs; do
        ! pkg-config --exists "$one" || pkg-config --cflags --libs "$one"
    done
}

for driver in fuzz/fuzz_*.c; do
    name=$(basename "$driver" .c)
    name=${name#fuzz_}
    own=$(own_libs "$driver") || {
        [ $? -eq 1 ] || exit 1
        echo "fuzz $name: skipped, its library is not built here"
        continue
    }
    mkdir -p "build-fuzz/$name"
    # shellcheck disable=SC2086
    clang -g -O1 -Wall -Wextra -D_GNU_SOURCE $flags -fsanitize=fuzzer -Iinclude -Isrc \
        -o "build-fuzz/fuzz_$name" "$driver" $own build-fuzz/libhob.a $libs -pthread
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
