"""NumPy, imported when it is first used.

In the browser NumPy is a separate download that most plans do not need, so no module may import it at the top.
`from strandline._lazy import np` gives a stand-in whose first attribute access imports the real module.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
else:

    class _LazyModule:
        def __init__(self, name: str) -> None:
            self._name = name

        def __getattr__(self, attribute: str) -> Any:
            try:
                module = importlib.import_module(self._name)
            except ImportError as error:
                raise ImportError(
                    f"{self._name} is needed here but is not installed: in Pyodide load it with "
                    f"`await pyodide.loadPackage(url of its wheel)`, elsewhere `pip install {self._name}`"
                ) from error
            value = getattr(module, attribute)
            setattr(self, attribute, value)
            return value

    np = _LazyModule("numpy")


def numpy_loaded() -> bool:
    """Whether NumPy has been imported in this interpreter (results are arrays only then)."""
    return "numpy" in sys.modules


__all__ = ["np", "numpy_loaded"]
