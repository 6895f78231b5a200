"""What the whole suite adds to pytest's report."""


def pytest_terminal_summary(terminalreporter):
    """How many wrong derivatives and derivations were caught, of how many planted."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")

    def recorded(name):
        return [one for r in reports for key, value in r.user_properties if key == name
                for one in value]  # fmt: skip

    if planted := recorded("planted"):
        terminalreporter.write_line(f"mistakes refused by claims: {sum(planted)} of {len(planted)}")
    if refusals := recorded("mutants"):
        number, shape = (sum(by == how for by in refusals) for how in ("number", "shape"))
        terminalreporter.write_line(
            f"wrong derivatives caught: {number + shape} of {len(refusals)} "
            f"({number} by autograd.check, {shape} by the sweep, for their shape)"
        )
    if diagnoses := recorded("diagnoses"):
        right, wrong = diagnoses.count("right"), diagnoses.count("wrong")
        terminalreporter.write_line(
            f"mistakes of students named: {right} of {len(diagnoses)}, {wrong or 'none'} wrongly"
        )
