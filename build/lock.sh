#!/bin/sh
# Resolve pyproject.toml and the build/requirements-*.in again into the lock files (no host names in them).
set -eu
cd "$(dirname "$0")/.."
export UV_CUSTOM_COMPILE_COMMAND='make lock'
compile=".venv/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url"
$compile --all-extras --group dev pyproject.toml --output-file build/requirements.lock "$@"
# The GPU library that xgboost names is loaded only where there is a GPU: left out, so install with --no-deps.
$compile --no-emit-package nvidia-nccl-cu12 build/requirements-peers.in --output-file build/requirements-peers.lock "$@"
$compile --python-version 3.14 build/requirements-wasm.in --output-file build/requirements-wasm.lock "$@"
if grep -En 'https?://|^torch==|^nvidia-' build/requirements.lock build/requirements-wasm.lock build/requirements-peers.lock; then
    echo "error: the lock files must name no host, and must not pull in torch or GPU libraries" >&2
    exit 1
fi
