"""Every claim of the book holds and refuses its mistakes; and the output of `chainrule verify`."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from models.cli import main
from models.derivations import CLAIMS, claim, verification

FAST = "kl_to_the_prior"


@pytest.mark.parametrize("name", CLAIMS)
def test_it_holds_and_refuses_each_mistake(name, record_property):
    made = CLAIMS[name]
    verdict = made.check()
    assert verdict.holds, verdict
    assert len(verdict.routes) > 1
    record_property("planted", [what not in verdict.accepted for what in made.mistakes])
    assert not verdict.accepted


@pytest.mark.parametrize("name", CLAIMS)
def test_its_page_has_the_formula_and_the_curve(name):
    made = CLAIMS[name]
    assert re.search(r"\b(19|20)\d\d\b", made.source), "a source is a publication with its year"
    assert made.given
    assert made.because
    assert verification.formula_svg(made.statement).startswith("<svg")
    if made.curve:
        assert "<svg" in verification.curve_svg(made)


def make_claim(*routes, relation="=", tolerance=1e-6, **changes):
    """A claim with these routes; the book stays as it is."""

    def made_up(formula=None):
        """Made up."""
        yield from routes

    settings = {"source": "s", "given": "g", "because": "b", "mistakes": {"m": 0}} | changes
    try:
        return claim("x", tolerance=tolerance, relation=relation, **settings)(made_up)
    finally:
        CLAIMS.pop("made_up", None)


@pytest.mark.parametrize(
    ("routes", "options", "holds"),
    [
        ((("a", 1.0), ("b", 1 + 1e-7)), {}, True),
        ((("a", 1.0), ("b", 1 + 1e-5)), {}, False),
        ((("a", 1e6), ("b", 1e6 + 0.5)), {}, True),  # relative to the value
        ((("a", [1.0, 2.0]), ("b", [1.0, 2.1])), {}, False),
        ((("a", [1.0, 2.0]), ("b", 1.0)), {}, False),
        ((("a", 1.0), ("b", 1.4, 0.1)), {}, True),  # 4 standard errors
        ((("a", 1.0), ("b", 1.6, 0.1)), {}, False),  # 6
        ((("a", np.inf), ("b", np.inf)), {}, True),
        ((("a", np.inf), ("b", 1.0)), {}, False),
        ((("a", 1.0), ("b", np.nan)), {}, False),
        ((("a", 1.0), ("b", 1.0, np.nan)), {}, True),
        ((("a", 1.0), ("b", 1.0), ("c", 2.0)), {}, False),
        ((("a", 1.0), ("b", 2.0), ("c", 2.0)), {"relation": "<="}, True),
        ((("a", 1.0), ("b", 2.0), ("c", 1.5)), {"relation": "<="}, False),
    ],
)
def test_a_verdict(routes, options, holds):
    assert make_claim(*routes, **options).check(None).holds == holds


@pytest.mark.parametrize("changes", [{"mistakes": {}}, {"relation": "<"}])
def test_a_claim_that_cannot_fail_is_refused(changes):
    with pytest.raises(ValueError, match="a claim has a docstring, mistakes to refuse"):
        make_claim(("a", 1.0), ("b", 1.0), **changes)


def test_a_mistake_that_is_the_formula_itself_is_no_mistake():
    verdict = make_claim(("a", 1.0), ("b", 1.0)).check()
    assert verdict.accepted == ["m"]
    assert not verdict.holds
    assert verdict.message == "FAILS, since it does not refuse 'm'"


CELL = """
@claim("x", source="", given="", tolerance=1, because="", mistakes={"m": 3})
def of_a_cell(formula=1):
    "Made up."
    yield "a", formula
    yield "b", 1
