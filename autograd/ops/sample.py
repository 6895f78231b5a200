"""Random variables as differentiable functions of their parameters."""

import math

import kernels
from autograd.array import namespace
from autograd.ops.elementwise import exp, expm1
from autograd.ops.reduce import sum
from autograd.ops.shape import concatenate
from autograd.primitive import primitive
from autograd.tensor import Values, array_of


def reparameterize(mu: Values, logvar: Values, seed: int, offset: int = 0) -> tuple:
    """z = mu + sigma eps with sigma = e^(logvar / 2), and KL(N(mu, sigma^2) || N(0, 1)) in nats.

    eps ~ N(0, 1) is made from (seed, offset) and is no argument. So z is a sample of N(mu, sigma^2)
    and a smooth function of mu and logvar (Kingma & Welling 2014, section 2.4). mu, logvar and z
    are (..., D). The divergence, in closed form (appendix B), is summed over the last axis: (...).
    `kernels.reparameterize` documents the errors.
    """
    return _parts(z_and_kl(mu, logvar, seed=seed, offset=offset), mu.shape)


@primitive
def z_and_kl(mu, logvar, *, seed, offset):
    """Both results of `reparameterize` in one flat array, since a primitive returns one."""
    rows = math.prod(mu.shape[:-1])
    both = namespace(mu).empty(mu.size + rows, mu.dtype)
    kernels.reparameterize(mu, logvar, seed, offset, out=_parts(both, mu.shape))
    return both


@primitive
def z_and_kl_logvar_grad(g, logvar, *, seed, offset):
    g_z, g_kl = _parts(g, logvar.shape)
    return kernels.reparameterize_logvar_grad(g_z, g_kl, logvar, seed, offset)


def _parts(both, shape):
    """z of `shape`, and the divergence of each row, as views of one flat array."""
    size = math.prod(shape)
    return both[:size].reshape(shape), both[size:].reshape(shape[:-1])


def _mu_grad(g, mu):
    """g_z + g_kl mu: dz/dmu = 1 and dkl/dmu = mu."""
    g_z, g_kl = _parts(g, mu.shape)
    return g_z + g_kl.reshape((*mu.shape[:-1], 1)) * mu


z_and_kl.rule(
    mu=_mu_grad,
    logvar=lambda g, logvar, seed, offset: z_and_kl_logvar_grad(
        g, logvar, seed=seed, offset=offset
    ),
)


def _logvar_grad_g(h, logvar, seed, offset):
    """The rule of g_z sigma eps / 2 + g_kl (sigma^2 - 1) / 2, which is linear in g_z and g_kl."""
    eps = kernels.normal(logvar.shape, seed, offset, like=array_of(logvar))
    for_z = h * exp(logvar / 2) * eps / 2
    for_kl = sum(h * expm1(logvar) / 2, axis=-1)
    return concatenate([for_z.reshape(-1), for_kl.reshape(-1)])


def _logvar_grad_logvar(h, g, logvar, seed, offset):
    """g_z sigma eps / 4 + g_kl sigma^2 / 2."""
    g_z, g_kl = _parts(g, logvar.shape)
    eps = kernels.normal(logvar.shape, seed, offset, like=array_of(logvar))
    second = g_kl.reshape((*logvar.shape[:-1], 1)) * exp(logvar) / 2
    return h * (g_z * exp(logvar / 2) * eps / 4 + second)


z_and_kl_logvar_grad.rule(g=_logvar_grad_g, logvar=_logvar_grad_logvar)
