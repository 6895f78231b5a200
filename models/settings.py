"""How a setting is declared: name, default, meaning, bounds and choices in one line.

    @dataclass(frozen=True)
    class Settings(CommonSettings):
        latent: int = setting(20, "dimensions of z", least=1)
        activation: str = setting("relu", "of the hidden layers", choices=("relu", "tanh"))
        batch: int = setting(100)

The checks and the help of the command line come from these lines.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from models.errors import UsageError

MAX_SETTING = 1e9
"""The largest value of any number; a larger one is a typing error."""


class Declaration(NamedTuple):
    """The declaration of a setting, beside its default.

    A number, or each of several, is from `least` to `most`; a word is one of `choices`. Settings of
    `sampling` have no part in training, and `chainrule sample` takes them too.
    """

    meaning: str
    least: float = -MAX_SETTING
    most: float = MAX_SETTING
    choices: Sequence[str] = ()
    sampling: bool = False
    may_be_empty: bool = False


def setting(default: Any, meaning: str = "", **declared: Any) -> Any:
    """A field of a Settings; `declared` are fields of a Declaration.

    One of CommonSettings may be declared again, with another default: what is not given stays.
    """
    return field(default=default, metadata=({"meaning": meaning} if meaning else {}) | declared)


@dataclass(frozen=True)
class CommonSettings:
    """The settings that every family has. Raises UsageError for a value out of bounds."""

    pixels: str = setting(
        "levels", "the form of the pixels (models.data)", choices=("fixed", "dynamic", "levels")
    )
    batch: int = setting(128, "images a step", least=1)
    learning_rate: float = setting(1e-3, "of the optimiser, at the start", least=1e-12)
    final_learning_rate: float = setting(1e-5, "where half a cosine takes it", least=0)
    epochs: int = setting(10, "passes over the training images", least=1)

    def __post_init__(self) -> None:
        if self.pixels == "grey":  # what "levels" was called before there was colour
            object.__setattr__(self, "pixels", "levels")
        for name, declared in declarations(type(self)).items():
            value = getattr(self, name)
            if declared.choices and value not in declared.choices:
                raise UsageError(f"{name}={value}: choose one of {', '.join(declared.choices)}")
            if value == () and not declared.may_be_empty:
                raise UsageError(f"{name} needs at least one number")
            for number in value if isinstance(value, tuple) else (value,):
                if not (isinstance(number, str) or declared.least <= number <= declared.most):
                    bounds = f"{declared.least:g} to {declared.most:g}"
                    raise UsageError(f"{name}={number}: must be {bounds}")


def declarations(settings_type: type[CommonSettings]) -> dict[str, Declaration]:
    """The declaration of each setting, by name: the family's own first, then the common ones."""
    common = {f.name: f.metadata for f in dataclasses.fields(CommonSettings)}
    fields = sorted(dataclasses.fields(settings_type), key=lambda f: f.name in common)
    return {f.name: Declaration(**{**common.get(f.name, {}), **f.metadata}) for f in fields}


RENAMED = {"binarisation": "pixels", "first": "kernel_size", "masked": "mask_ratio"}
"""The settings that had another name before version 0.2."""


def with_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a config.json from before version 0.2, by the names of today."""
    grey = "dequantised" if settings.get("decoder") == "gaussian" else "levels"
    return {
        RENAMED.get(name, name): grey if (name, value) == ("binarisation", "none") else value
        for name, value in settings.items()
    }
