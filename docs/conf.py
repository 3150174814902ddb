"""Sphinx configuration."""

from importlib.metadata import version as installed_version

project = "latentia"
author = "The latentia authors"
project_copyright = author
version = release = installed_version("latentia")

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "latentia"
