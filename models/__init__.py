"""The lectures' table of contents: a chapter a folder, a model a file.

    autoencoders/    codes of an image, and the variational autoencoder
    adversarial/     two players: GAN
    autoregressive/  the chain rule of probability: PixelCNN
    diffusion/       noise and its undoing: DDPM

A model's file is the model. Its settings, its report and its page stand beside it, as
`vae_settings`, `vae_report` and `vae_page` do, and its networks where they are long. What serves
every model:

    model            what a model can do; `settings` and `report` are what stands beside it
    families         the models by name: a new one is registered there
    data/            data sets, and the four forms of a pixel
    training/        a run: the loop, its directory, checkpoints, resuming
    metrics/         FID and its like; the classifier whose features they use
    pictures/        images, curves and points as figures
    explore/         a model as a page, which computes with its weights
    derivations/     every formula that the models rest on, checked by number
    cli/             the command `chainrule`
"""

__version__ = "0.2.0"
