#!/bin/bash -eu
# SPDX-License-Identifier: MIT
# What the builder of OSS-Fuzz and ClusterFuzzLite calls.
cd "$SRC/pagefuzz"
cp /usr/local/bin/llvm-symbolizer-swift "$OUT/llvm-symbolizer" 2>/dev/null || true
exec scripts/oss-fuzz-build
