"""A recipe: which photos, which views, which network, which training. Read from TOML, strictly checked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from edge.bundle.geometry import LARGEST_MARGIN
from edge.bundle.manifest import Label, Name
from edge.bundle.photo_tree import as_label
from edge.bundle.preprocess import InputGeometry
from edge.config.problems import explain_problems
from edge.errors import ConfigError
from edge.system.text import NotTextError
from edge.system.toml import load_toml
from training.dataset.naming import label_advice
from training.derived import derive

SHIPPED = Path(__file__).parent / "recipes"
NONE = "none"  # the label map's word for photos that show none of the labels

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PhotoSet(_Strict):
    """One source of photos (a camera, a place, a style): a folder tree or a list."""

    tree: str | None = Field(default=None, description="folder with one folder of photos a label")
    list: str | None = Field(default=None, description="file that names photos with their labels")
    source: str | None = Field(default=None, description="its name in tables; unset: that of its folder")
    licence: str = Field(default="none stated", description="licence of the photos; goes into the model's provenance")
    label_map: Mapping[str, str] | None = Field(
        default=None, description="what its own names for labels are called here; none: photos that show none of them"
    )
    without: tuple[str, ...] = Field(
        default=(), description="patterns of photos that are not taken, as in trash/trash1[4-9]?.jpg"
    )
    every: Mapping[str, int] = Field(default={}, description="per folder of photos, only every n-th is taken")
    repeat: Mapping[str, float] = Field(default={}, description="per label, views of each photo a round; unset: 1")
    cut: bool | tuple[str, ...] | None = Field(
        default=None,
        description="objects (of these labels) are cut off plain backgrounds; unset: in lists, not in trees",
    )
    weight: float = Field(default=1.0, gt=0.0, description="weight of each of its views")
    trusted: bool = Field(
        default=True, description="false: its labels are weighed against what the other photos say, see label_noise"
    )
    merge: Mapping[str, str] = Field(default={}, description="for measuring only: which label counts as another")

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
    """Photos of surfaces and surroundings, which items are laid on."""

    photos: tuple[str, ...] = Field(default=(), description="patterns of files, as in empty/*.jpg")
    every: tuple[int, ...] = Field(default=(), description="for each pattern, only every n-th photo is taken; unset: 1")
    clips: tuple[str, ...] = Field(default=(), description="videos, of which four frames serve")


class Network(_Strict):
    """The backbone and its input."""

    backbone: str = Field(
        default="efficientnet_lite0",
        description="efficientnet_lite0 or efficientnet_lite2, a KerasHub preset, a preset's folder, or a class of "
        "keras.applications",
    )
    weights: str | None = Field(
        default=None, description='a local file; of keras.applications also "imagenet"; a preset brings its own'
    )
    start: str | None = Field(
        default=None, description="a bundle of the same backbone, whose weights the training goes on from"
    )
    size: int = Field(
        default=224, ge=64, le=512, multiple_of=32, description="side of the input, pixels; a multiple of 32"
    )
    margin: float = Field(
        default=0.15,
        ge=0.0,
        le=LARGEST_MARGIN,
        description="surroundings on each side, fraction of the box's larger side",
    )
    frozen_blocks: int = Field(
        default=11, ge=0, le=16, description="of sixteen parts, those nearest to the pixels that stay as pre-trained"
    )
    dropout: float = Field(
        default=0.2, ge=0.0, lt=1.0, description="share of features that are dropped before the head"
    )

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

    composite_share: Share = Field(default=0.55, description="items cut out and laid on another background")
    plain_share: Share = Field(default=0.12, description="the photo whole, only mirrored and turned")
    strength: float = Field(
        default=1.0,
        ge=0.0,
        le=2.0,
        description="how strong light and colour change; 0: not at all, 1: as on the worst belts",
    )
    clutter_share: Share = Field(default=0.15, description="of the composites, those with other things around")
    belt_share: Share = Field(
        default=0.0,
        description="of the drawn grounds, belts and tables: rubber, blue and green PVC, wood, steel, links",
    )
    partial_share: Share = Field(default=0.0, description="of the composites, those half beyond the picture's edge")
    crush_share: Share = Field(default=0.0, description="items bent and creased; of views that are not plain")
    dirt_share: Share = Field(default=0.0, description="dust and stains over all; of views that are not plain")
    motion_share: Share = Field(default=0.0, description="blur along any direction; of views that are not plain")
    distant_share: Share = Field(
        default=0.0, description="items of 70 to 120 pixels, brought up; of views that are not plain"
    )
    camera_share: Share = Field(
        default=0.0, description="dark rim, white balance, tone curve, JPEG; of views that are not plain"
    )


class Fit(_Strict):
    """Fine-tuning, see training/fitting/finetune.py."""

    cycles: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        default=(4, 3), description="epochs; in each cycle the learning rate falls to nothing (SGDR, 2017)"
    )
    batch: int = Field(default=64, ge=2, description="views a step")
    learning_rate: float = Field(default=4e-4, gt=0.0, description="at the start of each cycle")
    weight_decay: float = Field(default=1e-4, ge=0.0, description="pull of the weights towards 0")
    label_smoothing: float = Field(
        default=0.1, ge=0.0, lt=1.0, description="share of each target that is spread over all labels"
    )
    mixup: float = Field(default=0.2, ge=0.0, description="alpha of mixed pictures; 0: none")
    cutmix: float = Field(default=0.0, ge=0.0, description="alpha of pictures with a part of another; 0: none")
    teacher: str | None = Field(
        default=None,
        description="run folder or .keras file of a larger network for the same labels, which takes pixels minus 127",
    )
    distill: Share = Field(default=0.5, description="share of the targets that the teacher's answers make up")
    temperature: float = Field(default=2.0, ge=1.0, description="how far the teacher's answers are softened")
    precision: Literal["auto", "float32", "mixed_bfloat16"] = Field(
        default="auto",
        description="auto is mixed_bfloat16 on a GPU that has it, and on a processor that has it for products",
    )
    average: int = Field(
        default=1,
        ge=1,
        description="over so many of the last epochs the weights are averaged too (one device), and the better of both is taken",
    )
    keep_imagenet: float = Field(
        default=0.5, ge=0.0, description="weight of keeping the backbone's own answers on the same views"
    )
    alphas: tuple[Share, ...] = Field(
        default=(0.3, 0.5, 0.7, 0.85, 1.0),
        description="mixtures that are tried, from the probe on frozen features (0) to the fine-tuned weights (1)",
    )


class LabelNoise(_Strict):
    """How labels of sources that are not trusted are weighed; `network` judges, and without it the recipe's own."""

    network: Network | None = None
    soften: Share = Field(default=0.3, description="share of the targets that the judge's answers make up")
    least: Share = Field(default=0.02, description="a photo on whose label the judge puts less is left out")


