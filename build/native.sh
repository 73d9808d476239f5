#!/bin/sh
# Rebuild the editable install (the C extension) into .venv; several callers wait for each other.
set -eu
cd "$(dirname "$0")/.."
cache="${STRANDLINE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/strandline}"
mkdir -p "$cache"
exec 9>"$cache/native.lock"
flock 9
exec .venv/bin/uv pip install --quiet --no-deps --no-build-isolation --reinstall-package strandline --editable .
