"""Pages in a real browser, Debian's chromium, by doing what a person does: make test-browser."""
