"""Runs behind HTTP: every operation a route made from its signature, and the place of the page that explores them."""

from latentia.server.app import create_app
from latentia.server.limits import Limits
from latentia.server.run import listening, serve

__all__ = ["Limits", "create_app", "listening", "serve"]
