"""The errors a user can mend: their message is one line that says what was wrong, where, and what to do."""

from __future__ import annotations


class InputError(ValueError):
    """Rows that cannot be predicted, or a file of rows that cannot be read."""


class PackError(ValueError):
    """A model, a reference or a folder that cannot be packed."""
