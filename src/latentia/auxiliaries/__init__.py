"""Networks beside the model that shape its codes while it is trained; no part of any likelihood."""

from latentia.auxiliaries.adversary import Adversary
from latentia.auxiliaries.bag_of_words import BagOfWords
from latentia.auxiliaries.base import Auxiliary, Nothing

__all__ = ["Adversary", "Auxiliary", "BagOfWords", "Nothing"]
