"""Recognition networks: from an observation to its posterior."""

from latentia.encoders.base import Encoder
from latentia.encoders.lstm import LSTMEncoder

__all__ = ["Encoder", "LSTMEncoder"]
