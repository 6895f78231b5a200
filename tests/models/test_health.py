"""What is recorded of a training, what is said of it, and that it changes nothing."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file

from autograd import nn, optim, relu, sigmoid, sin
from models import pictures
from models.cli import main
from models.errors import Failure
from models.families import FAMILIES
from models.pictures import LayersPanel
from models.training import loop
from models.training.health import RECENT_STEPS, Health, examined
from models.training.log import HEALTH
from models.training.run import Run

TINY = ["--set", "hidden=8", "--set", "latent=3", "--set", "batch=500"]
SMALL = {
    "vae": ["hidden=8", "latent=3", "batch=500"],
    "gan": ["hidden=8,8", "latent=3", "batch=50"],
    "pixelcnn": ["channels=4", "blocks=1", "batch=50"],
    "ddpm": ["T=20", "sampling_steps=0", "network=mlp", "width=8", "batch=50"],
    "autoencoder": ["hidden=8", "latent=3", "batch=50"],
    "iwae": ["hidden=8", "latent=3", "batch=50"],
    "cvae": ["hidden=8", "latent=3", "batch=50"],
    "m2": ["hidden=8", "latent=3", "batch=50"],
    "vaegan": ["hidden=8,8", "latent=3", "batch=50"],
    "aae": ["hidden=8,8", "batch=50"],
    "bigan": ["hidden=8,8", "latent=3", "batch=50"],
    "realnvp": ["layers=2", "hidden=8", "batch=50"],
    "gmm": ["method=gradient", "batch=50"],
    "hvae": ["hidden=8", "latent=3", "batch=50", "upper_hidden=4", "upper_latent=2"],
    "vqvae": [
        "batch=50",
        "hidden=4",
        "codes=5",
        "prior_channels=4",
        "prior_blocks=1",
        "autoencoder_epochs=1",
    ],
    "mgan": ["hidden=8,8", "latent=3", "batch=50", "generators=3"],
    "gman": ["hidden=8,8", "latent=3", "batch=50", "discriminators=2"],
    "ldm": ["hidden=8", "latent=3", "width=8", "T=20", "sampling_steps=0", "batch=50"],
}
N = 20  # images of 16 pixels


class Chain(nn.Module):
    """Linear layers of 16 units, each followed by an activation; the target is 0."""

    def __init__(self, depth, activation=relu):
        rng = np.random.default_rng(0)
        self.layers = [nn.Linear(16, 16, rng) for _ in range(depth)]
        self.activation = activation

    def forward(self, x):
        for layer in self.layers:
            x = self.activation(layer(x))
        return x


def recorded(model, rate=0.01, steps=1):
    """The lines of so many steps of gradient descent."""
    x = np.random.default_rng(1).standard_normal((N, 16)).astype(np.float32)
    optimizer, lines = optim.SGD(model.parameters(), rate), []
    for step in range(1, steps + 1):
        with examined(model) as numbers:
            model.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
        lines.append({"step": step, **numbers})
    return lines


def test_the_numbers_are_those_of_the_gradient_the_weights_and_the_update():
    rate, model, same = 0.5, Chain(2), Chain(2)
    (line,) = recorded(model, rate)
    recorded(same, 0.0)
    hidden = np.random.default_rng(1).standard_normal((N, 16)).astype(np.float32)
    for i, layer in enumerate(same.layers):
        for kind in ("weight", "bias"):
            p, name = getattr(layer, kind), f"layers.{i}.{kind}"
            slope = np.linalg.norm(p.grad.numpy())
            assert line[f"gradient.{name}"] == pytest.approx(slope, rel=1e-6)
            assert line[f"weight.{name}"] == pytest.approx(np.linalg.norm(p.numpy()), rel=1e-6)
            assert line[f"update.{name}"] == pytest.approx(rate * slope, rel=1e-3)
        hidden = np.maximum(hidden @ layer.weight.numpy().T + layer.bias.numpy(), 0)
        assert line[f"dead.layers.{i}"] == pytest.approx((hidden == 0).all(0).mean())
    assert len(line) == 1 + 3 * 4 + 2
    health = Health([line], model)
    both = np.hypot(line["gradient.layers.0.weight"], line["gradient.layers.0.bias"])
    assert health.layers == ["layers.0", "layers.1"]
    assert health.gradient[0, 0] == pytest.approx(both / np.sqrt(16 * 17))
    assert health.update[0, 0] == pytest.approx(rate * both / np.hypot(
        line["weight.layers.0.weight"], line["weight.layers.0.bias"]), rel=1e-3)  # fmt: skip


def test_units_are_dead_at_every_place_of_every_image_and_by_the_layer_before_them():
    class Block(nn.Module):
        def __init__(self):
            rng = np.random.default_rng(0)
            self.conv, self.up = nn.Conv2d(1, 4, 1, rng), nn.Conv2d(4, 4, 1, rng)
            self.conv.bias.data[:] = 9, 0, -9, -9
            self.conv.weight.data[:] = 0
            self.conv.weight.data[2] = 10  # of an image of ones this unit is 1

        def forward(self, x):
            h = relu(self.conv(x))
            return relu(h + self.up(h))

    model = Block()
    images = np.zeros((3, 1, 5, 5), np.float32)
    images[1, 0, 2, 2] = 1
    with examined(model) as numbers:
        model(images)
        model(images[:1])  # a second call kills no unit that the first has seen alive
    assert numbers["dead.conv"] == 0.5
    assert "dead.up" in numbers and len([key for key in numbers if key.startswith("dead")]) == 2


def broken(model, layer, **values):
    for kind, value in values.items():
        getattr(model.layers[layer], kind).data[...] = value
    return model


@pytest.mark.parametrize(
    ("model", "rate", "said"),
    [
        (Chain(2), 0.01, r"^gradients, updates and units: no layer is far from the others$"),
        (
            Chain(12, sigmoid),
            1,
            r"gradient of layers\.0: \de-0\d of the median layer's: it vanishes",
        ),
        (Chain(3, lambda x: sin(1e4 * x)), 0, r"of layers\.0: \de\+\d+ times .* it explodes"),
        (
            broken(Chain(9), 4, bias=-99),
            0,
            r"units after layers\.4: 100% are 0 for the whole",
        ),
        (broken(Chain(9), 4, bias=-99), 0, r"gradient of layers\.0: exactly 0"),
        (broken(Chain(3), 1, weight=np.nan), 0, r"gradient of layers\.0: not finite at step 1"),
        (Chain(2), 1e-7, r"update of layers\.0: \S+ of its weights, lost in rounding"),
        (Chain(2), 1e4, r"update of layers\.1: \S+ of its weights; 0\.001 is usual"),
    ],
)
def test_a_layer_that_is_not_well_is_named(model, rate, said):
    remarks = "\n".join(Health(recorded(model, rate), model).remarks())
    assert re.search(said, remarks), remarks


def test_a_layer_is_judged_by_the_median_of_the_last_steps():
    model = Chain(2)
    (line,) = recorded(model)
    spoiled = {
        key: 1e6 * number if key.startswith("update") else number for key, number in line.items()
    }
    said = [
        len(Health(lines, model).remarks()[0]) for lines in ([spoiled] * 9 + [line] * 6, [line] * 6)
    ]
    assert said[0] == said[1]


def test_a_layer_of_a_stage_that_is_over_is_named_but_not_judged():
    model, steps = Chain(2), 2 * RECENT_STEPS
    lines = recorded(model, steps=steps)
    over = {key: 0.0 for key in lines[0] if re.match(r"(gradient|update)\.layers\.0", key)}
    lines[RECENT_STEPS:] = [line | over for line in lines[RECENT_STEPS:]]
    well, rests = Health(lines, model).remarks()
    assert well.endswith("no layer is far from the others")
    assert rests == f"no longer updated after step {RECENT_STEPS}, so not judged: layers.0"


def test_the_picture_has_a_row_for_each_layer_and_the_names_of_blocks():
    model = Chain(2)
    figure = Health(recorded(model, steps=3), model).picture(2, "a title")
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_title("left")]
    assert titles == ["gradient (root mean square)", "update / weights", "dead units"]
    first = figure.axes[0]
    assert [text.get_text() for text in first.get_yticklabels()] == ["layers.0", "layers.1"]
    assert first.get_xlim() == (0, 1.5)
    names = [f"{block}.{layer}.{kind}" for block in "ab" for layer in range(10) for kind in "xy"]
    panel = LayersPanel("", np.ones((40, 1)))
    (axes, _) = pictures.layers(names, np.zeros(1), [panel], "").axes
    assert [text.get_text() for text in axes.get_yticklabels()] == [
        f"{block}.{layer}" for block in "ab" for layer in range(10)
    ]


# In a run


def train(directory, *options):
    return main(["train", "vae", *TINY, "--pictures", "no", "--out", str(directory), *options])


def left(directory):
    arrays = load_file(directory / "checkpoint.safetensors")
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return {k: v.tobytes() for k, v in arrays.items()}, [{**line, "seconds": 0} for line in lines]


def steps(directory):
    return [json.loads(line)["step"] for line in (directory / HEALTH).read_text().splitlines()]


def test_it_changes_nothing_costs_nothing_when_off_and_goes_on(tmp_path, monkeypatch, capsys):
    """Off, no parameter is copied and nothing watches."""
    assert train(tmp_path / "on", "--epochs", "3", "--health", "2") == 0
    assert "no layer is far from the others" in capsys.readouterr().out
    assert steps(tmp_path / "on") == [1, 3, 5, 7, 9]
    with monkeypatch.context() as off:
        off.setattr(loop, "recording", None)
        assert train(tmp_path / "off", "--epochs", "3") == 0
    assert "no layer is far" not in capsys.readouterr().out
    assert not (tmp_path / "off" / HEALTH).exists()
    assert left(tmp_path / "on") == left(tmp_path / "off")


def test_a_run_that_goes_on_has_the_lines_of_one_that_was_not_stopped(tmp_path, monkeypatch):
    assert train(tmp_path / "whole", "--epochs", "3", "--health", "2") == 0
    saved = Run.save

    def stopped(run):
        if run.step == 6:
            raise MemoryError
        saved(run)

    monkeypatch.setattr(Run, "save", stopped)
    assert train(tmp_path / "run", "--epochs", "3", "--health", "2") == 1
    monkeypatch.undo()
    assert steps(tmp_path / "run") == [1, 3, 5]
    resume = ["train", "vae", "--resume", str(tmp_path / "run"), "--health", "2"]
    assert main([*resume, "--pictures", "end"]) == 0
    lines = [(tmp_path / name / HEALTH).read_bytes() for name in ("whole", "run")]
    assert lines[0] == lines[1]
    assert (tmp_path / "run" / "health.png").exists()


def test_lines_of_other_layers_are_refused(tmp_path):
    lines = recorded(Chain(1))
    (tmp_path / HEALTH).write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(Failure, match=r"health.jsonl does not fit the model: no 'grad.*layers\.1"):
        Health.read(tmp_path, Chain(2))
    assert Health.read(tmp_path, Chain(1)).steps == [1]
    assert Health.read(tmp_path / "elsewhere", Chain(1)) is None


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_has_a_health(name, tmp_path):
    options = [word for option in SMALL[name] for word in ("--set", option)]
    command = ["train", name, *options, "--pictures", "no", "--steps", "2", "--health", "1"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    health = Run.open(tmp_path / "run").health
    assert np.isfinite(health.gradient).all() and (health.gradient[:, 1] > 0).any()
    assert np.nanmin(health.dead, initial=0) >= 0 and np.nanmax(health.dead, initial=0) <= 1
