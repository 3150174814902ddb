"""One row a member of each family: name -> how to build it small."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import torch
from torch.distributions import Distribution
from torch.nn.functional import normalize

from latentia.auxiliaries import AdversarialMask, Adversary, BagOfWords, DualCritic, FittedPrior, Nothing, Unmasked
from latentia.data import Columns, Grammar, Selection, Word, build_corpus
from latentia.decoders import LSTMDecoder
from latentia.distributions import (
    AutoregressiveGaussian,
    DiagonalGaussian,
    HypersphericalUniform,
    PowerSpherical,
    SharedNoiseGaussian,
    StepwiseGaussian,
    VonMisesFisher,
)
from latentia.encoders import AnticausalLSTMEncoder, GradientRefinement, LSTMEncoder, Refinement, Unrefined
from latentia.evaluation import (
    AnnealedImportance,
    Calibration,
    CodeUse,
    DefensiveImportance,
    DiscriminatorAccuracy,
    Dominance,
    FactorRecovery,
    Generalisation,
    Holes,
    InferenceGap,
    Information,
    Mauve,
    Measure,
    NeuralPerplexity,
    Representation,
    Smoothness,
    Subject,
    WordDeletion,
)
from latentia.functional import schedule
from latentia.models import SequentialTextVAE, TextVAE
from latentia.nn import (
    AbsoluteMaxPooling,
    BatchNormalisedHead,
    Blank,
    Clean,
    CommittedRateHead,
    DirectionalHead,
    Drop,
    GaussianHead,
    LastState,
    LinearNoiseHead,
    MaxPooling,
    MeanPooling,
    MomentMatchedHead,
    SequenceDropout,
    Shuffle,
    Substitute,
)
from latentia.objectives import (
    ELBO,
    DensityGap,
    DualEstimate,
    FreeBitsDimension,
    FreeBitsExample,
    FreeBitsTotal,
    LogVariancePenalty,
    MaximumMeanDiscrepancy,
)
from latentia.priors import AutoregressiveNormal, LearnedMixture, StandardNormal, UniformSphere

V, D, E, H = 7, 3, 5, 6


def gaussian(*rows: int) -> DiagonalGaussian:
    return DiagonalGaussian(0.5 * torch.randn(*rows, D), 0.5 * torch.randn(*rows, D) - 1)


def direction(*rows: int) -> torch.Tensor:
    return normalize(torch.randn(*rows, D), dim=-1)


NOISE_MAP = torch.tensor([[0.9, 0.0, 0.2], [-0.5, 0.4, 0.0], [0.3, 0.1, 0.7]])
DISTRIBUTIONS = {
    "DiagonalGaussian": gaussian,
    "HypersphericalUniform": lambda *rows: HypersphericalUniform(torch.zeros(D)).expand(rows),
    "PowerSpherical": lambda *rows: PowerSpherical(direction(*rows), 4 * torch.rand(rows)),
    "SharedNoiseGaussian": lambda *rows: SharedNoiseGaussian(torch.randn(*rows, D), NOISE_MAP),
    "VonMisesFisher": lambda *rows: VonMisesFisher(direction(*rows), 4 * torch.rand(rows)),
}
# Of sequences whose steps are given by a mask.
STEP_DISTRIBUTIONS = {
    "AutoregressiveGaussian": lambda mask: AutoregressiveGaussian(0.7, mask, D),
    "StepwiseGaussian": lambda mask: StepwiseGaussian(
        0.5 * torch.randn(*mask.shape, D), 0.5 * torch.randn(*mask.shape, D) - 1, mask
    ),
}
POOLINGS = {
    "AbsoluteMaxPooling": AbsoluteMaxPooling,
    "LastState": LastState,
    "MaxPooling": MaxPooling,
    "MeanPooling": MeanPooling,
}
HEADS = {
    "GaussianHead": lambda: GaussianHead(H, D),
    "BatchNormalisedHead": lambda: BatchNormalisedHead(H, D),
    "BatchNormalisedHead-renormalised": lambda: BatchNormalisedHead(H, D, renormalise=True),
    "CommittedRateHead": lambda: CommittedRateHead(H, D),
    "LinearNoiseHead": lambda: LinearNoiseHead(H, D),
    "MomentMatchedHead": lambda: MomentMatchedHead(H, D),
    "DirectionalHead": lambda: DirectionalHead(H, D),
    "DirectionalHead-learned": lambda: DirectionalHead(H, D, learned=True, family="power-spherical"),
}
NOISES = {
    "Blank": lambda: Blank(0.4),
    "Clean": Clean,
    "Drop": lambda: Drop(0.4),
    "Shuffle": lambda: Shuffle(2),
    "Substitute": lambda: Substitute(V, 0.4),
}
NOISES_OF_SEQUENCES = ("words", "types", "embeddings", "recurrent", "states", "outputs")
PRIORS = {
    "LearnedMixture": lambda: LearnedMixture(D, components=4),
    "StandardNormal": lambda: StandardNormal(D),
    "UniformSphere": lambda: UniformSphere(D),
}
STEPWISE_PRIORS = {"AutoregressiveNormal": lambda: AutoregressiveNormal(D, 0.7)}
STEPWISE_ENCODERS = {"AnticausalLSTMEncoder": lambda: AnticausalLSTMEncoder(V, D, SequenceDropout(), E, H)}
ENCODERS = {
    f"LSTMEncoder-{pooling}-{head}": lambda pooling=pooling, head=head: LSTMEncoder(
        V, POOLINGS[pooling](), HEADS[head](), SequenceDropout(), Clean(), E, H
    )
    for pooling in POOLINGS
    for head in HEADS
}
DECODERS = {
    f"LSTMDecoder-{'tied' if tied else 'free'}-{'skip' if skip else 'plain'}": lambda tied=tied, skip=skip, size=V: (
        LSTMDecoder(size, D, SequenceDropout(), E, H, tied, skip)
    )
    for tied in (False, True)
    for skip in (False, True)
} | {"LSTMDecoder-inputless": lambda size=V: LSTMDecoder(size, D, SequenceDropout(), E, H, inputless=True)}
REFINEMENTS = {
    "GradientRefinement": lambda: GradientRefinement(D, steps=4, learning_rate=0.2),
    "GradientRefinement-draws": lambda: GradientRefinement(D, steps=2, learning_rate=0.2, draws=3, clip_norm=0.1),
    "Unrefined": Unrefined,
}
AUXILIARIES = {
    "Adversary": lambda: Adversary(D, features=8),
    "BagOfWords": lambda: BagOfWords(V, D, features=8),
    "DualCritic": lambda: DualCritic(D, features=8),
    "DualCritic-aggregate": lambda: DualCritic(D, of_each=False, features=8),
    "Nothing": Nothing,
}
MASKS = {
    "AdversarialMask": lambda: AdversarialMask(V, 0.4, features=8),
    "AdversarialMask-hard": lambda: AdversarialMask(V, 0.4, selection="hard", features=8),
    "Unmasked": Unmasked,
}
OBJECTIVES = {
    "ELBO": ELBO,
    "ELBO-beta": lambda weight: ELBO(weight, beta=0.4),
    "ELBO-large-beta": lambda weight: ELBO(weight, beta=4.0),
    "FreeBitsDimension": FreeBitsDimension,
    "FreeBitsExample": FreeBitsExample,
    "FreeBitsTotal": FreeBitsTotal,
    "DensityGap": DensityGap,
    "DualEstimate": DualEstimate,
    "LogVariancePenalty": LogVariancePenalty,
    "MaximumMeanDiscrepancy": MaximumMeanDiscrepancy,
    "MaximumMeanDiscrepancy-info": lambda weight: MaximumMeanDiscrepancy(weight, information=0.5),
}
PLANS = {
    "AggressiveInference": {"training.plan": {"kind": "AggressiveInference", "most": 4, "block": 2}},
    "AuxiliaryFirst": {
        "training.plan": {"kind": "AuxiliaryFirst", "updates": 2},
        "model.auxiliary": {"kind": "Adversary", "features": 4},
    },
    "Joint": {"training.plan": {"kind": "Joint"}},
    "ResetDecoder": {"training.plan": {"kind": "ResetDecoder", "at": 0.4}},
}
SCHEDULES = {
    "Constant": lambda: schedule.Constant(0.7),
    "Linear": lambda: schedule.Linear(20, 0.1, 0.9),
    "Ramp": lambda: schedule.Ramp(0.5, of_steps=40),
    "Ramp-after": lambda: schedule.Ramp(0.5, of_steps=40, after=0.25),
    "Sigmoid": lambda: schedule.Sigmoid(20, 0.5),
    "Cyclical": lambda: schedule.Cyclical(3, of_steps=30),
}


def reference(distribution: Distribution) -> Distribution:
    """The prior of the distribution's space."""
    if isinstance(distribution, DiagonalGaussian | SharedNoiseGaussian):
        return DiagonalGaussian(torch.zeros(D), torch.zeros(D))
    return HypersphericalUniform(torch.zeros(D))


