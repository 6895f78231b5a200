"""The command line and the runs that it makes: what they leave, resume and refuse."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from models import __version__, pictures
from models.cli import main
from models.data import DATASETS, Dataset
from models.errors import Failure
from models.files import read_arrays, replacing, write_arrays
from models.training import loop
from models.training.picture_schedule import PictureSchedule
from models.training.run import Run

TINY = ["--set", "hidden=8", "--set", "latent=3", "--set", "batch=500"]
PICTURES = {"reconstructions", "samples", "interpolations", "latent_plane", "curves"}


def train(directory, *options):
    return main(["train", "vae", *TINY, "--out", str(directory), *options])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of three epochs of three steps, which tests read and do not change."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    assert train(directory, "--epochs", "3") == 0
    return directory


@pytest.fixture
def copy(run, tmp_path):
    """A run of one's own to spoil."""
    return shutil.copytree(run, tmp_path / "copy")


def lines(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def test_a_run_leaves_its_numbers_settings_and_pictures(run):
    assert {path.stem for path in run.glob("*.png")} == PICTURES
    assert not list(run.glob("*.unfinished"))
    train_lines = [line for line in lines(run) if "test" not in line]
    assert [line["step"] for line in train_lines] == list(range(1, 10))
    for line in train_lines:
        assert line["loss"] == pytest.approx(line["reconstruction"] + line["kl"], rel=1e-5)
        assert line["seconds"] > 0
    assert [line["step"] for line in lines(run) if "test" in line] == [3, 6, 9]
    config = json.loads((run / "config.json").read_text())
    assert config["settings"]["hidden"] == [8]
    assert config["seed"] == 0
    assert config["data_checksum"].startswith("8f26b2bd9d")
    assert {"python", "numpy", "numba", "chainrule"} <= set(config["versions"])


def test_each_picture_is_a_figure_too(run, tmp_path):
    opened, sample = Run.open(str(run)), tmp_path / "sample.png"
    figures = opened.figures()
    assert figures.keys() == PICTURES
    assert main(["sample", str(run), "-n", "4", "--seed", "2", "--out", str(sample)]) == 0
    files = {name: run / f"{name}.png" for name in figures} | {"sample": sample}
    figures["sample"] = opened.report.sample_figure(4, seed=2)
    for name, figure in figures.items():
        assert pictures.to_bytes(figure, ".png") == files[name].read_bytes()


def test_the_report_has_nats_the_form_of_the_pixels_and_the_baseline(tmp_path, capsys):
    assert train(tmp_path / "run", "--steps", "2") == 0
    out = capsys.readouterr().out
    assert out.startswith("vae on digits, fixed binarisation (pixel > 1/2)\n")
    assert "test -ELBO, nats per image " in out
    assert "fixed binarisation (pixel > 1/2): mean over 297 test images\n" in out
    assert re.search(r"factorised model +24\.01   the baseline", out)
    assert str(tmp_path / "run" / "samples.png") in out


def test_the_demo_reaches_its_bound(tmp_path, capsys):
    """A PyTorch twin of this VAE reaches 18.3 to 18.5 nats; the factorised model has 24.01."""
    assert main(["train", "vae", "--out", str(tmp_path / "run")]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["negative_elbo"] <= 18.6


@pytest.mark.parametrize(
    "options",
    [
        ["--set", "decoder=gaussian", "--set", "pixels=dequantised"],
        ["--set", "pixels=dynamic", "--set", "anneal_epochs=1"],
        ["--set", "latent=2", "--set", "activation=tanh", "--seed", "5"],
        ["--set", "latent=1"],
        ["--set", "hidden=8,7,6"],
    ],
)
def test_other_settings_train_and_evaluate(tmp_path, options, capsys):
    assert train(tmp_path / "run", "--steps", "2", *options) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["nll"] <= result["negative_elbo"] < 300


def test_the_same_seed_gives_the_same_run_and_another_does_not(run, tmp_path):
    assert train(tmp_path / "same", "--epochs", "3") == 0
    assert train(tmp_path / "other", "--epochs", "3", "--seed", "1") == 0
    first, same, other = (
        load_file(d / "checkpoint.safetensors")
        for d in (run, tmp_path / "same", tmp_path / "other")
    )
    for name, array in first.items():
        np.testing.assert_array_equal(array, same[name])
    assert any((array != other[name]).any() for name, array in first.items())


def test_an_interrupted_run_resumes_as_if_nothing_had_happened(run, tmp_path, monkeypatch, capsys):
    directory = tmp_path / "run"
    train_step, stop_at = loop.train_step, 7  # in the third epoch, after the second was saved

    def interrupted(run, *arguments, **keywords):
        if run.step == stop_at:
            raise KeyboardInterrupt
        return train_step(run, *arguments, **keywords)

    monkeypatch.setattr(loop, "train_step", interrupted)
    assert train(directory, "--epochs", "3") == 130
    assert "--resume" in capsys.readouterr().err
    assert lines(directory)[-1]["step"] == stop_at
    monkeypatch.undo()

    assert main(["train", "vae", "--resume", str(directory)]) == 0
    whole, resumed = (load_file(d / "checkpoint.safetensors") for d in (run, directory))
    for name, array in whole.items():
        np.testing.assert_array_equal(array, resumed[name])
    without_times = [[{**line, "seconds": 0} for line in lines(d)] for d in (run, directory)]
    assert without_times[0] == without_times[1]


def test_a_finished_run_goes_on_when_asked_for_more(copy, capsys):
    assert main(["train", "vae", "--resume", str(copy)]) == 2
    assert "is finished, at step 9 of 9" in capsys.readouterr().err
    assert main(["train", "vae", "--resume", str(copy), "--epochs", "4"]) == 0
    assert capsys.readouterr().err == (
        "chainrule: warning: the learning rate goes on along a schedule of 12 steps instead of 9: "
        "it is 0.000155 at step 9 instead of 1e-05\n"
    )
    assert lines(copy)[-1]["step"] == 12
    assert main(["train", "vae", "--resume", str(copy), "--steps", "13"]) == 0
    assert lines(copy)[-1]["step"] == 13


def test_a_run_may_have_the_first_images_only(tmp_path, capsys):
    directory = tmp_path / "run"
    assert train(directory, "--set", "batch=50", "--limit", "200", "--epochs", "1") == 0
    out = capsys.readouterr().out
    assert out.startswith("vae on digits, fixed binarisation (pixel > 1/2), the first 200 images\n")
    assert "the first 200 images: mean over 200 test images\n" in out
    assert lines(directory)[-1]["step"] == 4
    assert json.loads((directory / "config.json").read_text())["limit"] == 200
    assert main(["train", "vae", "--resume", str(directory), "--epochs", "2"]) == 0
    assert lines(directory)[-1]["step"] == 8
    capsys.readouterr()
    assert main(["train", "vae", "--resume", str(directory), "--limit", "9"]) == 2
    assert "leave out --limit" in capsys.readouterr().err
    reconfigure(directory, "limit", 300)
    assert main(["evaluate", str(directory)]) == 1
    assert "was trained on other data" in capsys.readouterr().err
    assert train(tmp_path / "few", "--limit", "200") == 2
    assert "a step takes 500 of the 200 training images" in capsys.readouterr().err


def test_a_limit_beyond_the_data_is_refused(tmp_path, capsys):
    assert train(tmp_path / "run", "--limit", "1501") == 2
    assert "limit=1,501: digits has 1,500 images to train on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pictures", "cost", "times"),
    [
        (["--pictures", "no"], 0, 0),
        (["--pictures", "end"], 0, 1),
        (["--pictures", "2"], 0, 4),  # epochs 2, 4, 6, 7
        (["--pictures", "auto"], 0, 7),
        ([], 1e-4, 7),
        ([], 60, 1),
    ],
)
def test_pictures_are_made_when_asked_for_or_when_they_cost_little(
    tmp_path, monkeypatch, pictures, cost, times
):
    class Schedule(PictureSchedule):
        def __init__(self, when):
            super().__init__(when)
            self.expected = cost

    steps = []
    monkeypatch.setattr(Run, "make_pictures", lambda self: steps.append(self.step) or [])
    monkeypatch.setattr("models.training.loop.PictureSchedule", Schedule)
    assert train(tmp_path / "run", "--epochs", "7", *pictures) == 0
    assert len(steps) == times
    assert steps[-1:] == [21][:times]


