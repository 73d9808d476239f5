"""One HTML file that holds everything: no request, no script from elsewhere, readable without any
script.
"""

from __future__ import annotations

from strandline.report.html.page import render_html

__all__ = ["render_html"]
