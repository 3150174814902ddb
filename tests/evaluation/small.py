"""A model of three words with one latent dimension, whose evidence is found by quadrature."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latentia.auxiliaries import Nothing, Unmasked
from latentia.decoders import LSTMDecoder
from latentia.encoders import LSTMEncoder, Unrefined
from latentia.models import TextVAE
from latentia.nn import Clean, GaussianHead, LastState, SequenceDropout
from latentia.priors import StandardNormal
from latentia.records import Batch

POINTS = torch.linspace(-8, 8, 801)


def one_dimensional() -> TextVAE:
    """A model whose words depend on its code, in evaluation mode."""
    encoder = LSTMEncoder(7, LastState(), GaussianHead(6, 1), SequenceDropout(), Clean(), 5, 6)
    decoder = LSTMDecoder(7, 1, SequenceDropout(), 5, 6)
    for weight in (decoder.initial.weight, decoder.vocabulary.weight):
        weight.data *= 8
    return TextVAE(7, encoder, decoder, StandardNormal(1), Nothing(), Unmasked(), Unrefined(), 1).eval()


@torch.no_grad()
def exact_evidence(model: TextVAE, batch: Batch) -> Tensor:
    """Log p(x) of each sequence, in nats."""
    codes = POINTS[:, None, None].expand(-1, len(batch), 1)
    joint = model.decoder(codes).log_prob(batch) - 0.5 * (POINTS.square() + math.log(2 * math.pi))[:, None]
    return torch.trapezoid(joint.exp(), POINTS, dim=0).log()
