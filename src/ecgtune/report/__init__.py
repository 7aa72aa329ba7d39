"""The report: one self-contained HTML page for each recording."""

from ecgtune.report.page import render_html

__all__ = ["render_html"]