"""


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match=f"two claims are called {FAST}"):
        claim("x", source="", given="", tolerance=1, because="", mistakes={"m": 0})(
            CLAIMS[FAST].routes.__class__(CLAIMS[FAST].routes.__code__, {"__name__": "other"})
        )


def test_a_notebooks_cell_may_run_again_but_not_declare_a_name_twice():
    scope = {"claim": claim, "__name__": "__main__"}
    try:
        for name, text in (("<1>", CELL), ("<1>", CELL), ("<2>", f"edited = 1\n{CELL}")):
            exec(compile(text, name, "exec"), scope)
            assert CLAIMS["of_a_cell"] is scope["of_a_cell"]
        with pytest.raises(ValueError, match="two claims are called of_a_cell"):
            exec(compile(CELL + CELL, "<3>", "exec"), scope)
    finally:
        CLAIMS.pop("of_a_cell", None)


def test_a_claim_in_a_notebook():
    made = CLAIMS[FAST]
    verdict = made.check()
    assert repr(made) == f"<claim {FAST}: {made.title}>"
    assert repr(verdict).startswith(f"{FAST}: holds\n  ")
    assert "2.318147" in repr(verdict)
    assert "$$" in made._repr_html_()
    assert all(piece in verdict._repr_html_() for piece in ("$$", "quadrature", "holds"))


def run(*arguments):
    return main(["verify", *arguments])


def test_the_table_the_json_and_the_page(tmp_path, capsys):
    page = tmp_path / "claims.html"
    assert run(FAST, "--html", str(page)) == 0
    table = capsys.readouterr().out
    assert all(word in table for word in (FAST, "quadrature", "2.318147", "±", "holds"))
    html = page.read_text()
    assert html.count("<svg") == 1
    assert "src=" not in html  # nothing is fetched
    assert run(FAST, "--html", str(page)) == 0
    assert page.read_text() == html
    capsys.readouterr()
    assert "the half forgotten" in html
    assert run(FAST, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["holds"]
    assert found["routes"]["quadrature"]["value"] == pytest.approx(2.318147, abs=1e-6)


def test_the_list_and_topics(capsys):
    assert run("--list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(CLAIMS)
    columns = {line.index(f"  {name}  ") for line, name in zip(lines, CLAIMS)}
    assert len(columns) == 1
    assert run("vae", "--list") == 0
    listed = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert listed == [line.split()[:2] for line in lines if line.startswith("vae")]


def test_a_claim_that_fails_is_named(monkeypatch, capsys):
    mistaken = CLAIMS[FAST]
    formula = mistaken.mistakes["the half forgotten"]
    wrong = replace(mistaken, routes=lambda other=formula: mistaken.routes(other))
    wrong.routes.__name__ = FAST
    monkeypatch.setitem(CLAIMS, FAST, wrong)
    assert run(FAST) == 1
    out, error = capsys.readouterr()
    assert "FAILS" in out
    assert error == f"chainrule: 1 of 1 claims fail: {FAST}\n"


GOOD = "import numpy as np\ndef f(x=np.ones(3)): return (x @ x) / 2\ndef df(x): return x\n"
LABELS = """import numpy as np
def f(z=np.array([[0.3, -1.2], [0.5, 0.1]]), y=np.array([0, 1])):
    return np.log(np.exp(z).sum(axis=1)).sum() - z[np.arange(2), y].sum()
def df(z, y):
    z -= z.max()
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) - np.eye(2)[y]
"""
README = """import numpy as np
def f(w=np.arange(3.0), x=np.eye(3), y=np.ones(3)):
    return ((x @ w - y) ** 2).mean()
def df(w, x=np.eye(3), y=np.ones(3)):
    return 2 * x.T @ (x @ w - y) / 3
"""
PAIR = """import numpy as np
constants = ["x"]
def f(w=np.ones(2), x=np.ones(2), b=0.1): return (w @ x + b) ** 2
def df(w, x, b):
    r = 2 * (w @ x + b)
    db = r
    return r * x, db
"""
CLAIM = """from models.derivations import claim
@claim("x", source="s", given="g", tolerance=1e-9, because="b", mistakes={"a third": lambda: 1 / 3})
def kl_to_the_prior(formula=lambda: 1 / 12):
    "Has the name of a claim of the book."
    yield "a", formula()
    yield "b", 1 / 12
