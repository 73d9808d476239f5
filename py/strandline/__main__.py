"""`python -m strandline`."""

from __future__ import annotations

import sys

from strandline.cli import main

sys.exit(main())
