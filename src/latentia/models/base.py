"""What a model of texts does, and what the rest of the house asks of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributions import Distribution

from latentia.auxiliaries import Auxiliary, FittedPrior, WordMask
from latentia.decoders import Decoder
from latentia.distributions import CodeDistribution, StepwiseGaussian
from latentia.encoders import Encoder, StepwiseEncoder
from latentia.errors import RecipeError
from latentia.records import Batch, Latent, ModelRun


class TextModel(nn.Module, ABC):
    """A latent-variable model of sequences; the code of each is one tensor, whose shape the model tells.

    Where ``steps`` is asked for, it is the tokens that may be written, EOS counted: a model of one code a step needs as
    many codes, to any other it means nothing.
    """

    if_unnamed = "TextVAE"
    whole_codes: ClassVar[bool]
    """True when a code is one vector a sequence, so that any two compare; False when it is one a step."""

    vocabulary_size: int
    latent_dim: int
    encoder: Encoder | StepwiseEncoder
    decoder: Decoder
    mask: WordMask
    auxiliary: Auxiliary | FittedPrior
    """Maps a latent variable and its batch to costs by name that are trained beside the objective."""

    @property
    def any_lengths(self) -> bool:
        """Whether posteriors of thousands of any lengths take no more work and memory now than small equal batches."""
        return False

    @abstractmethod
    def infer(self, batch: Batch, kl_weight: float = 1.0) -> CodeDistribution | StepwiseGaussian:
        """Return the posterior of each sequence; nothing else reads the encoder.

        ``kl_weight`` is the weight of the KL in what the pass will train.
        """

    @abstractmethod
    def latent_at(self, batch: Batch, posterior: Distribution, codes: Float[Tensor, "S B *code"]) -> Latent:
        """Return codes of each example, beside its posterior and prior."""

    def latent(self, batch: Batch, posterior: Distribution, samples: int = 1) -> Latent:
        """Draw ``samples`` codes an example from its posterior."""
        return self.latent_at(batch, posterior, posterior.rsample(torch.Size([samples])))

    def forward(self, batch: Batch, samples: int = 1, kl_weight: float = 1.0) -> ModelRun:
        """Infer, draw ``samples`` codes an example, and score the batch under each."""
        return self.explain(batch, self.infer(batch, kl_weight), samples)

    def explain(self, batch: Batch, posterior: Distribution, samples: int = 1) -> ModelRun:
        """Draw ``samples`` codes an example from its posterior, and score the batch under each."""
        return self.scored(batch, self.latent(batch, posterior, samples))

    def scored(self, batch: Batch, latent: Latent) -> ModelRun:
        """Score the batch under each code."""
        visibility, of_mask = self.mask(batch)
        log_likelihood = self.decoder(latent.sample).log_prob(replace(batch, visibility=visibility))

        def costs() -> Mapping[str, Tensor]:
            return {**self.auxiliary(latent, batch), **of_mask}

        return ModelRun(batch, (latent,), log_likelihood, costs, self.auxiliary.own_costs)

    def draw(self, batch: Batch, samples: int = 1, kl_weight: float = 1.0) -> Latent:
        """Infer, and draw ``samples`` codes an example."""
        return self.latent(batch, self.infer(batch, kl_weight), samples)

    @abstractmethod
    def unit_prior(self) -> CodeDistribution:
        """Return the prior of what units are counted over: a whole code, or a step's on its own."""

    @abstractmethod
    def code_shape(self, steps: int) -> tuple[int, ...]:
        """Return the shape of the code of one sequence."""

    @abstractmethod
    def centres(self, batch: Batch, steps: int) -> Float[Tensor, "B *code"]:
        """Return the codes that stand for the posteriors of a batch."""

    @abstractmethod
    def sample(self, count: int, steps: int) -> Float[Tensor, "N *code"]:
        """Draw codes of new sequences."""

    @abstractmethod
    def path(
        self, start: Float[Tensor, "*code"], end: Float[Tensor, "*code"], share: Float[Tensor, " points"]
    ) -> Float[Tensor, "points *code"]:
        """Return the codes on the way from ``start``, at share 0, to ``end``, at share 1.

        Raises:
            InputError: If there is no way between two codes.
        """

    def share_tables(self) -> None:
        """Let the encoder use the decoder's embedding table.

        Raises:
            RecipeError: If the tables differ in size.
        """
        ours, theirs = self.encoder.embedding.weight.shape, self.decoder.embedding.weight.shape
        if ours != theirs:
            raise RecipeError(
                f"encoder and decoder embeddings of shapes {tuple(ours)} and {tuple(theirs)} cannot be shared",
                "give both the same embedding_dim, or set model.share_embedding=false",
            )
        self.encoder.embedding = self.decoder.embedding
