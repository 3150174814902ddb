"""One latent code a sequence."""

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor, nn

from latentia.auxiliaries import Auxiliary, WordMask
from latentia.decoders import Decoder
from latentia.distributions import CodeDistribution
from latentia.encoders import Encoder, Refinement
from latentia.errors import RecipeError
from latentia.priors import Prior
from latentia.records import Batch, Latent, ModelRun
from latentia.shapes import PositiveInt


class TextVAE(nn.Module):
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
            self._share_embedding()

    def forward(self, batch: Batch, samples: int = 1, kl_weight: float = 1.0) -> ModelRun:
        """Infer, draw ``samples`` codes an example, and score the batch under each.

        ``kl_weight`` is the weight of the KL in what the pass will train, which a refinement descends too.
        """
        return self.explain(batch, self.infer(batch, kl_weight), samples)

    def infer(self, batch: Batch, kl_weight: float = 1.0) -> CodeDistribution:
        """Return the posterior of each sequence, refined; nothing else reads the encoder."""
        posterior: CodeDistribution = self.refinement(self.encoder(batch), self.prior(), self.decoder, batch, kl_weight)
        return posterior

    def explain(self, batch: Batch, posterior: CodeDistribution, samples: int = 1) -> ModelRun:
        """Draw ``samples`` codes an example from its posterior, and score the batch under each."""
        latent = self._latent(posterior, samples)
        visibility, of_mask = self.mask(batch)
        log_likelihood = self.decoder(latent.sample).log_prob(replace(batch, visibility=visibility))

        def costs() -> Mapping[str, Tensor]:
            return {**self.auxiliary(latent, batch), **of_mask}

        return ModelRun(batch, (latent,), log_likelihood, costs, self.auxiliary.own_costs)

    def draw(self, batch: Batch, samples: int = 1, kl_weight: float = 1.0) -> Latent:
        """Infer, and draw ``samples`` codes an example."""
        return self._latent(self.infer(batch, kl_weight), samples)

    def _latent(self, posterior: CodeDistribution, samples: int) -> Latent:
        return Latent("z", posterior.rsample((samples,)), posterior, self.prior())

    def _share_embedding(self) -> None:
        ours, theirs = self.encoder.embedding.weight.shape, self.decoder.embedding.weight.shape
        if ours != theirs:
            raise RecipeError(
                f"encoder and decoder embeddings of shapes {tuple(ours)} and {tuple(theirs)} cannot be shared",
                "give both the same embedding_dim, or set model.share_embedding=false",
            )
        self.encoder.embedding = self.decoder.embedding