def test_pictures_never_take_longer_than_training(tmp_path, monkeypatch):
    clock = iter(range(10**6))  # each look at it is a second later
    took = []

    def make_pictures(self):
        took.append(sum(1 for _ in zip(range(5), clock)))
        return []

    monkeypatch.setattr(Run, "make_pictures", make_pictures)
    monkeypatch.setattr("models.training.loop.time.perf_counter", lambda: next(clock))
    assert train(tmp_path / "run", "--epochs", "30") == 0
    total = next(clock)
    assert len(took) > 1 and sum(took) < total / 2


def test_samples_depend_on_the_seed_alone(run, tmp_path, capsys):
    files = [tmp_path / f"{name}.png" for name in "abc"]
    for file, seed in zip(files, "001"):
        assert main(["sample", str(run), "-n", "5", "--seed", seed, "--out", str(file)]) == 0
        assert str(file) in capsys.readouterr().out
    a, b, c = (file.read_bytes() for file in files)
    assert a.startswith(b"\x89PNG")
    assert a == b != c


def test_a_doubtful_setting_is_warned_of_in_one_line(tmp_path, capsys):
    options = ["T=50", "schedule=linear", "beta_end=.02", "sampling_steps=5", "width=4"]
    settings = [word for option in options for word in ("--set", option)]
    assert main(["train", "ddpm", *settings, "--steps", "1", "--out", str(tmp_path / "run")]) == 0
    error = capsys.readouterr().err
    assert error.startswith("chainrule: warning: T=50 ends at alpha_bar_T = 0.5")
    assert error.count("\n") == 1


