"""What the whole suite adds to pytest's report."""


def pytest_terminal_summary(terminalreporter):
    """How many wrong derivatives the checker caught, of how many it was given."""
    reports = terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
    refusals = [by for r in reports for key, value in r.user_properties if key == "mutants"
                for by in value]  # fmt: skip
    if refusals:
        number, shape = (sum(by == how for by in refusals) for how in ("number", "shape"))
        terminalreporter.write_line(
            f"wrong derivatives caught: {number + shape} of {len(refusals)} "
            f"({number} by autograd.check, {shape} by the sweep, for their shape)"
        )
