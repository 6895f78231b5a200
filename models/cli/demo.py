"""`chainrule demo`: four models, trained on the digits and compared on a page."""

from pathlib import Path
from typing import Any

from models.cli import comparison
from models.progress import bar
from models.training.config import Config
from models.training.locks import refuse_unless_free
from models.training.run import Run

MODELS = "vae", "gan", "pixelcnn", "ddpm"


def demonstrate(directory: Path, **changes: Any) -> Path:
    """Train them in folders of `directory`, with changes to their configs; returns the page.

    Prints what it does. Raises UsageError if there is something in `directory`.
    """
    refuse_unless_free(directory)
    print(f"Four models learn the 8x8 digits, in {directory}: four minutes on two cores.")
    runs = [Run(Config.of(model, **changes), directory / model) for model in MODELS]
    with bar("demo", sum(run.total_steps for run in runs), "step") as progress:
        for number, run in enumerate(runs, 1):
            progress.write(f"\n{number} of {len(runs)}: ", end="")
            run.begin()
            run.train(progress)
    print("\nThey are compared, by 1,000 samples of each.")
    page, picture = (directory / f"comparison{suffix}" for suffix in (".html", ".png"))
    comparison.write(runs, 1000, 0, page, picture)
    print(f"The page, to open in a browser: {page.resolve().as_uri()}", picture, sep="\n")
    return page