class Teacher(_Strict):
    """A larger network that is trained first, on fewer views; what it says of a view makes up `fit.distill` of its target."""

    network: Network
    rounds: int = Field(default=1, ge=1, description="how often each photo is shown to it")
    cycles: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(3,), description="its epochs, as in `[fit]`")


class Recipe(_Strict):
    """Everything that decides what a run makes, except for the photos themselves."""

    name: Name = Field(description="the model's name")
    labels: tuple[Label, ...] = Field(min_length=2, max_length=256, description="what the network shall tell apart")
    sheets: tuple[str, ...] = Field(
        default=(),
        description="flat labels: a photo of a list in which no outline is found counts as filled by its item",
    )
    held_out: str | None = Field(
        default=None, description='"simulator": photos that the simulator shows are never trained on'
    )
    seed: int = Field(default=5, description="same seed, same views")
    rounds: int = Field(default=8, ge=1, description="how often each photo is shown, each time as another view")
    nothing: Share = Field(default=0.06, description="share of views that show no item")
    train: tuple[PhotoSet, ...] = Field(description="sources to train on")
    validation: tuple[PhotoSet, ...] = Field(description="sources to choose and to fit thresholds with")
    left_out: tuple[PhotoSet, ...] = Field(
        default=(), description="sources that are never trained on: figures on them say what a new place will be like"
    )
    label_noise: LabelNoise | None = None
    backgrounds: Backgrounds = Backgrounds()
    network: Network = Network()
    views: Views = Views()
    fit: Fit = Fit()
    teacher: Teacher | None = None

    @field_validator("labels")
    @classmethod
    def _labels_differ(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("expected each label once")
        return labels

    @model_validator(mode="after")
    def _has_one_teacher(self) -> Recipe:
        if self.teacher is not None and self.fit.teacher is not None:
            raise ValueError("expected [teacher], which is trained first, or fit.teacher, which is there: got both")
        return self

    @model_validator(mode="before")
    @classmethod
    def _without_hints(cls, table: Any) -> Any:
        """Runs of before say `hints: null`; what they meant is gone."""
        if isinstance(table, dict) and table.get("hints", 0) is None:
            return {key: part for key, part in table.items() if key != "hints"}
        return table


def teacher_recipe(recipe: Recipe) -> Recipe | None:
    """By what the recipe's teacher is trained: the same photos and views, its own network."""
    if recipe.teacher is None:
        return None
    teacher = recipe.teacher
    fit = recipe.fit.model_copy(update={"cycles": teacher.cycles})
    own = {"network": teacher.network, "rounds": teacher.rounds, "fit": fit, "teacher": None}
    return recipe.model_copy(update=own)


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
    """Read a shipped recipe by name, or a TOML file by path, each with the one that it is based on.

    Raises:
        ConfigError: it is missing or wrong; all problems at once.
    """
    path = SHIPPED / f"{source}.toml"
    return _load(path if path.is_file() else Path(source), ())


def _load(path: Path, below: tuple[Path, ...]) -> Recipe:
    """Read a recipe that those `below` are based on."""
    table = _read(path)
    if "base" in table:
        table = _with_base(table, path, below)
    try:
        return Recipe.model_validate(table)
    except ValidationError as error:
        lines = explain_problems(error, Recipe, table, _about_name)
        raise ConfigError("\n  ".join([f"{path}: this recipe can't be used:", *lines])) from None


def _with_base(table: dict[str, Any], path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    below = (*below, path.resolve())
    named = str(table["base"])
    file = SHIPPED / f"{named}.toml" if (SHIPPED / f"{named}.toml").is_file() else path.parent / named
    if file.resolve() in below:
        raise ConfigError(f"{path}: base = {named}: it is based on itself: name another recipe")
    base = _load(file, below)
    sources = {photos.name: photos.model_dump(exclude_unset=True) for photos in base.train}
    return derive(table, base.model_dump(exclude_unset=True), sources, str(path))


def _read(path: Path) -> dict[str, Any]:
    try:
        return load_toml(path)
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.toml")))
        raise ConfigError(f"{path}: no such recipe; expected one of {known}, or the path of a .toml file") from None
    except OSError as error:
        raise ConfigError(f"{path}: can't read the recipe ({error.strerror}): give the path of a .toml file") from None
    except NotTextError as error:
        raise ConfigError(f"{path}: {error}") from None


def _about_name(given: object, key: str) -> str:
    """What a label or the recipe's name must be, and which one comes nearest."""
    text = str(given)
    if key == "labels":
        return f"{label_advice(text)}; folders named {text!r} are read as that"
    near = as_label(text).replace("_", "-")
    return f"expected small letters a to z, digits and -, at most 64: write {near or 'mine'!r}"
