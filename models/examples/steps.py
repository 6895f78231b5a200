"""One training step of a model: of each family on the 8x8 digits, or of a run."""

import dataclasses
from functools import partial

import numpy as np

from autograd import Array, tracing
from models.data import Dataset, load
from models.examples.example import EXAMPLES, Example, Traces
from models.families import FAMILIES
from models.model import Model, Optimizers

BATCH = 8  # images of a step, for a small page
STEPS_BEFORE = 20  # so that layers that start at 0 have left it
TEXTS = {
    "autoencoder": (
        "The loss is a distance between x and its reconstruction: x comes in twice, at the top "
        "and beside the loss. Follow the gradient up through the decoder, the code, and the "
        "encoder. A unit of a relu that is off hands on a gradient of exactly 0."
    ),
    "vae": (
        "Choose z_and_kl, one primitive that computes the samples z (64 numbers) and the KL of "
        "each image (8). Two cotangents are summed there, one from the reconstruction through z "
        "and one from the KL, and from there each of mu and logvar gets one. Only the "
        "reconstruction reaches the decoder. The images x are a constant that is used twice, by "
        "the encoder and by the loss."
    ),
    "iwae": (
        "Five samples of z for each image, and so five log weights. Follow the gradient up to "
        "their logsumexp: what it hands to each of the five is its share of all five weights, and "
        "these shares sum to 1. A sample that explains the image badly has hardly any. The code "
        "eps is a constant, and z, mu and logvar are in the weight both through the decoder and "
        "through the densities of z."
    ),
    "cvae": (
        "The class of each image, a 1 among ten numbers, comes in twice: beside the encoder's last "
        "features and beside z. It is a constant, so nothing flows back to it. The weights that it "
        "meets get a gradient in the columns of the batch's classes only. The rest is the VAE."
    ),
    "m2": (
        "Two batches come in. Labelled images are told their class, and what they do is the CVAE's "
        "step, with the cross-entropy of q(y|x) beside it. The others are told each of the ten "
        "classes at once: one z_and_kl makes ten samples of z for each image. The ten bounds meet "
        "the shares of q(y|x) in one product, and there the gradient parts: a class with a small "
        "share hardly teaches the decoder, and a class with a good bound gets a larger share."
    ),
    "gan": (
        "The discriminator is trained twice, then the generator: a sweep for each, with those "
        "of the gradient penalty between, which are recorded. While the discriminator is "
        "trained, samples are a constant: they were made without recording, and the generator "
        "gets no gradient. The last sweep passes by the weights of the discriminator and ends "
        "in those of the generator."
    ),
    "vaegan": (
        "The first sweep is the encoder's: the KL, and the distance of an image from its "
        "reconstruction in the features of the discriminator, through which it goes on into the "
        "generator and the code. Then the discriminator is trained as a GAN's. In the last sweep "
        "the generator has both, the distance times gamma and the discriminator's judgement; the "
        "encoder gets nothing of it."
    ),
    "aae": (
        "Three sweeps. In the autoencoder's, encoder and decoder learn to restore the images. In "
        "the discriminator's, samples of the prior and codes are both constants. The last is the "
        "encoder's, and goes through the discriminator. So the encoder is trained twice in a step, "
        "for the images and for the prior; the decoder never hears of the discriminator."
    ),
    "bigan": (
        "The discriminator is trained twice on pairs: an image beside its code, and a sample "
        "beside the code that it was made of. Then one sweep goes to both of the others. Choose a "
        "pair, where the gradient is cut in two: of (x, E(x)) only the part of the code goes on, "
        "into the encoder, and of (G(z), z) only the part of the image, into the generator. No "
        "edge leads from a reconstruction to its image."
    ),
    "pixelcnn": (
        "Each masked convolution sees only pixels above and to the left, so its dead taps have "
        "a gradient of exactly 0. The logits of all pixels come from one pass, and the loss is "
        "their cross-entropy. Each residual block adds its cotangent to the one that goes on."
    ),
    "ddpm": (
        "The network sees x_t, a mixture of image and noise made by plain numbers, and the loss "
        "is a squared distance from what it has to predict. The last layer started at 0, so "
        "what comes past it is still small. The embedding of t enters every block, and its "
        "cotangent is the sum of what the blocks send back."
    ),
    "realnvp": (
        "Each coupling multiplies half of the numbers by exp(s) and adds t. Its s also goes past "
        "all others into the sum of the log-determinants, and so it gets two cotangents: the "
        "density wants z near 0, and the determinant wants z spread out. The last layers of each "
        "perceptron started at 0, so that the flow began as the identity."
    ),
    "gmm": (
        "A step of EM. Forward, each component gives its log N(x), and log p(x) is the logsumexp "
        "of them all. Choose the scores that go into it: the cotangent that comes back to them is "
        "the responsibility of each component for each image: the E step. The sweep stops there. "
        "The M step is plain numbers: weighted means and covariances, and no gradient."
    ),
    "hvae": (
        "There are two samples, mu + sigma eps, and the lower one, z1, depends on the upper one, "
        "z2, by its prior p(z1|z2). So the reconstruction's cotangent of z1 goes on into the "
        "prior, and through z2 into the upper encoder. Each log q / p has a cotangent of its own "
        "for the sample, for q and for p. The sigmoid is the share of the prior's precision in "
        "the posterior of z1."
    ),
    "vqvae": (
        "A step of the first stage. The vectors of the codebook are constants in the sum z_e + "
        "(z_q - z_e), so the cotangent that the decoder sends back to z_q goes on to z_e as it is. "
        "A second one comes from the commitment, twice beta times what lies between z_e and its "
        "vector. The codebook itself has no gradient: it moves as an average, after the step."
    ),
    "mgan": (
        "Every generator has a first layer of its own, and a one-hot number chooses one for each "
        "sample: the others get a gradient of 0 from it. The layers after that are shared. In the "
        "last sweep the generators get two cotangents for a sample, from the discriminator and, "
        "through the same layers, from the classifier that has to know whose it is."
    ),
    "gman": (
        "The samples go into several discriminators, and the generator gets a cotangent from each. "
        "Before they are summed, each is multiplied by the weight of its discriminator, a softmax "
        "of the values of their games. In the sweeps before, each discriminator is trained alone."
    ),
    "ldm": (
        "This is a step of the first stage: a VAE, whose KL has a small weight. Follow the KL: its "
        "cotangent is that weight, and the reconstruction's is 1. The diffusion is not in the "
        "graph, since its stage comes later. Then the encoder is frozen: codes are constants, and "
        "the sweep ends at the network that denoises them."
    ),
}
"""What to look for in each."""


