"""The plain PyTorch text VAE that the benchmarks compare with: what one would write first."""

from __future__ import annotations

import math
import time

import torch
from torch import Tensor, nn
from torch.nn import functional

from latentia.models import TextModel
from latentia.records import Batch
from latentia.shapes import BOS, PAD, UNK

ROWS = 512
"""Of the product that the ceiling is taken of."""


class PlainTextVAE(nn.Module):
    """nn.LSTM, nn.Linear and F.cross_entropy in float32; the model and the dropout of the recipe ``vae``."""

    WORDS, EMBEDDINGS, STATES = 0.1, 0.35, 0.4

    def __init__(self, vocabulary_size: int, embedding_dim: int, hidden_dim: int, latent_dim: int) -> None:
        """Build the layers."""
        super().__init__()
        self.encoder_embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.encoder = nn.LSTM(embedding_dim, hidden_dim, batch_first=True)
        self.posterior = nn.Linear(hidden_dim, 2 * latent_dim)
        self.decoder_embedding = nn.Embedding(vocabulary_size, embedding_dim)
        self.initial = nn.Linear(latent_dim, hidden_dim)
        self.decoder = nn.LSTM(embedding_dim + latent_dim, hidden_dim, batch_first=True)
        self.output = nn.Linear(hidden_dim, vocabulary_size)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return reconstruction and KL of each sentence, in nats; every sentence of the batch has one length."""
        _, (last, _) = self.encoder(self.encoder_embedding(batch.tokens))
        mean, log_variance = self.posterior(last[0]).chunk(2, dim=-1)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        kl = 0.5 * (mean.pow(2) + log_variance.exp() - 1 - log_variance).sum(dim=-1)
        dropped = (torch.rand(batch.tokens.shape) < self.WORDS) & (batch.decoder_inputs != BOS)
        embedded = self.decoder_embedding(torch.where(dropped, UNK, batch.decoder_inputs))
        embedded = embedded * functional.dropout(torch.ones_like(embedded[:, :1]), self.EMBEDDINGS)
        inputs = torch.cat([embedded, code[:, None].expand(-1, embedded.shape[1], -1)], dim=-1)
        cell = self.initial(code)[None]
        states, _ = self.decoder(inputs, (torch.tanh(cell), cell))
        logits = self.output(states * functional.dropout(torch.ones_like(states[:, :1]), self.STATES))
        losses = functional.cross_entropy(logits.transpose(1, 2), batch.tokens, ignore_index=PAD, reduction="none")
        return losses.sum(dim=1), kl

    def infer(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the posterior of each sentence."""
        _, (last, _) = self.encoder(self.encoder_embedding(batch.tokens))
        mean, log_variance = self.posterior(last[0]).chunk(2, dim=-1)
        return mean, log_variance

    def score(self, codes: Tensor, batch: Batch, *, transposed: bool = False) -> Tensor:
        """Return log p(x|z) of one sentence under each code, in nats; transposed as in ``forward``, or flat."""
        count, width = len(codes), batch.tokens.shape[1]
        embedded = self.decoder_embedding(batch.decoder_inputs).expand(count, -1, -1)
        inputs = torch.cat([embedded, codes[:, None].expand(-1, width, -1)], dim=-1)
        cell = self.initial(codes)[None]
        states, _ = self.decoder(inputs, (torch.tanh(cell), cell))
        logits, tokens = self.output(states), batch.tokens.expand(count, -1)
        if transposed:
            return -functional.cross_entropy(logits.transpose(1, 2), tokens, reduction="none").sum(dim=1)
        losses = functional.cross_entropy(logits.flatten(0, 1), tokens.flatten(), reduction="none")
        return -losses.view(count, width).sum(dim=1)

    @torch.no_grad()
    def importance_weighted(self, batch: Batch, samples: int, *, transposed: bool = False) -> Tensor:
        """Return the importance-weighted estimate of -log p(x) of one sentence, 100 samples at a time."""
        mean, log_variance = self.infer(batch)
        log_weights = []
        for start in range(0, samples, 100):
            noise = torch.randn(min(100, samples - start), mean.shape[1])
            codes = mean + noise * torch.exp(0.5 * log_variance)
            log_prior = -0.5 * (codes.pow(2) + math.log(2 * math.pi)).sum(dim=1)
            log_posterior = -0.5 * (noise.pow(2) + log_variance + math.log(2 * math.pi)).sum(dim=1)
            log_weights.append(self.score(codes, batch, transposed=transposed) + log_prior - log_posterior)
        return math.log(samples) - torch.logsumexp(torch.cat(log_weights), dim=0)


def plain_of(model: TextModel) -> PlainTextVAE:
    """The plain model with the weights of the run."""
    weights, decoder = model.state_dict(), model.decoder
    vocabulary, embedding = decoder.embedding.weight.shape
    plain = PlainTextVAE(vocabulary, embedding, decoder.recurrence.hidden_size, model.latent_dim).eval()
    # Layer for layer the two models have the same order and shapes; only the names differ.
    plain.load_state_dict(dict(zip(plain.state_dict(), weights.values(), strict=True)))
    return plain


@torch.no_grad()
def ceiling_of(model: TextModel) -> float:
    """The fastest product of the shape of the projection, in GFLOP/s."""
    weight, seconds = model.decoder.vocabulary.weight, []
    states, product = torch.randn(ROWS, weight.shape[1]), torch.empty(ROWS, weight.shape[0])
    for _ in range(20):
        begin = time.perf_counter()
        torch.mm(states, weight.T, out=product)
        seconds.append(time.perf_counter() - begin)
    return 2.0 * product.numel() * weight.shape[1] / min(seconds) / 1e9


def flops_a_token(model: TextModel) -> float:
    """Multiply-adds of the decoder's LSTM as it is written and of the projection, twice each."""
    weights = (*model.decoder.recurrence.all_weights[0][:2], model.decoder.vocabulary.weight)
    return 2.0 * sum(weight.numel() for weight in weights)