def model(size: int = V, refinement: Callable[[], Refinement] = Unrefined) -> TextVAE:
    """A small text VAE."""
    encoder = LSTMEncoder(size, LastState(), GaussianHead(H, D), SequenceDropout(), Clean(), E, H)
    decoder = LSTMDecoder(size, D, SequenceDropout(), E, H)
    return TextVAE(size, encoder, decoder, StandardNormal(D), Nothing(), Unmasked(), refinement(), D)


def sequential_model(size: int = V, dimensions: int = D, correlation: float = 0.7) -> SequentialTextVAE:
    """A small text VAE of one code a token."""
    return SequentialTextVAE(
        size,
        AnticausalLSTMEncoder(size, dimensions, SequenceDropout(), E, H),
        LSTMDecoder(size, dimensions, SequenceDropout(), E, H),
        AutoregressiveNormal(dimensions, correlation),
        FittedPrior(dimensions, features=8),
        Unmasked(),
        dimensions,
    )


MODELS = {"SequentialTextVAE": sequential_model, "TextVAE": model}

ENDS = ("here", "there", "now", "here now")
TEXTS = [f"the {who} {did} {end}" for who in ("cat", "dog") for did in ("sat", "ran") for end in ENDS]
GRAMMAR_TEXTS = [text for text in Grammar().sample(30, seed=1)[0] if len(text.split()) <= 12]


