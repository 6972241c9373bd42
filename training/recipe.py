"""A recipe: which photos, which views, which network, which training. Read from TOML, strictly checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from edge.bundle.manifest import Label, Name
from edge.bundle.photo_tree import as_label
from edge.bundle.preprocess import InputGeometry
from edge.config.problems import explain_problems
from edge.errors import ConfigError
from edge.system.text import NotTextError
from edge.system.toml import load_toml
from training.dataset.naming import label_advice

SHIPPED = Path(__file__).parent / "recipes"
NONE = "none"  # the label map's word for photos that show none of the labels

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PhotoSet(_Strict):
    """One source of photos (a camera, a place, a style): a folder tree or a list.

    `source` is its name in tables, else the name of its folder. `every` thins a label's folder, `repeat` is views a
    round, `weight` that of each view. `cut` has objects (of these labels) cut off plain backgrounds, by default in
    lists. `trusted` labels are taken as they are, see training/fitting/label_noise.py. `merge` is for measuring: which label
    counts as another.
    """

    tree: str | None = None
    list: str | None = None
    source: str | None = None
    licence: str = "none stated"
    label_map: Mapping[str, str] | None = None
    every: Mapping[str, int] = {}
    repeat: Mapping[str, float] = {}
    cut: bool | tuple[str, ...] | None = None
    weight: float = Field(default=1.0, gt=0.0)
    trusted: bool = True
    merge: Mapping[str, str] = {}

    @property
    def name(self) -> str:
        """The name of this source in tables and in provenance."""
        if self.source is not None:
            return self.source
        return PurePosixPath(self.list).parent.name if self.list is not None else PurePosixPath(self.tree or "").name

    def cuts(self, label: str) -> bool:
        """Whether objects of a label are looked for on a plain background and cut off it."""
        if isinstance(self.cut, tuple):
            return label in self.cut
        return self.list is not None if self.cut is None else self.cut


class Backgrounds(_Strict):
    """Photos of surfaces and surroundings: globs, each thinned to every n-th, and clips of which four frames serve."""

    photos: tuple[str, ...] = ()
    every: tuple[int, ...] = ()
    clips: tuple[str, ...] = ()


class Network(_Strict):
    """The backbone and its input.

    `backbone` is efficientnet_lite0 or efficientnet_lite2, a KerasHub preset, a preset's folder, or a class of keras.applications;
    `weights` is a local file (of keras.applications also "imagenet"; a preset brings its own). `frozen_blocks` of
    EfficientNet-Lite0's 16 stay as they were pre-trained, or as many sixteenths of another backbone's layers.
    `start` is a bundle of the same backbone whose weights the training goes on from, see training/network/start.py.
    """

    backbone: str = "efficientnet_lite0"
    weights: str | None = None
    start: str | None = None
    size: int = Field(default=224, ge=64, le=512, multiple_of=32)
    margin: Share = 0.15
    frozen_blocks: int = Field(default=11, ge=0, le=16)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _start_has_weights(self) -> Network:
        if self.start is not None and (self.weights is None or not self.backbone.startswith("efficientnet_lite")):
            raise ValueError("start: expected an EfficientNet-Lite and, in weights, those that the bundle came from")
        return self

    @property
    def geometry(self) -> InputGeometry:
        return InputGeometry(height=self.size, width=self.size, margin=self.margin)


class Views(_Strict):
    """Shares of the kinds of views, see training/rendering/views.py."""

    composite_share: Share = 0.55
    plain_share: Share = 0.12
    strength: float = Field(default=1.0, ge=0.0, le=2.0)
    clutter_share: Share = 0.15


class Fit(_Strict):
    """Fine-tuning, see training/fitting/finetune.py.

    `cycles` are epochs, the learning rate falling to nothing in each (Loshchilov and Hutter, SGDR, 2017);
    an alpha lies between the probe (0) and the fine-tuned weights (1). `teacher` is the run folder or .keras file of
    a larger network for the same labels, which takes pixels minus 127; its answers make up `distill` of the targets.
    `precision` auto is mixed_bfloat16 on a GPU that has it.
    """

    cycles: tuple[Annotated[int, Field(ge=1)], ...] = (4, 3)
    batch: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=4e-4, gt=0.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    mixup: float = Field(default=0.2, ge=0.0)
    cutmix: float = Field(default=0.0, ge=0.0)
    teacher: str | None = None
    distill: Share = 0.5
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    keep_imagenet: float = Field(default=0.5, ge=0.0)
    alphas: tuple[Share, ...] = (0.3, 0.5, 0.7, 0.85, 1.0)


class LabelNoise(_Strict):
    """How labels of sources that are not trusted are weighed, see training/fitting/label_noise.py.

    `network` is the larger one whose frozen features judge (without it: the recipe's own). `soften` is the share of the
    targets that its answers make up; a photo on whose label it puts less than `least` is left out.
    """

    network: Network | None = None
    soften: Share = 0.3
    least: Share = 0.02


class Hints(_Strict):
    """For each label the classes of the backbone's own classifier that are things of it, see training/network/hints.py."""

    strength: float = Field(default=0.4, gt=0.0)
    classes: Mapping[str, Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]]