"""
FILES = {
    "good": (GOOD, 0, "df is the gradient of f at x (3,)"),
    "labels": (LABELS, 0, "f at z (2, 2); held fixed: y"),
    "README": (README, 0, "f at w (3,); held fixed: x, y"),
    "constants": (PAIR, 0, "f at w (2,), b (); held fixed: x"),
    "claim": (CLAIM, 0, "claim kl_to_the_prior: holds"),
    "both": (GOOD + CLAIM, 0, "claim kl_to_the_prior: holds"),
    "wrong": (GOOD.replace("return x", "return 2 * x"), 1, "It is 2 times the gradient."),
    "one of two wrong": (PAIR.replace("db = r", "db = r / 2"), 1, "line 6, argument b: you"),
    "claim fails": (CLAIM.replace('"b", 1 / 12', '"b", 1 / 11'), 1, "FAILS, difference"),
    "mistake holds": (CLAIM.replace("1 / 3", "1 / 12"), 1, "it does not refuse 'a third'"),
    "no df": (GOOD.replace("df", "g"), 2, "neither a claim nor f and df"),
    "no default": (GOOD.replace("=np.ones(3)", ""), 2, "give each parameter of f a default"),
    "too few": (PAIR.replace("constants", "fixed"), 2, "2 gradients for 3 inputs"),
    "broken": ("\n1 / 0", 2, "line 2: ZeroDivisionError"),
    "broken in df": (GOOD.replace("return x", "return x + y"), 2, "line 3: NameError: name 'y'"),
    "no Python": ("\ndef", 2, "line 2: SyntaxError"),
    "exits": ("exit(3)", 2, "it ends Python"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_persons_own_file(name, tmp_path, capsys):
    text, status, message = FILES[name]
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert run(str(path)) == status
    out, error = capsys.readouterr()
    assert message in out
    assert out.startswith(f"{path}: {('holds', 'FAILS', 'could not be checked')[status]}\n")
    assert error == (f"chainrule: 1 of 1 files do not hold: {path}\n" if status else "")
    assert FAST in CLAIMS
    assert CLAIMS[FAST].topic != "mine"
    assert [made.name for made in tmp_path.iterdir()] == ["mine.py"]


def test_the_files_of_a_class_are_all_checked(tmp_path, capsys):
    paths = []
    for name, (text, _, _) in FILES.items():
        paths.append(tmp_path / f"{name}.py")
        paths[-1].write_text(f"print('loud')\n{text}")
    page = tmp_path / "class.html"
    assert run(*map(str, paths), "--json", "--html", str(page)) == 1
    out, error = capsys.readouterr()
    found = {one["file"]: one for one in json.loads(out)}
    for path, (_, status, _) in zip(paths, FILES.values()):
        assert found[str(path)]["status"] == status
    (wrong,) = found[str(tmp_path / "one of two wrong.py")]["wrong"]
    assert (wrong["argument"], wrong["line"]) == ("b", 7)
    assert (wrong["derived"], wrong["differences"]) == pytest.approx((2.1, 4.2))
    bad = sum(status > 0 for _, status, _ in FILES.values())
    assert f"chainrule: {bad} of {len(paths)} files do not hold" in error
    html = page.read_text()
    assert html.count("could not be checked") == sum(s == 2 for _, s, _ in FILES.values())
    assert "It is 2 times the gradient." in html
    assert "Has the name of a claim of the book." in html


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no claim or topic 'nothing'"),
        (("errata",), "'errata' is now called common_mistakes and mistakes_in_training"),
        ((FAST, "--html", "page.txt"), "name it something.html"),
        (("absent.py",), "no such file: absent.py"),
        ((FAST, "mine.py"), "name claims, or files of your own: not both at once"),
        (("mine.py", "--list"), "name claims, or files of your own: not both at once"),
    ],
)
def test_wrong_requests(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
