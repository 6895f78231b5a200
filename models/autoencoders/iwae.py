"""The importance-weighted autoencoder (Burda et al. 2016, "Importance Weighted Autoencoders").

The networks of a VAE, trained on a tighter bound. One sample z of q(z|x) has the weight
w = p(x, z) / q(z|x), whose mean is p(x); k samples are averaged before the logarithm is taken:

    L_k(x) = E log 1/k sum_i w_i,    z_1, ..., z_k ~ q(z|x)                                (eq. 8)
    L_1 = ELBO <= L_k <= L_k+1 <= log p(x)                                            (theorem 1)

The ELBO punishes each sample that explains x badly. L_k asks that one of k explains it well, so
that q may be wider than a VAE dares, and more dimensions of z stay in use. Its gradient is a mean
of the gradients of log w_i with the weights w~_i = w_i / sum_j w_j (section 3).

With more samples the gradient of the encoder drowns in its noise (Rainforth et al. 2018, "Tighter
Variational Bounds are Not Necessarily Better"). The doubly reparameterised gradient has the same
mean, and does not (Tucker et al. 2019, "Doubly Reparameterized Gradient Estimators for Monte Carlo
Objectives"). All numbers are in nats per image.
"""

import math
from typing import Any

from autograd import Rng, Tensor, no_grad
from autograd.ops import exp, logsumexp, softmax
from models.autoencoders.iwae_settings import DEFAULTS, Settings
from models.autoencoders.vae import VAE
from models.data import Labels
from models.model import Loss, Numbers


class IWAE(VAE):
    """Encoder and decoder as in `VAE`."""

    settings_type, defaults = Settings, DEFAULTS
    importance_samples = 1000

    def log_weights(self, x: Any, rng: Rng) -> Tensor:
        """log w_i of k samples of q(z|x) for images (N, pixels): (k, N)."""
        mu, logvar = self.encode(x)
        eps = self.normal(rng, (self.settings.k, *mu.shape))
        z = mu + exp(logvar / 2) * eps
        if self.settings.gradient == "reparameterised":
            return self.log_weight(x, z, eps, logvar)
        # The encoder's parameters are in log w twice: through z, and as those of the density
        # q(z|x). The second part is a score function, E w~ dlog q(z|x) / dphi, which has much of
        # the noise. Reparameterised again, it is E (w~ - w~^2) dlog w/dz dz/dphi, and both together
        #     E sum_i w~_i^2 dlog w_i/dz_i dz_i/dphi                          (Tucker et al. 2019).
        # So q's parameters are constants in log w. The logarithm of the mean gives one factor w~_i;
        # z' has the value of z, and lets the gradient through with another.
        with no_grad():
            weight = softmax(self.log_weight(x, z, eps, logvar), axis=0)[..., None]
        mu, logvar, constant = mu.detach(), logvar.detach(), z.detach()
        z = constant + weight * (z - constant)
        return self.log_weight(x, z, (z - mu) * exp(-logvar / 2), logvar)

    def loss(self, x: Any, rng: Rng, epoch: float = math.inf, labels: Labels = None) -> Loss:
        """-L_k in nats per image, mean over the batch, with one set of k samples an image."""
        log_mean = logsumexp(self.log_weights(x, rng), axis=0) - math.log(self.settings.k)
        loss = -log_mean.mean()
        return loss, {"negative_bound": loss.data}

    def evaluate(self, x: Any, rng: Rng, labels: Labels = None, thorough: bool = False) -> Numbers:
        """As a VAE's, with -L_k; if `thorough` with what `active_units` needs, (N, latent) each."""
        numbers = super().evaluate(x, rng, thorough=thorough)
        numbers["negative_bound"] = -self.log_prob(x, rng, self.settings.k)
        if thorough:
            mu = self.codes(x).astype(float)
            numbers |= {"posterior_mean": mu, "posterior_mean_squared": mu * mu}
        return numbers
