"""Images of which some pixels are missing, completed by a VAE."""

from typing import Any

import numpy as np

from autograd import Rng, exp, no_grad
from models.data import in_form

STEPS = 100  # of the Markov chain


@no_grad()
def complete(vae: Any, images: np.ndarray, known: np.ndarray, rng: Rng) -> np.ndarray:
    """Images (n, *shape) in [0, 1] whose missing pixels follow p(missing | known).

    `known` (height, width) or (n, height, width) is True where a pixel is given.

    A Markov chain goes there: z ~ q(z|x), then the missing pixels of x from p(x|z), and again
    (Rezende, Mohamed & Wierstra 2014, appendix F). Since q is not quite p(z|x), its limit is not
    quite right. So from half-way on z is a proposal, which is accepted with probability

        min(1, w(z) / w(old z)),  w(z) = p(x|z) p(z) / q(z|x)

    and the limit is exact (Mattei & Frellsen 2018, "Leveraging the Exact Likelihood of Deep Latent
    Variable Models": Metropolis within Gibbs, begun with steps that are always accepted).
    """
    known = np.broadcast_to(known[..., None] if vae.channels > 1 else known, images.shape)
    given = in_form(images, vae.pixels)
    if vae.pixels == "dequantised":
        noise = rng.random(images.shape)
        given = (np.rint(images * (vae.levels - 1)) + noise) / vae.levels
    z = vae.normal(rng, (len(images), vae.latent))
    for step in range(STEPS):
        x = np.where(known, given, vae.noisy_images(z, rng))
        x = vae.array(x.reshape(len(x), -1))
        mu, logvar = (t.data for t in vae.encode(x))
        eps, sigma = vae.normal(rng, z.shape), exp(logvar / 2)
        proposal = mu + sigma * eps
        log_ratio = vae.log_weight(x, proposal, eps, logvar) - vae.log_weight(
            x, z, (z - mu) / sigma, logvar
        )
        accepted = vae.array(np.log(rng.random(len(x)))) < log_ratio.data
        if step < STEPS // 2:
            accepted[:] = True
        z = vae.xp.where(accepted[:, None], proposal, z)
    return np.where(known, images, vae.noisy_images(z, rng)).astype(np.float32)
