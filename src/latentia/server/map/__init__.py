"""The map of a space: texts as points of a plane, the prior's density, and where the aggregate posterior lacks it."""

from latentia.server.map.routes import Surveyor, add_map
from latentia.server.map.survey import Survey, texts_of

__all__ = ["Survey", "Surveyor", "add_map", "texts_of"]
