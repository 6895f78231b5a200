"""Latent diffusion: its two stages, the bound that adds them up, and codes of any scale."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from autograd import Tensor, grad
from models.cli import main
from models.data import load
from models.diffusion.ldm import LDM
from models.diffusion.ldm_settings import Settings
from models.errors import UsageError
from tests.models.test_gan import batch

TINY = {"hidden": (6,), "latent": 2, "width": 6, "depth": 1, "T": 10, "batch": 8, "epochs": 10}


SMALL = TINY | {"decoder": "logistic", "pixels": "levels"}


def make(shape=(4, 4), dtype=np.float32, **settings) -> LDM:
    model = LDM(Settings(**SMALL | settings), shape, 17, np.random.default_rng(0))
    for tensor in model.tensors().values():  # the node too, since it has a dtype
        cast = Tensor(tensor.data.astype(dtype), requires_grad=tensor.requires_grad)
        tensor.data, tensor.node = cast.data, cast.node
    return model


def test_the_loss_of_the_second_stage_is_that_of_pytorch_and_leaves_the_encoder_alone():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    model, x = make(dtype=np.float64), batch(8, 16, dtype=np.float64)
    model.diffusion.network.output.weight.data += 0.3  # it starts at 0
    loss, _ = model.loss(x, np.random.default_rng(3))

    rng = np.random.default_rng(3)  # the same codes, times and noise
    z = model.diffusion.standardise(model.encode(x, rng))
    t, diffusion = model.diffusion._times(8, rng), model.diffusion.diffusion
    eps = model.diffusion.normal(rng, z.shape)
    z_t, target = diffusion.q_sample(z, eps, t), diffusion.q_sample(eps, -z, t)
    p = {
        n: torch.tensor(v.data, requires_grad=True)
        for n, v in model.diffusion.network.parameters().items()
    }

    def linear(name, h):
        return functional.linear(h, p[f"{name}.weight"], p[f"{name}.bias"])

    sinusoids = torch.tensor(model.diffusion.network.conditioning.sinusoids.data[t])
    embedding = functional.silu(
        linear("conditioning.output", functional.silu(linear("conditioning.hidden", sinusoids)))
    )
    h = linear("input", torch.tensor(z_t))
    h = h + functional.gelu(
        linear("layers.0", h) + linear("times.0", embedding), approximate="tanh"
    )
    expected = ((linear("output", h) - torch.tensor(target)) ** 2).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
    theirs = torch.autograd.grad(expected, list(p.values()))
    every = model.parameters()
    ours = dict(zip(every, grad(loss, list(every.values()))))
    for name, other in zip(p, theirs):
        found = ours[f"diffusion.network.{name}"].data
        np.testing.assert_allclose(found, other.numpy(), rtol=1e-9, atol=1e-12)
    assert not any(g.data.any() for name, g in ours.items() if name.startswith("autoencoder"))


def test_each_stage_trains_its_own_part_at_its_epochs():
    model, x = make(autoencoder_epochs=4), batch(8, 16)
    optimizers = model.optimizers(100)
    rates = [o.schedule(n) for o, n in zip(optimizers.values(), (40, 60))]
    assert rates == pytest.approx([model.settings.final_learning_rate] * 2)
    for epoch, moved in ((0.0, "autoencoder"), (3.9, "autoencoder"), (4.0, "diffusion")):
        before = {name: p.data.copy() for name, p in model.parameters().items()}
        model.update(x, np.random.default_rng(0), epoch, None, optimizers)
        for name, p in model.parameters().items():
            assert np.array_equal(p.data, before[name]) or name.startswith(moved)
    assert {name: o.steps for name, o in optimizers.items()} == {"autoencoder": 2, "diffusion": 1}


@pytest.mark.parametrize("standardise", [True, False])
def test_codes_are_standardised_once_at_the_start_of_the_second_stage(standardise):
    model, x = make(standardise=standardise), batch(8, 16)
    model.autoencoder.mu.weight.data *= 50
    optimizers, rng = model.optimizers(100), np.random.default_rng(0)
    model.update(x, rng, 5.0, None, optimizers)
    z = model.diffusion.standardise(model.encode(x, np.random.default_rng(0)))
    first = model.diffusion.scale.item()
    assert (abs(z.std() - 1) < 0.3) == standardise
    model.update(x**2, rng, 6.0, None, optimizers)
    assert model.diffusion.scale.item() == first


def test_with_a_diffusion_that_knows_the_prior_the_bound_is_minus_elbo():
    """Of N(0, I) the best denoiser is v = 0, which an untrained network gives."""
    model, x = make(latent=3, T=400), np.tile(batch(1, 16), (2000, 1))
    model.autoencoder.mu.weight.data *= 0  # so that q(z|x) = N(0, I) for all x
    model.autoencoder.logvar.weight.data *= 0
    for layer in (model.autoencoder.mu, model.autoencoder.logvar):
        layer.bias.data[...] = 0
    found = model.evaluate(x, np.random.default_rng(0), thorough=True)
    np.testing.assert_allclose(found["nll"], found["reconstruction"] + found["rate"])
    assert found["kl"].mean() == pytest.approx(0, abs=1e-6)
    error = found["rate"].std() / math.sqrt(len(x))
    assert found["rate"].mean() == pytest.approx(0, abs=0.02 + 4 * error)


def test_a_bound_is_above_an_estimate_of_the_likelihood():
    """With the same decoder, N(0, I) as the prior, and importance samples."""
    data = load("digits")
    model = LDM.for_data(
        Settings(**SMALL | {"T": 50}),
        data,
        np.random.default_rng(0),
    )
    x = data.observe(data.test[:50], "levels", np.random.default_rng(0))
    bound = model.evaluate(x, np.random.default_rng(0), thorough=True)
    estimate = -model.autoencoder.log_prob(x, np.random.default_rng(1), 64)
    assert bound["reconstruction"].mean() + bound["kl"].mean() >= estimate.mean()
    assert bound["nll"].mean() > estimate.mean() - 0.5


@pytest.mark.parametrize("network", ["mlp", "conv"])
@pytest.mark.parametrize("shape", [(9, 6), (5, 8, 3)], ids=str)
def test_images_of_odd_sides_and_in_colour(network, shape):
    model, x = make(shape, network=network), batch(8, math.prod(shape))
    rng = np.random.default_rng(0)
    for epoch in (0.0, 9.0):
        model.update(x, rng, epoch, None, model.optimizers(10))
    assert model.sample(3, rng).shape == (3, *shape)
    assert model.codes(x).shape == (8, 2)
    np.testing.assert_allclose(
        model.decode_codes(model.codes(x), rng), model.autoencoder.images(model.codes(x))
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"autoencoder_epochs": 10}, "autoencoder_epochs=10, epochs=10: the epochs after those"),
        ({"autoencoder_epochs": 0}, "autoencoder_epochs=0: must be 1"),
        ({"sampling_steps": 11}, "sampling_steps=11: there are T=10 steps"),
        ({"pixels": "fixed"}, "decoder=logistic with pixels=fixed"),
        ({"width": 0}, "width=0"),
        ({"beta": -1.0}, "beta=-1.0: must be 0"),
        ({"batch": 1}, "standardise=yes with batch=1: the codes of one image have no deviation"),
        ({"width": 5}, "width=5: the embedding of t has as many sines as cosines"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        make(**settings)


def test_settings_of_sampling_reach_the_diffusion():
    """As `chainrule sample --set` gives them to a model."""
    model = make()
    model.diffusion.network.output.weight.data += 0.3  # it starts at 0
    found = [model.sample_codes(3, np.random.default_rng(0))]
    for changes in ({"sampling_steps": 2}, {"sampler": "ddim"}, {"variance": "small"}):
        model.settings = dataclasses.replace(Settings(**SMALL), **changes)
        found.append(model.sample_codes(3, np.random.default_rng(0)))
    assert all(np.abs(a - b).max() > 1e-3 for a, b in itertools.combinations(found, 2))


@pytest.mark.parametrize("stop", [1, 2, 3])
def test_training_goes_on_from_either_stage_as_if_it_had_not_stopped(stop):
    def train(model, optimizers, steps):
        for i in steps:
            x = batch(8, 16, seed=i)
            model.update(x, np.random.default_rng(i), 2.0 * i, None, optimizers)

    whole, first, second = (make(autoencoder_epochs=4) for _ in range(3))
    train(whole, whole.optimizers(4), range(4))
    optimizers, again = first.optimizers(4), second.optimizers(4)
    train(first, optimizers, range(stop))
    second.load_state(first.state())
    for name, optimizer in again.items():
        optimizer.load_state(optimizers[name].state())
    train(second, again, range(stop, 4))
    for name, value in whole.state().items():
        np.testing.assert_array_equal(second.state()[name], value, err_msg=name)


def test_too_few_epochs_are_one_line(capsys):
    assert main(["train", "ldm", "--set", "autoencoder_epochs=5", "--epochs", "4"]) == 2
    assert "so there must be more" in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "warned"), [(30, True), (31, False)])
def test_a_training_that_ends_in_the_first_stage_says_so(steps, warned, tmp_path, capsys):
    command = ["train", "ldm", "--steps", str(steps), "--set", "autoencoder_epochs=2"]
    assert main([*command, "--pictures", "no", "--out", str(tmp_path / "run")]) == 0
    message = "30 steps end in the first stage, which has 30: the second stays untrained"
    assert (message in capsys.readouterr().err) == warned


def test_latents_of_a_large_scale_need_to_be_standardised():
    """Codes of two values, +-30: from N(0, I) a diffusion gets there only if it knows the scale."""
    shares = {}
    for standardise in (True, False):
        model = make(latent=1, width=32, T=20, standardise=standardise, ema=0.9, learning_rate=1e-2)
        rng, optimizers = np.random.default_rng(0), model.optimizers(600)
        model.encode = lambda x, rng: 30 * rng.choice([-1.0, 1.0], (64, 1)).astype(np.float32)
        for _ in range(300):
            model.update(batch(64, 16), rng, 9.0, None, optimizers)
        z = model.sample_codes(400, rng)
        shares[standardise] = (np.abs(np.abs(z) - 30) < 10).mean()
    assert shares[True] > 0.7 > 0.5 > shares[False]
