"""Reports: verdicts as JSON and as one self-contained HTML file."""

from __future__ import annotations

from strandline.report.check import check
from strandline.report.diagnose import diagnose
from strandline.report.html import render_html
from strandline.report.report import Report, render_json
from strandline.report.series import SeriesReport

__all__ = ["Report", "SeriesReport", "check", "diagnose", "render_html", "render_json"]
