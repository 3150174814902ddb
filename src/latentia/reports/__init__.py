"""Runs as figures, and as one page that holds all that it needs."""

from latentia.reports.figures import FIGURES
from latentia.reports.report import write_figure, write_report

__all__ = ["FIGURES", "write_figure", "write_report"]
