"""Networks beside the model that shape its codes, or learn them, while it is trained; no part of any likelihood."""

from latentia.auxiliaries.adversary import Adversary
from latentia.auxiliaries.bag_of_words import BagOfWords
from latentia.auxiliaries.base import Auxiliary, Nothing
from latentia.auxiliaries.critic import DualCritic
from latentia.auxiliaries.fitted_prior import FittedPrior
from latentia.auxiliaries.masks import AdversarialMask, Unmasked, WordMask

__all__ = [
    "AdversarialMask",
    "Adversary",
    "Auxiliary",
    "BagOfWords",
    "DualCritic",
    "FittedPrior",
    "Nothing",
    "Unmasked",
    "WordMask",
]
