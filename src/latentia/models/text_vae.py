"""One latent code a sequence."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from latentia.auxiliaries import Auxiliary, WordMask
from latentia.decoders import Decoder
from latentia.distributions import CodeDistribution
from latentia.encoders import Encoder, Refinement, Unrefined
from latentia.models.base import TextModel
from latentia.priors import Prior
from latentia.records import Batch, Latent
from latentia.shapes import PositiveInt


class TextVAE(TextModel):
    r"""A variational autoencoder of sequences, :math:`p(x) = \int p(x|z) p(z) \, dz`.

    Args:
        vocabulary_size: Tokens, ``V``.
        encoder: Recognition network ``q(z|x)``.
        decoder: Likelihood ``p(x|z)``.
        prior: ``p(z)``.
        auxiliary: Costs of the codes beside those of the objective.
        mask: What the decoder does not see while training.
        refinement: What is done to the encoder's posteriors before anything uses them.
        latent_dim: Dimensions of the code, ``D``.
        share_embedding: Let encoder and decoder use one embedding table.

    Raises:
        RecipeError: If tables of different size are to be shared.

    Source: Bowman et al., Generating Sentences from a Continuous Space, 2016.
    """

    whole_codes = True

    def __init__(  # noqa: PLR0913 - the parts of a model, each a node of a recipe
        self,
        vocabulary_size: PositiveInt,
        encoder: Encoder,
        decoder: Decoder,
        prior: Prior,
        auxiliary: Auxiliary,
        mask: WordMask,
        refinement: Refinement,
        latent_dim: PositiveInt = 32,
        share_embedding: bool = False,
    ) -> None:
        """Assemble the parts."""
        super().__init__()
        self.vocabulary_size, self.latent_dim = vocabulary_size, latent_dim
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.auxiliary, self.mask, self.refinement = auxiliary, mask, refinement
        if share_embedding:
            self.share_tables()

    @property
    def any_lengths(self) -> bool:
        """Whether the encoder takes them, and nothing is done to what it returns."""
        return isinstance(self.refinement, Unrefined) and bool(self.encoder.any_lengths)

    def infer(self, batch: Batch, kl_weight: float = 1.0) -> CodeDistribution:
        """Return the posterior of each sequence, refined; nothing else reads the encoder.

        ``kl_weight`` is the weight of the KL in what the pass will train, which a refinement descends too.
        """
        posterior: CodeDistribution = self.refinement(self.encoder(batch), self.prior(), self.decoder, batch, kl_weight)
        return posterior

    def latent_at(self, batch: Batch, posterior: Distribution, codes: Float[Tensor, "S B D"]) -> Latent:
        """Return codes of each example, beside its posterior and the prior, which is the same for all."""
        return Latent("z", codes, posterior, self.prior())

    def unit_prior(self) -> CodeDistribution:
        """Return the prior."""
        prior: CodeDistribution = self.prior()
        return prior

    def code_shape(self, steps: int) -> tuple[int, ...]:
        """Return ``[D]``."""
        return (self.latent_dim,)

    def centres(self, batch: Batch, steps: int) -> Float[Tensor, "B D"]:
        """Return the centre of each posterior: a Gaussian's mean, a direction on a sphere."""
        return self.infer(batch).centre

    def sample(self, count: int, steps: int) -> Float[Tensor, "N D"]:
        """Draw codes from the prior."""
        drawn: Tensor = self.prior().sample(torch.Size([count]))
        return drawn

    def path(
        self, start: Float[Tensor, " D"], end: Float[Tensor, " D"], share: Float[Tensor, " points"]
    ) -> Float[Tensor, "points D"]:
        """Return the codes on the shortest way within the prior's support."""
        codes: Tensor = self.prior().path(start, end, share)
        return codes
