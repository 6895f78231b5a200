"""Everything that is to run on a GPU: the same numbers as on the CPU, and nowhere NumPy's arrays.

Here the device is a pretend one, `tests/autograd/device.py`; tests/gpu runs the same tests on a
real one.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor, nn, optim, to_device
from autograd.primitive import Primitive
from autograd.tensor import array_of
from kernels import dispatch
from models.adversarial import aae, bigan, gan, gman, mgan, vaegan
from models.autoencoders import autoencoder, cvae, hvae, iwae, m2, vae, vqvae
from models.autoregressive import pixelcnn
from models.cli import main
from models.data import Dataset
from models.densities import gmm, realnvp
from models.diffusion import ddpm, ldm
from models.model import Model
from tests.autograd import device
from tests.autograd.test_nn import LAYERS, OPTIMISERS
from tests.autograd.test_primitives import derivatives, every_primitive, sampled_case


@pytest.fixture(scope="module", autouse=True)
def cupy():
    """The pretend CuPy in the place of the real one; its kernels are the reference's.

    These ask CuPy for products, which no graph can record.
    """
    with device.pretended(), dispatch.use("reference"), ag.no_replay():
        yield device


@contextmanager
def watched() -> Iterator[None]:
    """Every primitive given an array of the device has to return one."""
    call = Primitive.__call__

    def checked(self, *inputs, **keywords):
        out = call(self, *inputs, **keywords)
        if any(dispatch.is_on_device(array_of(x)) for x in inputs):
            assert dispatch.is_on_device(array_of(out)), f"{self.name} left the device"
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Primitive, "__call__", checked)
        yield


def same(run: Callable, *arrays: np.ndarray, tolerance: float = 2e-4) -> None:
    """`run`, given `arrays` in float32, makes the same list of arrays on the CPU and the device."""
    single = [x.astype(np.float32) for x in arrays]
    expected = run(*single)
    with watched():
        found = run(*(to_device(x, "cuda") for x in single))
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert dispatch.is_on_device(a)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        scale = 1 + np.abs(b).max(initial=0)
        np.testing.assert_allclose(a.get(), b, atol=tolerance * scale, rtol=0)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


HOST = np.ones((2, 3), np.float32)
REFUSED = {
    "NumPy's array on the right": lambda x: x * HOST,
    "NumPy's array on the left": lambda x: HOST * x,
    "NumPy's array without dimensions": lambda x: x + np.array(1.0),
    "NumPy's array as what is added to": lambda x: np.add(HOST, x, out=HOST.copy()),
    "conversion": np.asarray,
    "NumPy's condition": lambda x: np.where(HOST > 0, x, 0.0),
    "condition of Python": lambda x: np.where(True, x, 0.0),
    "NumPy's array among the parts": lambda x: np.concatenate((x, HOST)),
    "a function that CuPy lacks": lambda x: np.insert(x, 1, 1.0),
    "add.at of NumPy": lambda x: np.add.at(x, ([0], [1]), 1.0),
    "assignment of NumPy's array": lambda x: x.__setitem__(..., HOST),
    "a keyword that CuPy lacks": lambda x: x.sum(where=True),
    "NumPy's array indexed by one": lambda x: HOST[x],
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_device_refuses(name, cupy):
    with pytest.raises((TypeError, ValueError, AttributeError, IndexError)):
        REFUSED[name](cupy.asarray(HOST))


def test_the_device_takes_scalars_and_indices_and_keeps_what_has_no_dimensions(cupy):
    x = cupy.asarray(HOST)
    for y in (2 * x, x**0.5, np.float32(2) - x, x[np.array([1, 0])], x[HOST > 0], x.sum(), x[0, 0]):
        assert isinstance(y, cupy.ndarray)
        assert y.dtype == np.float32
    assert float(x.sum()) == x.sum().item() == 6
    assert x.sum().shape == ()


@every_primitive(examples=30)
def test_every_primitive_and_its_derivatives_to_order_three(name, data):
    f, arrays = sampled_case(data, name)
    same(lambda *xs: derivatives(f, list(xs)), *arrays)


COMPOSED = {
    "matmul of vectors": lambda x: x[0] @ x.T @ x,
    "prod": lambda x: ag.prod(x, axis=1),
    "var": lambda x: ag.var(x, axis=(0, 1)),
    "softmax": lambda x: ag.softmax(x),
    "log_sigmoid": lambda x: ag.log_sigmoid(x),
    "silu": ag.silu,
    "gelu": ag.gelu,
    "stack": lambda x: ag.stack([x, -x, 2 * x]),
    "flatten": lambda x: ag.flatten(ag.reshape(x, shape=(3, 2, 2))),
    "upsample_nearest": lambda x: ag.upsample_nearest(x.reshape(1, 1, 3, 4), 2),
    "max_pool2d": lambda x: ag.max_pool2d(x.reshape(1, 1, 3, 4), 2, 1),
    "avg_pool2d": lambda x: ag.avg_pool2d(x.reshape(1, 1, 3, 4), (3, 2)),
    "embedding": lambda x: ag.embedding(x, np.array([[2, 0], [2, 2]])),
    "argmin": lambda x: x * ag.argmin(x, axis=1)[:, None] + ag.argmax(x),
    "one_hot": lambda x: x * ag.one_hot(ag.argmax(x, axis=1), 4),
    "cross_entropy": lambda x: ag.cross_entropy(x, np.array([3, 0, 1])),
    "cross_entropy with indices of the device": lambda x: ag.cross_entropy(x, ag.argmin(x, 1)),
    "squared_distances": lambda x: ag.squared_distances(x[:2], x),
    "slogdet": lambda x: ag.slogdet(x @ x.T)[1] * ag.slogdet(-x @ x.T)[0],
    "solve": lambda x: ag.solve(x @ x.T, x.reshape((4, 3, 1))),
    "inverse and a vector": lambda x: ag.solve(ag.inverse(x @ x.T), x[:, 0]),
    "triangles": lambda x: ag.solve_triangular(ag.tril(x[:, :3], 1), ag.triu(x, -1)),
    "gelu, exact": lambda x: ag.gelu(x, exact=True),
    "einsum": lambda x: ag.einsum("ij,kj,lk->il", x, x, x[:, :3]) * ag.einsum("ii", x[:, :3]),
    "split": lambda x: ag.split(x, [1], axis=1)[1] + ag.split(x, 2, axis=1)[0][:, :1],
    "flip and roll": lambda x: ag.roll(ag.flip(x, 0), 1) * x,
    "gather": lambda x: ag.gather(x, np.array([[2], [0], [0]])),
    "sort and topk": lambda x: ag.sort(x) * ag.topk(x, 3, axis=0)[0] + ag.topk(x, 1)[1],
    "normalize and std": lambda x: ag.normalize(x) * ag.std(x, axis=0),
    "logcumsumexp": lambda x: ag.logcumsumexp(x, axis=0),
    "attention": lambda x: ag.attention(x, x, x, causal=True),
    "logsumexp of -inf": lambda x: ag.logsumexp(
        ag.where(x.data > 9, x, -np.inf), axis=1, keepdims=True
    ).sum(axis=0),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_what_is_made_of_primitives(name):
    same(lambda x: derivatives(COMPOSED[name], [x]), rng().standard_normal((3, 4)))


def test_jacobians_and_hessians():
    def run(x):
        f = lambda x: (ag.tanh(x) ** 3).sum(axis=0)  # noqa: E731
        g, scalar = x[0], lambda x: f(x).sum()
        found = [ag.vjp(f, x, g), ag.jvp(f, x, x), ag.jacobian(f, x), ag.hvp(scalar, x, x)]
        return [y.data for y in (*found, ag.hessian(scalar, x))]

    same(run, rng().standard_normal((3, 2)))


def test_backward_adds_to_the_gradient_and_a_nan_is_found(cupy):
    x = Tensor(cupy.asarray(HOST), requires_grad=True)
    for _ in range(2):
        (x * 3).sum().backward(cupy.asarray(np.float32(2)))
    np.testing.assert_array_equal(x.grad.numpy(), np.full_like(HOST, 12))
    assert (x.grad >= 12).all()
    assert f"{x.sum()} {x.sum():.1f}" == "Tensor(6., made by sum) 6.0"
    assert len(list(x)) == 2
    assert ag.grad(x.sum(), [x, Tensor(x.data, requires_grad=True)])[1].numpy().any() == 0
    with ag.detect_nan(), pytest.raises(FloatingPointError, match="made the first NaN"):
        ag.log(-x)


# Layers and optimisers


def run_layer(layer: nn.Module, x: np.ndarray) -> list[np.ndarray]:
    """What a layer gives, its gradients and its state, after training and in evaluation."""
    found = []
    for training in (True, False):
        layer.train(training)
        layer.zero_grad()
        input_ = Tensor(x, requires_grad=True)
        y = layer(input_)
        (y * y).sum().backward()
        parameters = layer.parameters().values()
        found += [y.data, input_.grad.data, *(p.grad.data for p in parameters)]
        found += [t.data.copy() for t in layer.tensors().values()]
    return found


MORE_LAYERS = {
    "Dropout": (None, lambda: nn.Dropout(0.5, rng()), (4, 5)),
    "CausalConv1d": (None, lambda: nn.CausalConv1d(2, 3, 2, rng()), (3, 2, 5)),
    "Sequential": (None, lambda: nn.Sequential(nn.Linear(5, 4, rng()), ag.relu), (3, 5)),
}


@pytest.mark.parametrize("name", LAYERS | MORE_LAYERS)
def test_layers(name):
    _, make, shape = (LAYERS | MORE_LAYERS)[name]

    def run(x):
        layer = make()
        if dispatch.is_on_device(x):
            layer.to("cuda")
        return run_layer(layer, x)

    same(run, rng().standard_normal(shape))


def test_a_module_goes_to_the_device_and_back_with_its_state_and_gradients(cupy):
    layer, other = nn.BatchNorm(3), nn.BatchNorm(3)
    layer.to("cuda")
    layer(cupy.asarray(rng().standard_normal((4, 3)).astype(np.float32))).sum().backward()
    assert isinstance(layer.weight.data, cupy.ndarray)
    assert isinstance(layer.weight.grad.data, cupy.ndarray)
    state = layer.state()
    assert {type(array) for array in state.values()} == {np.ndarray}
    layer.to("cpu")
    assert type(layer.bias.data) is type(layer.bias.grad.data) is np.ndarray
    np.testing.assert_array_equal(layer.bias.grad.data, [4, 4, 4])
    other.to("cuda")
    other.load_state(state)
    for name, array in layer.state().items():
        np.testing.assert_array_equal(other.state()[name], array)
    assert isinstance(other.running_var.data, cupy.ndarray)


def test_embedding_takes_indices_of_either_side(cupy):
    layer = nn.Embedding(4, 3, rng())
    layer.to("cuda")
    indices = np.array([2, 0])
    for given in (indices, cupy.asarray(indices)):
        np.testing.assert_array_equal(layer(given).numpy(), layer.weight.numpy()[indices])


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimisers_step_and_resume(name):
    make = OPTIMISERS[name][1]

    def run(start):
        p = Tensor(start.copy(), requires_grad=True)
        optimiser = make({"p": p})
        for scale in (1.0, 0.1, -2.0):
            p.grad = Tensor(np.sin(scale * p.data))
            optimiser.step()
        resumed = make({"p": p})
        resumed.load_state(optimiser.state())
        resumed.step()
        assert optim.clip_gradients({"p": p}, 1.0) > 1
        average = optim.EMA({"p": p}, 0.5)
        p.data = p.data + 1
        average.update(lambda: 0)
        return [p.data, p.grad.data, *resumed._state.values(), *average.average.values()]

    same(run, rng().standard_normal((300, 200)), tolerance=1e-5)


# Models


VAE = vae.Settings(hidden=(6,), latent=2, pixels="fixed")
GAN = gan.Settings(network="mlp", hidden=(6,), latent=2)
PIXELCNN = pixelcnn.Settings(kernel_size=3, channels=4, blocks=1, pixels="fixed")
DDPM = ddpm.Settings(T=4, width=4, resolutions=2, depth=1, sampling_steps=0)


def with_training_images(*arguments: Any) -> Model:
    model = autoencoder.Autoencoder(*arguments)
    model.use_training_images(np.eye(16, dtype=np.float32))
    return model


def with_labelled_images(*arguments: Any) -> Model:
    model = m2.M2(*arguments)
    images, labels = rng().integers(0, 3, (6, 4, 4)).astype(np.uint8), np.arange(6) % 3
    model.known, model.share = Dataset("six", 3, images, images, labels, labels), 0.5
    return model


def started(*arguments: Any) -> Model:
    model = gmm.GMM(*arguments)
    model.start(np.eye(16, dtype=np.float32), rng())
    return model


PERCEPTRONS = {"network": "mlp", "hidden": (6,), "latent": 2}
BINARY = {"hidden": (6,), "latent": 2, "pixels": "fixed"}
UPPER = {"upper_hidden": (5,), "upper_latent": 2}
MODELS: dict[str, tuple[Callable[..., Model], Any, int]] = {
    "vae, bernoulli": (vae.VAE, VAE, 0),
    "vae, gaussian": (vae.VAE, replace(VAE, decoder="gaussian", pixels="dequantised"), 0),
    "gan, perceptrons": (gan.GAN, GAN, 0),
    "gan, conditional wgan-gp": (gan.GAN, replace(GAN, loss="wgan-gp", conditional=True), 3),
    "gan, unrolled dcgan": (gan.GAN, replace(GAN, network="dcgan", unrolled_steps=1), 0),
    "gan, spectral norm and minibatch discrimination": (
        gan.GAN,
        replace(GAN, network="dcgan", spectral_norm=True, minibatch_kernels=2),
        0,
    ),
    "pixelcnn, plain": (pixelcnn.PixelCNN, PIXELCNN, 0),
    "pixelcnn, gated, conditional, of 3 levels": (
        pixelcnn.PixelCNN,
        replace(PIXELCNN, kind="gated", conditional=True, pixels="levels"),
        3,
    ),
    "ddpm, perceptron": (ddpm.DDPM, replace(DDPM, network="mlp"), 0),
    "ddpm, conditional U-Net with ddim": (
        ddpm.DDPM,
        replace(DDPM, conditional=True, sampler="ddim", guidance=1.0),
        3,
    ),
    "autoencoder, contractive": (
        with_training_images,
        autoencoder.Settings(kind="contractive", hidden=(6,), latent=2),
        0,
    ),
    "iwae": (iwae.IWAE, iwae.Settings(**BINARY, k=3), 0),
    "iwae, doubly reparameterised": (
        iwae.IWAE,
        iwae.Settings(**BINARY, k=3, gradient="doubly-reparameterised"),
        0,
    ),
    "cvae": (cvae.CVAE, cvae.Settings(**BINARY), 3),
    "m2": (with_labelled_images, m2.Settings(**BINARY, batch=6), 3),
    "hvae, ladder": (hvae.HVAE, hvae.Settings(**BINARY, **UPPER, free_bits=1.0), 0),
    "hvae, bottom-up": (hvae.HVAE, hvae.Settings(**BINARY, **UPPER, inference="bottom-up"), 0),
    **{
        f"vqvae, {codebook}": (
            vqvae.VQVAE,
            vqvae.Settings(
                **BINARY,
                codes=5,
                codebook=codebook,
                prior_channels=4,
                prior_blocks=1,
                autoencoder_epochs=2,
            ),
            0,
        )
        for codebook in ("ema", "loss")
    },
    "vaegan": (vaegan.VAEGAN, vaegan.Settings(**PERCEPTRONS), 0),
    "aae": (aae.AAE, aae.Settings(**PERCEPTRONS), 0),
    "aae, conditional, of a roll": (
        aae.AAE,
        aae.Settings(**PERCEPTRONS, prior="swiss-roll", conditional=True),
        3,
    ),
    "bigan": (bigan.BiGAN, bigan.Settings(**PERCEPTRONS, reconstruction=1.0), 0),
    "mgan": (mgan.MGAN, mgan.Settings(**PERCEPTRONS, generators=2), 0),
    "gman": (gman.GMAN, gman.Settings(**PERCEPTRONS, discriminators=2), 0),
    "ldm": (
        ldm.LDM,
        ldm.Settings(**BINARY, width=4, depth=1, T=4, autoencoder_epochs=2),
        0,
    ),
    "realnvp": (realnvp.RealNVP, realnvp.Settings(layers=2, hidden=(6,)), 0),
    "gmm, em": (started, gmm.Settings(components=2, floor=0.1), 0),
    "gmm, gradient": (started, gmm.Settings(components=2, method="gradient"), 0),
}
"""The families, in most of what they can be; small, for images (4, 4) of 3 levels."""


@pytest.mark.parametrize("name", MODELS)
def test_models_train_evaluate_and_sample(name):
    family, settings, classes = MODELS[name]
    labels = np.arange(6) % classes if classes else None

    def run(x):
        model = family(settings, (4, 4), 3, rng(), *[classes] * bool(classes))
        where = "cuda" if dispatch.is_on_device(x) else "cpu"
        model.to(where)
        optimizers = model.optimizers(10)
        for step in range(3):
            model.update(x, np.random.default_rng(step), step, labels, optimizers)
        numbers = model.evaluate(x, rng(), labels)
        samples = model.sample(6, rng(), labels)
        found = [*model.tensors().values(), *map(Tensor, (*numbers.values(), samples))]
        return [to_device(tensor.data, where) for tensor in found]

    same(run, rng().integers(0, 2, (6, 16)))


TINY = ["--set", "hidden=8", "--set", "latent=3", "--set", "batch=500"]


def losses(directory):
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [m["loss"] for m in map(json.loads, lines) if "test" not in m]


def test_a_run_trains_resumes_evaluates_and_samples(tmp_path, capsys):
    on_cpu, run = tmp_path / "cpu", tmp_path / "cuda"
    cuda = ["--device", "cuda"]
    assert main(["train", "vae", *TINY, "--out", str(on_cpu), "--steps", "4"]) == 0
    assert main(["train", "vae", *TINY, "--out", str(run), "--steps", "4", *cuda]) == 0
    assert losses(run) == pytest.approx(losses(on_cpu), rel=1e-4)
    capsys.readouterr()
    bounds = []
    for directory, options in ((on_cpu, []), (run, cuda)):
        assert main(["evaluate", str(directory), "--json", *options]) == 0
        evaluation = json.loads(capsys.readouterr().out)
        bounds.append([evaluation["reconstruction"], evaluation["kl"], evaluation["nll"]])
    assert bounds[1] == pytest.approx(bounds[0], rel=1e-4)
    assert main(["sample", str(run), "-n", "2", *cuda]) == 0
    assert main(["train", "vae", "--resume", str(run), "--steps", "5"]) == 0
    assert len(losses(run)) == 5


def fails_without_a_gpu(tmp_path, capsys) -> str:
    assert main(["train", "vae", "--device", "cuda", "--out", str(tmp_path / "run")]) == 1
    assert not (tmp_path / "run").exists()
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == 1
    return error


def test_a_run_without_cupy_fails_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    error = fails_without_a_gpu(tmp_path, capsys)
    assert error == "chainrule: device cuda needs CuPy, which is not installed; use cpu\n"


def test_a_run_without_a_gpu_fails_in_one_line(tmp_path, capsys, monkeypatch):
    def no_driver():
        raise device.CUDARuntimeError("cudaErrorInsufficientDriver: no driver")

    monkeypatch.setitem(sys.modules, "cupy", device)
    monkeypatch.setattr(device.cuda.runtime, "getDevice", no_driver)
    error = fails_without_a_gpu(tmp_path, capsys)
    assert "device cuda: no usable GPU (cudaErrorInsufficientDriver: no driver); use cpu" in error


def test_a_trace_on_the_device_is_that_on_the_cpu():
    def traced(place: str) -> str:
        x = Tensor(to_device(np.linspace(-1, 1, 6).reshape(2, 3), place), requires_grad=True)
        w = Tensor(to_device(np.linspace(0, 1, 3), place), requires_grad=True)
        with ag.tracing({"x": x, "w": w}) as trace:
            h = ag.tanh(x * w)
            (
                ag.conv2d(h.reshape(1, 1, 2, 3), h.reshape(1, 1, 2, 3)) + h.detach().sum()
            ).sum().backward()
        return str(trace)

    assert traced("cuda") == traced("cpu")
