"""The labs: each runs with its solutions, and each check refuses what is not right."""

import itertools
import json
import re
import time
from pathlib import Path

import pytest

from models import labs
from models.cli import main

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
SECONDS = 180  # at most, for a lab

MISTAKES = {
    "engine": {
        1: ("2 * (o - t)", "(o - t)"),
        2: ("1 - y * y", "1 + y * y"),
        3: ("+= value", "= value"),
        4: ("G.sum(axis=0)", "G.mean(axis=0)"),
        5: ("g * tanh(x)", "g * tanh(-x)"),
        6: ("return h + tanh", "return tanh"),
    },
    "distances": {
        1: ("(kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2", "kl(p, (p + q) / 2)"),
        2: ("np.abs(np.sort(u) - np.sort(v))", "np.abs(u - v)"),
        3: (" / len(u)", ""),
        4: ("2.0 * (1", "0.2 * (1"),
        5: ("cdf_q - cdf_p", "cdf_p - cdf_q"),
    },
    "gan": {
        1: ("p / (p + q)", "q / (p + q)"),
        2: ("squashed(s) - 1", "1 - squashed(s)"),
        3: ("0.1 * len(points) / 8", "1"),
        4: ("generator_pace=1.0, learning_rate=1e-3", "generator_pace=10.0"),
        5: ("create_graph=True", "create_graph=False"),
    },
    "vae": {
        1: ("- logvar - 1", "+ logvar - 1"),
        2: ("return mu, ", "return 2 * mu, "),
        3: ("exp(logvar / 2)", "exp(logvar)"),
        4: ("S**2 / (W**2 + S**2)", "S**2"),
        5: ("maximum(kl.mean(), free)", "maximum(kl, free).mean()"),
    },
    "gan_against_vae": {
        1: ("images.mean(axis=0)", "np.median(images, axis=0)"),
        2: ("np.abs(vertical).mean()", "np.abs(vertical).sum()"),
        3: ("[:, 3]", "[:, 2]"),
        4: ("z = z - rate", "z = -rate"),
        5: (" - np.log(len(y))", ""),
        6: (" - logvar / 2)", ")"),
    },
    "pixelcnn": {
        1: ('(kind == "B")', '(kind == "A")'),
        2: ("x * logits - np.logaddexp(0, logits)", "-np.logaddexp(0, -logits)"),
        3: ("rng.random(n) <", "rng.random() <"),
        4: ("right <= up", "right < up"),
        5: ("[0, 0, 0] if is_first else [1, 1, 1]", "[0, 0, 0]"),
    },
    "ddpm": {
        1: ("np.cumprod(1 - betas)", "1 - np.cumsum(betas)"),
        2: ("np.sqrt(abar_before) * beta", "np.sqrt(abar) * beta"),
        3: ("0.5 * np.log", "np.log"),
        4: ("np.sqrt(v) *", "v *"),
        5: ("(part + 0.008) / 1.008", "part / 2"),
    },
}
"""Of each exercise, what a student might write in place of a part of the solution."""


def notebook_of(name):
    return labs.read(name, solutions=True)


def text_of(cell):
    return "".join(cell["source"])


def exercises(name):
    """Each cell with a solution and the cell below it, by the number in the id of the first."""
    cells = notebook_of(name)["cells"]
    pairs = [pair for pair in itertools.pairwise(cells) if BEGIN in text_of(pair[0])]
    return {int(pair[0]["id"].removeprefix("exercise-")): pair for pair in pairs}


def test_the_folder_has_these_labs():
    folder = Path(labs.__file__).parent
    assert {path.stem for path in folder.glob("*.ipynb")} == set(labs.LABS) == set(MISTAKES)


@pytest.mark.parametrize("name", labs.LABS)
def test_what_is_committed(name):
    """No outputs and no metadata; five beats; solutions between pairs of marks, each checked."""
    notebook = notebook_of(name)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
        marks = re.findall(f"{BEGIN}|{END}", text_of(cell))
        assert marks == [BEGIN, END] * (len(marks) // 2)
    text = "\n".join(map(text_of, notebook["cells"]))
    beats = ("Predict", "Derive by hand", "Check it by number", "Break it", "Mend it")
    assert set(re.findall(rf"^## \d\. ({'|'.join(beats)})", text, re.MULTILINE)) == set(beats)
    pairs = exercises(name)
    assert [check["id"] for _, check in pairs.values()] == [f"check-{n}" for n in pairs]
    assert list(pairs) == list(range(1, len(pairs) + 1)) == list(MISTAKES[name])
    assert 3 <= len(pairs) <= 6


def with_wrong_answers(name):
    """The notebook with each exercise unsolved, then wrong, and then as it is, before its check."""
    notebook, cells = notebook_of(name), []
    for number, (exercise, check) in exercises(name).items():
        right, wrong = MISTAKES[name][number]
        assert right in text_of(exercise)
        answers = {
            "unsolved": labs.without_solutions(text_of(exercise)),
            wrong: text_of(exercise).replace(right, wrong),
        }
        for what, code in answers.items():
            tags = {"tags": ["raises-exception"]}
            cells.append(exercise | {"source": code, "metadata": tags})
            cells.append(check | {"metadata": tags | {"must refuse": f"{number}: {what}"}})
        before = notebook["cells"].index(exercise)
        notebook["cells"][before:before], cells = cells, []
    for i, cell in enumerate(notebook["cells"]):
        cell["id"] = str(i)
    return notebook


@pytest.mark.parametrize("name", labs.LABS)
def test_it_runs_with_its_solutions_and_its_checks_refuse_all_else(name, tmp_path):
    """So a check is shown to refuse its own exercise, where all those before it are solved."""
    reason = "labs run with the extra labs: pip install -e '.[labs]'"
    nbclient = pytest.importorskip("nbclient", reason=reason)
    nbformat = pytest.importorskip("nbformat", reason=reason)
    notebook = nbformat.reads(json.dumps(with_wrong_answers(name)), as_version=4)
    started = time.monotonic()
    nbclient.NotebookClient(
        notebook, timeout=SECONDS, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    assert time.monotonic() - started < SECONDS
    accepted = [
        cell.metadata["must refuse"]
        for cell in notebook.cells
        if "must refuse" in cell.metadata
        and "error" not in [output.output_type for output in cell.outputs]
    ]
    assert not accepted


def test_the_command_lists_them_a_line_each(capsys):
    assert main(["lab"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(labs.LABS)
    for line in lines:
        assert re.search(r"\w\. [A-Z].*\.$", line)


def test_the_command_copies_them(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lab", "engine"]) == main(["lab", "all", "--solutions", "--out", "solved"]) == 0
    written = [f"solved/{name}.ipynb" for name in labs.LABS]
    assert capsys.readouterr().out.split() == ["engine.ipynb", *written]
    student, solved = (Path(path).read_text() for path in ("engine.ipynb", "solved/engine.ipynb"))
    assert solved == (Path(labs.__file__).parent / "engine.ipynb").read_text()
    assert labs.GAP.replace('"', r"\"") in student
    assert "SOLUTION" not in student and json.loads(student)["nbformat"] == 4


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["nope"], "there is no lab 'nope': the labs are engine, "),
        (["distances", "engine"], "engine.ipynb: there already, and nothing is overwritten; "),
        (["engine", "--out", "engine.ipynb"], "engine.ipynb is a file: name a folder"),
    ],
)
def test_what_it_refuses(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("engine.ipynb").write_text("my answers")
    assert main(["lab", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith(f"chainrule: {told}") and err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["engine.ipynb"]
    assert Path("engine.ipynb").read_text() == "my answers"
