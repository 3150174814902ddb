"""Recognition: networks from an observation to its posterior, and what refines what they return."""

from latentia.encoders.base import Encoder
from latentia.encoders.lstm import LSTMEncoder
from latentia.encoders.refinement import GradientRefinement, Refinement, Unrefined

__all__ = ["Encoder", "GradientRefinement", "LSTMEncoder", "Refinement", "Unrefined"]
