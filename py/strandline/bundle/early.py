"""The plan that a page runs while Python is still starting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from strandline import core
from strandline.runtime import Session, planfile
from strandline.runtime.feeds import FeedError
from strandline.runtime.prepared import NotPreparedError

MOST_BYTES = 64 << 20
"""A plan holds the model's weights once more; beyond this, Python starts sooner than they arrive."""

PORTABLE = frozenset({"pack_a_f32", "pack_b_f32", "pack_winograd_f32", "pack_b_i8", "pack_w_i8"})
"""Kernels whose packed constants are laid out alike on all instruction sets with 128-bit vectors."""


def early_plan(model: bytes) -> bytes | None:
    """The plan file for one row of inputs (every free size 1); None when the core alone can't run the model,
    or not from constants that were packed on another machine.

    Planned for 128-bit vectors, which WASM has.
    """
    with _isa("base"):
        session = Session(model)
        try:
            plan = planfile.dumps(session.prepare())
        except (NotPreparedError, FeedError):
            return None
    return plan if len(plan) <= MOST_BYTES and session.packings <= PORTABLE else None


@contextmanager
def _isa(name: str) -> Iterator[None]:
    before = core.isa()
    core.set_isa(name if name in core.isas() else before)
    try:
        yield
    finally:
        core.set_isa(before)