def test_sampling_has_settings_of_its_own(run, tmp_path, capsys):
    """Those that change the model are refused, since it is trained already."""
    directory = tmp_path / "ddpm"
    options = ["T=8", "sampling_steps=8", "network=mlp", "width=8", "conditional=yes"]
    settings = [word for option in options for word in ("--set", option)]
    assert main(["train", "ddpm", *settings, "--steps", "1", "--out", str(directory)]) == 0
    sample = ["sample", str(directory), "-n", "2"]
    assert main([*sample, "--set", "sampler=ddim", "--set", "guidance=2", "--class", "3"]) == 0
    for wrong, message in (
        (["--set", "width=16"], "--set width=16: not KEY=VALUE with a KEY of sampler"),
        (["--set", "sampling_steps=9"], "sampling_steps=9: there are T=8 steps"),
        (["--class", "10"], "class 10: the classes are 0 to 9"),
    ):
        capsys.readouterr()
        assert main([*sample, *wrong]) == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert main(["sample", str(run), "--class", "1"]) == 2
    assert "this vae is not conditional" in capsys.readouterr().err


def test_evaluate_prints_json_or_a_table(run, capsys):
    assert main(["evaluate", str(run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["negative_elbo"] == pytest.approx(result["reconstruction"] + result["kl"])
    assert result["nll"] <= result["negative_elbo"]
    assert 0 < result["intervals"]["nll"] < 5
    assert result["train_seconds"] > 0
    assert result["pixel_form"] == "fixed binarisation (pixel > 1/2)"
    assert main(["evaluate", str(run)]) == 0
    assert "128 importance samples" in capsys.readouterr().out


def test_help_is_for_a_newcomer(capsys):
    for arguments, words in (
        (["--help"], ("examples:", "chainrule train vae", "--resume")),
        (
            ["train", "--help"],
            ("\nvae:\n", "\nddpm:\n", "hidden", "[400; digits: 64,128;", "--data-dir"),
        ),
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        out = capsys.readouterr().out
        assert all(word in out for word in words)


@pytest.mark.parametrize(
    ("arguments", "status", "models_needed"),
    [("--help", 0, False), ("sample --help", 0, False), ("--version", 0, False),
     ("learn", 2, False), ("train --help", 0, True)],
)  # fmt: skip
def test_help_imports_nothing_that_takes_long(arguments, status, models_needed):
    slow = {"matplotlib", "numba", "scipy.spatial", "scipy.special", "sklearn"}
    slow |= set() if models_needed else {"autograd", "scipy", "tqdm"}
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules))\n"
    program = [sys.executable, "-W", "error", "-c", f"{code}from models.cli import run; run()"]
    done = subprocess.run([*program, *arguments.split()], capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    imported = set(done.stdout.splitlines()[-1].split())
    assert "models.cli.arguments" in imported and not imported & slow


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "required: COMMAND"),
        (["learn"], 2, "invalid choice: 'learn'"),
        (["train"], 2, "required: MODEL"),
        (["train", "rbm"], 2, "unknown model 'rbm': choose one of vae, gan, pixelcnn, ddpm"),
        (["train", "vae", "--data", "ring"], 2, "vae is for images, and ring has points"),
        (["train", "vae", "gan", "--resume", "/x"], 2, "--resume continues one run"),
        (["train", "gan", "vae", "--set", "beta=2"], 2, "--set beta=2: not KEY=VALUE with a KEY"),
        (["compare", "/nowhere"], 2, "/nowhere is not a run"),
        (["compare", "/nowhere", "--out", "x.pdf"], 2, "name it something.html"),
        (["compare"], 2, "required: DIR"),
        (["train", "vae", "--data", "cifar"], 2, "unknown data set 'cifar': choose one of digits"),
        (["train", "vae", "--set", "depth=3"], 2, "not KEY=VALUE with a KEY of network, hidden"),
        (["train", "vae", "--set", "latent"], 2, "not KEY=VALUE"),
        (["train", "vae", "--set", "binarisation=fixed"], 2, "binarisation is now called pixels"),
        (["train", "vae", "--set", "latent=many"], 2, "'many' is not a whole number"),
        (["train", "vae", "--set", "hidden=8,x"], 2, "'8,x' is not whole numbers"),
        (["train", "vae", "--set", "beta=-1"], 2, "beta=-1.0: must be 0 to 1e+09"),
        (["train", "vae", "--set", "batch=1501"], 2, "a step takes 1,501 of the 1,500"),
        (["train", "vae", "--epochs", "0"], 2, "'0' is not a whole number from 1 to 1e+09"),
        (["train", "vae", "--epochs", "1", "--steps", "1"], 2, "not allowed with"),
        (["train", "vae", "--seed", "-1"], 2, "'-1' is not a whole number from 0"),
        (["train", "vae", "--epochs", "9" * 400], 2, "is not a whole number from 1 to 1e+09"),
        (["train", "vae", "--set", "__class__=3"], 2, "not KEY=VALUE with a KEY of "),
        (["train", "vae", "--set", "latent=1000000000"], 1, "Unable to allocate"),
        (["train", "vae", "--device", "tpu"], 2, "invalid choice: 'tpu'"),
        (["train", "vae", "--device", "cuda"], 1, "device cuda"),
        (["train", "vae", "--data", "mnist", "--data-dir", "/nowhere"], 1, "no train-images-idx3"),
        (["train", "vae", "--resume", "/nowhere"], 2, "/nowhere is not a run"),
        (["train", "vae", "--resume", "/x", "--seed", "1"], 2, "keeps the run's own settings"),
        (["train", "vae", "--out", "/dev/null/run"], 1, "cannot make /dev/null/run: Not a dir"),
        (["sample", "/nowhere"], 2, "/nowhere is not a run: it has no config.json"),
        (["sample", "/nowhere", "--out", "x.jpg"], 2, "or a picture something.png, .svg or .pdf"),
        (["sample", "/nowhere", "-n", "100000"], 2, "one picture holds at most 2,500"),
        (["evaluate", "/nowhere"], 2, "/nowhere is not a run"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_line_and_a_status(arguments, status, message, capsys, tmp_path,
                                              monkeypatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == status
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.startswith("chainrule: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""
    assert not list(tmp_path.iterdir())


def test_a_directory_that_exists_is_not_overwritten(copy, capsys):
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    assert train(copy) == 2
    assert "exists: choose another --out, or go on with it by --resume" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before


def rewrite(directory, change):
    """The checkpoint with its arrays and metadata changed."""
    path = directory / "checkpoint.safetensors"
    arrays, metadata = read_arrays(path)
    change(arrays, metadata)
    save_file(arrays, path, metadata)


def reconfigure(directory, key, value):
    path = directory / "config.json"
    config = json.loads(path.read_text())
    (config["settings"] if key in config["settings"] else config)[key] = value
    path.write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda d: rewrite(d, lambda a, m: a.pop("model.mu.bias")), "missing mu.bias"),
        (lambda d: rewrite(d, lambda a, m: a.pop("adam.mean.mu.bias")), "missing mean.mu"),
        (lambda d: rewrite(d, lambda a, m: a.update({"model.x": np.zeros(1)})), "unknown x"),
        (lambda d: rewrite(d, lambda a, m: m.update(model="gan")), "of the model 'gan', not 'vae'"),
        (
            lambda d: (d / "checkpoint.safetensors").write_bytes(b"torn"),
            "cannot read the checkpoint",
        ),
        (lambda d: reconfigure(d, "device", "tpu"), "unknown device 'tpu'"),
        (lambda d: (d / "config.json").write_text("{"), "config.json is damaged"),
        (lambda d: (d / "config.json").write_text("{}"), "config.json is damaged"),
        (lambda d: (d / "metrics.jsonl").write_text("{\n{}\n"), "metrics.jsonl, line 1 is damaged"),
        (lambda d: (d / "metrics.jsonl").write_text('{"a": 1}\n{}\n'), "metrics.jsonl, line 1"),
        (lambda d: (d / "metrics.jsonl").write_bytes(b"\xff\n5\n"), "metrics.jsonl, line 1"),
        (
            lambda d: rewrite(d, lambda a, m: a.update({"adam.steps": np.array(-3)})),
            "steps is",
        ),
        *[
            (lambda d, k=key, v=value: reconfigure(d, k, v), "config.json is damaged")
            for key, value in [
                ("seed", "x"), ("seed", -1), ("data", ["x"]), ("data_dir", 5),
                ("steps", "abc"), ("steps", 0), ("data_checksum", 5), ("latent", 8.5),
                ("latent", True), ("hidden", [1.5]), ("batch", "many"), ("beta", 10**400),
            ]
        ],
    ],
)  # fmt: skip
def test_a_damaged_run_is_refused(copy, spoil, message, capsys):
    spoil(copy)
    assert main(["train", "vae", "--resume", str(copy), "--epochs", "9"]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("key", "value", "unknown"),
    [("limit_of_tests", 5, "limit_of_tests"), ("model", "flow", "model flow"), (None, 3, "depth")],
)
def test_a_newer_config_is_not_called_damaged(copy, key, value, unknown, capsys):
    path = copy / "config.json"
    config = json.loads(path.read_text())
    config["versions"]["chainrule"] = "9.1"
    if key:
        config[key] = value
    else:
        config["settings"]["depth"] = value
    path.write_text(json.dumps(config))
    assert main(["evaluate", str(copy)]) == 1
    assert capsys.readouterr().err == (
        f"chainrule: {path} was written by a newer chainrule (version 9.1; this is "
        f"{__version__}): it has {unknown}, unknown here\n"
    )


def test_a_run_on_other_data_is_refused(copy, capsys):
    reconfigure(copy, "data_checksum", "0" * 64)
    assert main(["evaluate", str(copy)]) == 1
    assert "was trained on other data" in capsys.readouterr().err


def test_a_loss_that_is_nan_stops_and_keeps_the_checkpoint(tmp_path, capsys, monkeypatch):
    directory = tmp_path / "run"
    train_step = loop.train_step

    def poisoned(run, *arguments, **keywords):
        if run.step == 4:
            run.model.mu.weight.data[0, 0] = np.nan
        return train_step(run, *arguments, **keywords)

    monkeypatch.setattr(loop, "train_step", poisoned)
    assert train(directory, "--epochs", "3") == 1
    error = capsys.readouterr().err
    assert "loss is nan at step 4: try a smaller learning_rate than 0.001" in error
    arrays = load_file(directory / "checkpoint.safetensors")
    assert arrays["adam.steps"] == 3
    assert all(np.isfinite(array).all() for array in arrays.values())


@pytest.mark.parametrize("steps", ["1", "3", "9"])
@pytest.mark.parametrize("settings", ["learning_rate=1e8", "beta=1e9"])
def test_a_training_that_diverges_ends_in_one_line_and_saves_nothing_ruined(
    tmp_path, capsys, settings, steps
):
    directory = tmp_path / "run"
    status = train(directory, "--set", settings, "--steps", steps)
    error = capsys.readouterr().err
    path = directory / "checkpoint.safetensors"
    if path.exists():
        assert all(np.isfinite(array).all() for array in load_file(path).values())
    assert status == 0 or ("try a smaller learning_rate" in error and error.count("\n") == 1)
    assert ("keeps its last checkpoint" in error) == (status == 1 and path.exists())


def test_a_checkpoint_is_not_replaced_by_ruined_weights(copy, capsys):
    path = copy / "checkpoint.safetensors"
    before = path.read_bytes()
    reconfigure(copy, "learning_rate", 1e8)
    reconfigure(copy, "final_learning_rate", 1e8)
    assert main(["train", "vae", "--resume", str(copy), "--steps", "10"]) == 1
    assert "keeps its last checkpoint" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_data_that_is_binary_already_is_not_called_dynamic(tmp_path, monkeypatch, capsys):
    bits = np.random.default_rng(0).integers(0, 2, (600, 4, 4), dtype=np.uint8)
    data = Dataset("binarized-mnist", 2, bits, bits)
    monkeypatch.setitem(DATASETS, data.name, lambda folder: data)
    binary = ["--data", "binarized-mnist"]
    assert train(tmp_path / "dynamic", *binary, "--set", "pixels=dynamic") == 2
    assert "binarized-mnist is binary already" in capsys.readouterr().err
    assert train(tmp_path / "fixed", *binary, "--steps", "1") == 0


def test_a_run_stopped_before_its_first_checkpoint_starts_again(copy, capsys):
    (copy / "checkpoint.safetensors").unlink()
    assert main(["evaluate", str(copy)]) == 1
    assert "has no checkpoint yet" in capsys.readouterr().err
    assert main(["train", "vae", "--resume", str(copy), "--steps", "2"]) == 0
    assert [line["step"] for line in lines(copy)] == [1, 2, 2]


def test_a_run_keeps_its_device_and_finds_its_data_from_any_folder(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHAINRULE_DATA", "data")
    assert train(tmp_path / "run", "--steps", "1") == 0
    monkeypatch.delenv("CHAINRULE_DATA")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data_dir"] == str(tmp_path / "data")
    reconfigure(tmp_path / "run", "device", "cuda")
    capsys.readouterr()
    assert main(["train", "vae", "--resume", str(tmp_path / "run"), "--steps", "2"]) == 1
    assert "device cuda" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run")]) == 0


def test_a_full_disk_loses_nothing_that_was_saved(copy):
    """The operating system refuses to let any file grow as large as the checkpoint."""
    path = copy / "checkpoint.safetensors"
    before = path.read_bytes()

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, len(before) // 2))

    command = [sys.executable, "-m", "models.cli", "train", "vae", "--resume", str(copy)]
    result = subprocess.run(
        [*command, "--epochs", "4"],
        preexec_fn=no_room,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": ""},
    )
    assert result.returncode == 1
    assert result.stderr.count("\n") == 2, result.stderr  # the first tells of the learning rate
    assert "checkpoint.safetensors: File too large, the file from before is kept" in result.stderr
    assert path.read_bytes() == before
    assert not list(copy.glob("*.unfinished"))


def test_a_file_cut_short_is_never_seen(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    message = "No space left on device, the file from before is kept"
    with pytest.raises(Failure, match=message), replacing(path) as unfinished:
        unfinished.write_text("half of the n")
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_keeps_values_layouts_and_dtypes(tmp_path):
    arrays = {
        "transposed": np.arange(6.0).reshape(2, 3).T,
        "reversed": np.arange(4, dtype=np.float32)[::-1],
        "count": np.array(7),
    }
    write_arrays(tmp_path / "c.safetensors", arrays, {})
    loaded, _ = read_arrays(tmp_path / "c.safetensors")
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert (loaded[name].dtype, loaded[name].shape) == (array.dtype, array.shape)
