"""What a run was asked for, as its config.json keeps it."""

import dataclasses
import json
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import numpy as np

from autograd import Rng
from models.data import AS_IT_IS, Reading, resolved
from models.errors import Failure, UsageError
from models.families import FAMILIES
from models.files import replacing
from models.settings import with_new_names
from models.version import __version__

PACKAGES = ("numpy", "numba", "scikit-learn", "safetensors")

WEIGHTS, ORDER, BATCH, TEST, PICTURE = range(5)  # the purposes of random numbers


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on. `steps` is the total; None means `settings.epochs`."""

    settings: Any  # the family's Settings
    model: str
    data: str = "digits"  # a name, or the absolute path of a person's own
    reading: Reading = AS_IT_IS
    data_dir: str | None = None
    data_checksum: str = ""
    seed: int = 0
    device: str = "cpu"
    steps: int | None = None
    limit: int | None = None  # only so many images, the first, to train on and to test
    keep: int = 0  # times of the training at which the weights are kept

    @classmethod
    def of(cls, model: str, data: str = "digits", **choices: Any) -> "Config":
        """Of a family by its name. `choices` are settings of the family and other fields of this.

        Settings that are not named are those known to work on the data. Raises UsageError for an
        unknown name, or a value out of bounds.
        """
        if model not in FAMILIES:
            raise UsageError(f"unknown model {model!r}: choose one of {', '.join(FAMILIES)}")
        data = resolved(data)
        settings = FAMILIES[model].settings(data)
        own = {name: choices.pop(name) for name in _names(cls) & choices.keys()}
        choices = {k: tuple(v) if isinstance(v, list) else v for k, v in choices.items()}
        if unknown := sorted(choices.keys() - _names(type(settings))):
            known = ", ".join(field.name for field in dataclasses.fields(settings))
            raise UsageError(f"{model} has no setting {', '.join(unknown)}: its own are {known}")
        try:
            config = cls(dataclasses.replace(settings, **choices), model, data, **own)
            _check_types(config.settings)
            _check_types(config)
        except TypeError as error:
            raise UsageError(f"{error}: not of its type") from error
        return config

    def rng(self, purpose: int, count: int = 0) -> Rng:
        """Random numbers for one of the purposes above, of a step or an epoch."""
        return np.random.default_rng([self.seed, purpose, count])

    def write(self, directory: Path) -> None:
        versions = {"chainrule": __version__, "python": platform.python_version()}
        versions |= {package: version(package) for package in PACKAGES}
        content = dataclasses.asdict(self) | {"versions": versions}
        with replacing(directory / "config.json") as unfinished:
            unfinished.write_text(json.dumps(content, indent=2) + "\n", "utf-8")

    def __post_init__(self) -> None:
        for name, least in (("seed", 0), ("steps", 1), ("limit", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{name}={value}: it is at least {least}")

    @classmethod
    def read(cls, directory: Path) -> "Config":
        """Raises UsageError for a directory that is not a run's, Failure for a damaged one."""
        path = directory / "config.json"
        if not path.is_file():
            raise UsageError(f"{directory} is not a run: it has no config.json")
        try:
            content = json.loads(path.read_text("utf-8"))
            written_by = content.pop("versions").get("chainrule", "unknown")
            settings = {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in with_new_names(content.pop("settings")).items()
            }
            if unknown := _unknown(content, settings):
                raise Failure(
                    f"{path} was written by a newer chainrule (version {written_by}; this is "
                    f"{__version__}): it has {', '.join(unknown)}, unknown here"
                )
            content["reading"] = Reading.from_json(content.get("reading", {}))
            config = cls(FAMILIES[content["model"]].model.settings_type(**settings), **content)
            _check_types(config.settings)
            _check_types(config)
            return config
        except (OSError, ValueError, LookupError, TypeError, AttributeError, UsageError) as error:
            raise Failure(f"{path} is damaged ({error})") from error


def _unknown(content: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """What of a config.json this version has no name for."""
    family = FAMILIES.get(content["model"])
    if family is None:
        return [f"model {content['model']}"]
    known = (
        (_names(Config), content),
        (_names(Reading), content.get("reading", {})),
        (_names(family.model.settings_type), settings),
    )
    return [name for names, found in known for name in found if name not in names]


def _names(record: type) -> set[str]:
    return {field.name for field in dataclasses.fields(record)}


def _check_types(record: Any) -> None:
    """Raises TypeError if a field of a dataclass, read from a file, is not of its type."""
    for name, kind in get_type_hints(type(record)).items():
        value = getattr(record, name)
        if kind is Any:
            continue
        if get_origin(kind) is tuple:
            right = isinstance(value, tuple) and all(type(item) is int for item in value)
        else:
            right = isinstance(value, int | float if kind is float else kind)
        if not right or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{name} is {value!r}")