def subject(kind: str = "TextVAE", seed: int = 0) -> Subject:
    """A small untrained model of a kind, measured on sixteen labelled sentences of different length, or a grammar's."""
    texts = GRAMMAR_TEXTS if kind.endswith("grammar") else TEXTS
    tokenizer = Word().train(texts)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "texts.tsv"
        file.write_text("text\tlabel\n" + "".join(f"{text}\t{text.split()[1]}\n" for text in texts))
        corpus, _ = build_corpus([str(file)], Columns(label="label"), tokenizer, file.with_suffix(".arrow"), 12)
        rows = Selection.all_of(corpus)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        examined = SUBJECTS[kind](tokenizer.vocabulary_size).eval()
    return Subject(examined, tokenizer, 12, rows, rows, rows, seed)


def spherical_model(size: int = V) -> TextVAE:
    """A small text VAE whose codes are directions."""
    encoder = LSTMEncoder(size, LastState(), DirectionalHead(H, D), SequenceDropout(), Clean(), E, H)
    decoder = LSTMDecoder(size, D, SequenceDropout(), E, H)
    return TextVAE(size, encoder, decoder, UniformSphere(D), Nothing(), Unmasked(), Unrefined(), D)


def mixture_model(size: int = V) -> TextVAE:
    """A small text VAE with a learned prior."""
    plain = model(size)
    plain.prior = LearnedMixture(D, components=4)
    return plain


def adversarial_model(size: int = V) -> TextVAE:
    """A small adversarial autoencoder."""
    plain = model(size)
    plain.auxiliary = Adversary(D, features=8)
    return plain


@cache
def extractor() -> str:
    """The folder of a tiny language model with random weights, as transformers saves it."""
    from transformers import GPT2Config, GPT2Model, PreTrainedTokenizerFast

    folder = mkdtemp()
    tokenizer = Word().train(TEXTS)
    tokenizer.save(Path(folder))
    PreTrainedTokenizerFast(tokenizer_file=f"{folder}/tokenizer.json").save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        sizes = {"n_layer": 1, "n_head": 2, "n_embd": 8, "n_positions": 64, "vocab_size": tokenizer.vocabulary_size}
        GPT2Model(GPT2Config(**sizes)).save_pretrained(folder)
    return folder


SUBJECTS = {
    **MODELS,
    "TextVAE-mixture": mixture_model,
    "TextVAE-sphere": spherical_model,
    "TextVAE-adversary": adversarial_model,
    "TextVAE-grammar": model,
}
MEASURES: dict[str, Callable[[], Measure]] = {
    "CodeUse": lambda: CodeUse(sequences=10, decoded=4),
    "DiscriminatorAccuracy": DiscriminatorAccuracy,
    "Dominance": Dominance,
    "Generalisation": lambda: Generalisation(sequences=10),
    "Holes": lambda: Holes(draws=12, decoded=6, kept=2),
    "Information": lambda: Information(batch=4, resamples=20),
    "FactorRecovery": lambda: FactorRecovery(trees=3, parts=2, resamples=5),
    "NeuralPerplexity": lambda: NeuralPerplexity(samples=8, tokens=60, passes=2, features=4),
    "Representation": lambda: Representation(neighbours=3, folds=2),
    "Smoothness": lambda: Smoothness(pairs=3, points=4),
    "WordDeletion": lambda: WordDeletion(sequences=10),
    "AnnealedImportance": lambda: AnnealedImportance(temperatures=3, chains=2, leapfrogs=2, sequences=6),
    "DefensiveImportance": lambda: DefensiveImportance(samples=5, sequences=6),
    "InferenceGap": lambda: InferenceGap(steps=2, draws=2, samples=5, sequences=6),
    "Calibration": lambda: Calibration(bins=5, resamples=5),
    "Mauve": lambda: Mauve(extractor(), samples=12, cells=3),
}


def fitting(measure: Measure) -> Subject:
    """A subject that the measure fits: that of the text VAE where it does."""
    kinds = ("TextVAE", *SUBJECTS)
    return next(examined for examined in map(subject, kinds) if not measure.unfit(examined))