def traced_step(
    model: Model,
    data: Dataset,
    seed: int = 0,
    after: int = 0,
    epoch: float = 0.0,
    optimizers: Optimizers | None = None,
) -> Traces:
    """A training step on `BATCH` images with all its sweeps, `after` others. It changes the model.

    Images, noise and the order depend on `seed` only. `epoch` and `optimizers` are those that a
    training has come to, if they are not those of its start.
    """
    least = getattr(model.settings, "generators", 0)  # of an MGAN: each makes a sample
    model.settings = dataclasses.replace(model.settings, batch=max(BATCH, least))
    rng = np.random.default_rng(seed)
    optimizers = optimizers or model.optimizers(after + 1)

    def images() -> tuple[Array, np.ndarray | None]:
        chosen = rng.permutation(len(data.train))[: model.images_per_step]
        labels = None if data.train_labels is None else data.train_labels[chosen]
        x = model.array(data.observe(data.train[chosen], model.pixels, rng))
        return x, labels if model.classes else None

    for _ in range(after):
        x, labels = images()
        model.update(x, rng, epoch, labels, optimizers)
    x, labels = images()
    with tracing({"": model, "x": x}) as trace:
        model.update(x, rng, epoch, labels, optimizers)
    return {"a training step": trace}


def _on_digits(name: str) -> Traces:
    data, family = load("digits"), FAMILIES[name]
    model = family.model.for_data(family.settings("digits"), data, np.random.default_rng(0))
    return traced_step(model, data, after=STEPS_BEFORE)


for _name in FAMILIES:
    _title, _text = f"A training step: {_name}", TEXTS.get(_name, "")
    EXAMPLES[_name] = Example(_title, _text, partial(_on_digits, _name))