class Recipe(_Strict):
    """Everything that decides what a run makes, except for the photos themselves.

    `left_out` are sources that are never trained on: figures on them say what a new place will be like.
    """

    name: Name
    labels: tuple[Label, ...] = Field(min_length=2, max_length=256)
    sheets: tuple[str, ...] = ()
    held_out: str | None = None
    seed: int = 5
    rounds: int = Field(default=8, ge=1)
    nothing: Share = 0.06
    train: tuple[PhotoSet, ...]
    validation: tuple[PhotoSet, ...]
    left_out: tuple[PhotoSet, ...] = ()
    label_noise: LabelNoise | None = None
    backgrounds: Backgrounds = Backgrounds()
    network: Network = Network()
    views: Views = Views()
    fit: Fit = Fit()
    hints: Hints | None = None

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("expected each label once")
        return labels

    @field_validator("hints")
    @classmethod
    def _hints_fit(cls, hints: Hints | None, known: ValidationInfo) -> Hints | None:
        labels = known.data.get("labels", ())
        if hints is not None and set(hints.classes) != set(labels):
            raise ValueError(f"expected classes for each of the labels {', '.join(labels)}")
        return hints


def without_source(recipe: Recipe, source: str) -> Recipe:
    """The recipe with one of its training sources left out and measured on instead.

    Raises:
        ConfigError: there is no such source.
    """
    out = tuple(photos for photos in recipe.train if photos.name == source)
    if not out:
        known = ", ".join(dict.fromkeys(photos.name for photos in recipe.train))
        raise ConfigError(f"--leave-out {source}: expected a source of the recipe: {known}")
    kept = tuple(photos for photos in recipe.train if photos.name != source)
    return recipe.model_copy(update={"train": kept, "left_out": (*recipe.left_out, *out)})


def load_recipe(source: str) -> Recipe:
    """Read a shipped recipe by name, or a TOML file by path.

    Raises:
        ConfigError: it is missing or wrong; all problems at once.
    """
    path = SHIPPED / f"{source}.toml"
    if not path.is_file():
        path = Path(source)
    try:
        table = load_toml(path)
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise ConfigError(f"{source}: no such recipe; expected one of {known}, or the path of a .toml file") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't read the recipe ({error.strerror}): give the path of a .toml file") from None
    except NotTextError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        lines = explain_problems(error, Recipe, table, _about_name)
        raise ConfigError("\n  ".join([f"{path}: this recipe can't be used:", *lines])) from None


def _about_name(given: object, key: str) -> str:
    """What a label or the recipe's name must be, and which one comes nearest."""
    text = str(given)
    if key == "labels":
        return f"{label_advice(text)}; folders named {text!r} are read as that"
    near = as_label(text).replace("_", "-")
    return f"expected small letters a to z, digits and -, at most 64: write {near or 'mine'!r}"
