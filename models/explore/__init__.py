"""A trained model as a page, which computes with the model's own weights; no family is known here.

    program      a function of the model as a list of primitives, and as what a page runs
    lowering     that list for `program.js`, which knows no shapes
    page         one file of HTML, of a family's page beside its model

The page of a family has its markup and its script beside it, as `vae_page.html` and `vae_page.js`.
"""

from models.explore.page import Example, Page, write
from models.explore.program import Program, export

__all__ = ["Example", "Page", "Program", "export", "write"]
