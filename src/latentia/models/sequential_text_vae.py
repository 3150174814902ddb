"""One latent code a token."""

from jaxtyping import Float
from torch import Tensor
from torch.distributions import Distribution

from latentia.auxiliaries import FittedPrior, WordMask
from latentia.decoders import Decoder
from latentia.distributions import CodeDistribution, StepwiseGaussian
from latentia.encoders import StepwiseEncoder
from latentia.errors import InputError, RecipeError
from latentia.models.base import TextModel
from latentia.priors import StepwisePrior
from latentia.records import Batch, Latent
from latentia.shapes import PositiveInt


class SequentialTextVAE(TextModel):
    r"""A variational autoencoder of sequences whose codes come a step at a time, beside the tokens.

    .. math::
        p(x) = \int p(z_1, z_2, \ldots) \prod_{t=1}^{T} p(x_t \mid x_{<t}, z_{\le t}) \, dz
             = \int p(z_{\le T}) \prod_{t=1}^{T} p(x_t \mid x_{<t}, z_{\le t}) \, dz_{\le T}

    The prior goes on for ever, and a sequence ends where its tokens do. No token of ``x`` looks at a code after ``T``,
    so that these integrate out: a posterior of ``T`` steps gives a bound of :math:`\log p(x)`, and the probabilities of
    all sequences sum to one, though the number of codes differs from one to the next.

    New texts are decoded from codes of the fitted prior. Those of the prior itself are
    ``model.prior(mask).sample()``.

    Args:
        vocabulary_size: Tokens, ``V``.
        encoder: Recognition network :math:`q(z|x) = \prod_t q(z_t \mid x_t .. x_T)`.
        decoder: Likelihood; one that reads a code a step.
        prior: ``p(z)``, of which the bound's KL is.
        fitted_prior: Learns the codes' distribution beside the objective, to draw from.
        mask: What the decoder does not see while training.
        latent_dim: Channels of a step's code, ``D``.
        share_embedding: Let encoder and decoder use one embedding table.

    Raises:
        RecipeError: If the decoder takes but one code a sequence, or tables of different size are to be shared.

    Source: Razavi et al., Preventing Posterior Collapse with delta-VAEs, 2019, section 2.2.
    """

    whole_codes = False
    auxiliary: FittedPrior

    def __init__(
        self,
        vocabulary_size: PositiveInt,
        encoder: StepwiseEncoder,
        decoder: Decoder,
        prior: StepwisePrior,
        fitted_prior: FittedPrior,
        mask: WordMask,
        latent_dim: PositiveInt = 1,
        share_embedding: bool = False,
    ) -> None:
        """Assemble the parts."""
        super().__init__()
        if not decoder.reads_steps:
            raise RecipeError(
                f"{type(decoder).__name__} takes one code a sequence, not one a step",
                "set model.decoder.kind=LSTMDecoder",
            )
        self.vocabulary_size, self.latent_dim = vocabulary_size, latent_dim
        self.encoder, self.decoder, self.prior = encoder, decoder, prior
        self.auxiliary, self.mask = fitted_prior, mask
        if share_embedding:
            self.share_tables()

    def infer(self, batch: Batch, kl_weight: float = 1.0) -> StepwiseGaussian:
        """Return the posterior of each sequence's steps, whatever the weight of the KL."""
        posterior: StepwiseGaussian = self.encoder(batch)
        return posterior

    def latent_at(self, batch: Batch, posterior: Distribution, codes: Float[Tensor, "S B T D"]) -> Latent:
        """Return codes of all steps of each example, beside its posterior and the prior of as many steps."""
        return Latent("z", codes, posterior, self.prior(batch.mask))

    def unit_prior(self) -> CodeDistribution:
        """Return the prior of a step on its own."""
        return self.prior.of_a_step()

    def code_shape(self, steps: int) -> tuple[int, ...]:
        """Return ``[steps, D]``."""
        return steps, self.latent_dim

    def centres(self, batch: Batch, steps: int) -> Float[Tensor, "B steps D"]:
        """Return the posterior mean of each step, and after the last the prior's mean given it."""
        return self.prior.continued(self.infer(batch).mean, batch.mask, steps)

    def sample(self, count: int, steps: int) -> Float[Tensor, "N steps D"]:
        """Draw codes from the fitted prior."""
        return self.auxiliary.sample(count, steps)

    def path(
        self, start: Float[Tensor, "steps D"], end: Float[Tensor, "steps D"], share: Float[Tensor, " points"]
    ) -> Float[Tensor, "points steps D"]:
        """Refuse: the steps of two texts do not correspond.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "between texts of one code a token there is no path", "interpolate in a run of one code a text, such as vae"
        )
