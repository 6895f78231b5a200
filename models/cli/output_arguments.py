"""The arguments of the commands that give back images, codes and scores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.outputs.interpolation import WAYS
from models.outputs.masks import REGIONS

OUT = "a new folder of PNG files, an array F.npz, or a picture F.png, F.svg or F.pdf (default: {})"


def add_output_commands(commands: Any, whole: Callable, add_shared: Callable) -> None:
    """`whole` parses whole numbers, and `add_shared` adds what several commands have."""
    # fmt: off
    sample = commands.add_parser("sample", help="samples of a trained model: files, array, picture")
    add = sample.add_argument
    add_shared(sample, "directory")
    add("-n", type=whole(1), metavar="N", help="number of samples (default: 64, or 6 per class)")
    add_shared(sample, "--class", "--graph")
    _add_out(sample, "DIR/sample.png")

    encode = commands.add_parser("encode", help="the codes of images")
    add_shared(encode, "directory", "--images", "-n", "--class")
    encode.add_argument("--out", type=Path, required=True, metavar="F.npz",
        help="arrays codes (N, latent), names, and labels if they are known")

    decode = commands.add_parser("decode", help="the images of codes")
    add_shared(decode, "directory")
    decode.add_argument("codes", type=Path, metavar="F.npz",
        help="with an array codes (N, latent), as encode writes it, and perhaps labels")
    add_shared(decode, "-n", "--class")
    _add_out(decode, "DIR/decode.png")

    reconstruct = commands.add_parser("reconstruct", help="images encoded and decoded")
    add_shared(reconstruct, "directory", "--images", "-n", "--class")
    _add_out(reconstruct, "DIR/reconstruct.png")

    interpolate = commands.add_parser(
        "interpolate", help="from one image to another, by their codes"
    )
    add = interpolate.add_argument
    add_shared(interpolate, "directory")
    add("ends", nargs="*", metavar="IMAGE",
        help="two: a file, or the number of a test image; without them samples of the prior")
    add("-n", type=whole(1), metavar="N", help="ways between samples of the prior (default: 4)")
    add("--steps", type=whole(2, 1000), default=9, metavar="N", help="images of a way (default: 9)")
    add("--way", choices=tuple(WAYS), default="slerp",
        help="the great arc (slerp, the default) or the straight line (lerp)")
    add_shared(interpolate, "--class")
    _add_out(interpolate, "DIR/interpolate.png")

    complete = commands.add_parser("complete", help="images of which a part is missing, completed")
    add = complete.add_argument
    add_shared(complete, "directory", "--images", "-n", "--class", "--graph")
    add("--missing", default="lower", metavar="PART",
        help=f"{', '.join(REGIONS)}, or F.png, white where pixels are missing (default: lower)")
    add("--times", type=whole(1, 100), default=1, metavar="K",
        help="completions of each image (default: 1)")
    _add_out(complete, "DIR/complete.png")

    score = commands.add_parser("score", help="the likelihood of each image, to find outliers by")
    add_shared(score, "directory", "--images", "-n", "--class")
    score.add_argument("--against", type=Path, metavar="PATH",
        help="other images, as --images: prints how well the scores tell them apart, as AUROC")
    score.add_argument("--out", type=Path, metavar="F.csv", help="a line for each image")

    classify = commands.add_parser(
        "classify", help="the class of each image, by Bayes from a conditional model"
    )
    add_shared(classify, "directory", "--images", "-n")
    classify.set_defaults(label=None)
    classify.add_argument("--out", type=Path, metavar="F.csv", help="a line for each image")

    for command in (sample, encode, decode, reconstruct, interpolate, complete, score, classify):
        add_shared(command, "--set", "--seed", "--device", "--data-dir")
    # fmt: on


def _add_out(command: Any, default: str) -> None:
    command.add_argument("--out", type=Path, metavar="TO", help=OUT.format(default))
