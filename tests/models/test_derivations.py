"""Each claim holds and refuses each mistake planted in it; and what `chainrule verify` says."""

import json
from dataclasses import replace

import numpy as np
import pytest

from models import verification
from models.cli import main
from models.derivations import CLAIMS, claim

FAST = "kl_to_the_prior"


@pytest.mark.parametrize("name", CLAIMS)
def test_it_holds_and_refuses_each_mistake(name, record_property):
    made = CLAIMS[name]
    verdict = made.check()
    assert verdict.holds, verdict
    assert len(verdict.routes) > 1
    refused = {what: not made.check(mistake).holds for what, mistake in made.mistakes.items()}
    record_property("planted", list(refused.values()))
    assert all(refused.values()), refused


@pytest.mark.parametrize("name", CLAIMS)
def test_its_formula_is_typeset_and_its_curve_drawn(name):
    made = CLAIMS[name]
    assert made.source
    assert made.given
    assert made.because
    assert verification.formula(made.statement).startswith("<svg")
    if made.draw:
        assert "<svg" in verification.plot(made)


def declared(*routes, relation="=", tolerance=1e-6, **changes):
    """A claim of these routes, which is not in the book."""

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
    assert declared(*routes, **options).check().holds == holds


@pytest.mark.parametrize("changes", [{"mistakes": {}}, {"relation": "<"}])
def test_a_claim_that_cannot_fail_is_refused(changes):
    with pytest.raises(ValueError, match="a claim has a docstring, mistakes to refuse"):
        declared(("a", 1.0), ("b", 1.0), **changes)


def test_names_are_taken_once():
    with pytest.raises(ValueError, match=f"two claims are called {FAST}"):
        claim("x", source="", given="", tolerance=1, because="", mistakes={"m": 0})(
            CLAIMS[FAST].routes
        )


def run(*arguments):
    return main(["verify", *arguments])


def test_the_table_the_json_and_the_page(tmp_path, capsys):
    page = tmp_path / "claims.html"
    assert run(FAST, "--html", str(page)) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in (FAST, "quadrature", "2.318147", "±", "holds"))
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
    assert len(capsys.readouterr().out.splitlines()) == len(CLAIMS)
    assert run("vae", "--list") == 0
    assert all(line.startswith("vae") for line in capsys.readouterr().out.splitlines())


def test_a_claim_that_fails_is_named(monkeypatch, capsys):
    mistaken = CLAIMS[FAST]
    wrong = replace(
        mistaken, routes=lambda: mistaken.routes(mistaken.mistakes["the half forgotten"])
    )
    wrong.routes.__name__ = FAST
    monkeypatch.setitem(CLAIMS, FAST, wrong)
    assert run(FAST) == 1
    out, error = capsys.readouterr()
    assert "FAILS" in out
    assert error == f"chainrule: 1 of 1 claims fail: {FAST}\n"


GOOD = "import numpy as np\ndef f(x=np.ones(3)): return (x @ x) / 2\ndef df(x): return x\n"
FILES = {
    "good": (GOOD, 0, "df is the gradient of f at x (3,)"),
    "wrong": (GOOD.replace("return x", "return 2 * x"), 1, "It is 2 times the gradient."),
    "no df": (GOOD.replace("df", "g"), 2, "has to define f and df"),
    "no default": (GOOD.replace("=np.ones(3)", ""), 2, "give each parameter of f a default"),
    "broken": ("1 / 0", 2, "ZeroDivisionError"),
    "no Python": ("def", 2, "SyntaxError"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_derivation_of_ones_own(name, tmp_path, capsys):
    text, status, said = FILES[name]
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert run(str(path)) == status
    out, error = capsys.readouterr()
    assert said in out + error
    assert (out + error).count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "no claim or topic 'nothing'"),
        ((FAST, "--html", "page.txt"), "name it something.html"),
        (("absent.py",), "absent.py does not exist"),
        ((FAST, "mine.py"), "not both at once"),
    ],
)
def test_wrong_requests(arguments, message, capsys):
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
