"""The report of a latent diffusion: what the compression loses, and what the diffusion loses."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from autograd import Array, Rng, to_device
from models import pictures
from models.diffusion.ldm import LDM
from models.pictures import Panel
from models.report import IMAGES_PER_ROW, Report, Row

FEW_STEPS = (1, 2, 5, 10, 50)  # of DDIM, in the picture


class LDMReport(Report):
    model: LDM

    @property
    def model_name(self) -> str:
        s = self.model.settings
        return f"LDM ({s.latent} latents, $\\beta$ = {s.beta:g})"

    @property
    def sampler(self) -> str:
        s = self.model.settings
        name = {"ddim": f"DDIM, eta {s.eta:g}", "ddpm": "ancestral"}[s.sampler]
        return f"{name}, {s.sampling_steps or s.T} steps"

    @property
    def names(self) -> dict[str, str]:
        return super().names | {
            "reconstruction": "reconstruction",
            "rate": "rate, with the diffusion as the prior",
            "kl": "rate, with N(0, I) as the prior",
            "squared_error": "squared error of a reconstruction",
        }

    def rows(self, numbers: Mapping[str, Any]) -> list[Row]:
        names, vae = self.names, numbers["reconstruction"] + numbers["kl"]
        return [
            *super().rows(numbers),
            *(Row(f"  {names[key]}", numbers[key]) for key in ("reconstruction", "rate")),
            Row(f"  {names['kl']}", numbers["kl"], f"-ELBO of the VAE {vae:.2f}"),
            Row(names["squared_error"], numbers["squared_error"]),
        ]

    def panels(self) -> list[Panel]:
        bound = pictures.typeset(self.names["nll"])
        parts, factorised = {"reconstruction": "reconstruction", "kl": "KL"}, self.baseline_line
        return [
            Panel("first stage: the VAE", "nats per image", parts),
            Panel("second stage: the diffusion", "squared error", {"diffusion_loss": "train"}),
            Panel(bound, "nats per image", {}, {"nll": "test"}, factorised),
        ]

    def pictures(self, images: Array, rng: Rng) -> dict[str, Figure]:
        """Samples; and reconstructions, their ceiling, above what few steps of DDIM make."""
        samples = self.samples(images, rng, f"{self.sampler}\nsamples, means of p(x|z)")
        return {"samples": samples, "stages": self.stages(images, rng)}

    def stages(self, images: Array, rng: Rng) -> Figure:
        """Test images, their reconstructions, codes of N(0, I), and DDIM of few steps."""
        model, settings = self.model, self.model.settings
        some = images[rng.permutation(len(images))[:IMAGES_PER_ROW]]
        seed = rng.integers(2**32)
        normal = rng.standard_normal((IMAGES_PER_ROW, model.latent), dtype=np.float32)
        rows = {
            "test image": to_device(some, "cpu").reshape(-1, *model.shape),
            "reconstruction": model.decode_codes(model.codes(some), rng),
            "z ~ N(0, I)": model.decode_codes(normal, rng),
        }
        try:
            for steps in (n for n in FEW_STEPS if n <= settings.T):
                few = {"sampler": "ddim", "eta": 0.0, "sampling_steps": steps}
                model.settings = replace(settings, **few)
                made = model.sample(IMAGES_PER_ROW, np.random.default_rng(seed))
                rows[f"{steps} step{'s' * (steps > 1)}"] = made
        finally:
            model.settings = settings
        title = f"{self.title}\nwhat the code keeps, and samples by DDIM with so many steps"
        return pictures.rows(list(rows.values()), title, list(rows), ink=self.data.ink)
