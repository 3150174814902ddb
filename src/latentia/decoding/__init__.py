"""From codes to token sequences: one strategy a class, and automata that tell what may be written."""

from latentia.decoding.allocated import AllocatedBeam
from latentia.decoding.base import Strategy, decode
from latentia.decoding.beam import Beam
from latentia.decoding.diverse import DiverseBeam
from latentia.decoding.forced import Template, draw_blanks, search_blanks
from latentia.decoding.paths import Ancestral, Greedy, Rejection

__all__ = [
    "AllocatedBeam",
    "Ancestral",
    "Beam",
    "DiverseBeam",
    "Greedy",
    "Rejection",
    "Strategy",
    "Template",
    "decode",
    "draw_blanks",
    "search_blanks",
]
