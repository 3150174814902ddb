"""From codes to token sequences: one strategy a class."""

from latentia.decoding.forced import Template, draw_blanks, search_blanks
from latentia.decoding.strategies import Ancestral, Beam, Greedy, Strategy, decode

__all__ = ["Ancestral", "Beam", "Greedy", "Strategy", "Template", "decode", "draw_blanks", "search_blanks"]
