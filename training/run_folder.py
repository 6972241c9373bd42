"""A run folder: what a training began with, what it made, and what made it."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
from pydantic import ValidationError

from edge.errors import ConfigError
from training.dataset.photos import data_digest
from training.network.backbones import OWN
from training.recipe import Recipe
from training.rendering.renderer import TrainingSet

FORMAT = 1
MADE_IN_MINUTES = (
    "pools/*/done.json",
    "cycle*",
    "search",
    "network.keras",
    "run.json",
    "worker*",
    "teacher/pools/*/done.json",
)


@dataclass(frozen=True)
class Run:
    """A run folder: run.json, network.keras, curves, the pools (which may be deleted once it is finished)."""

    folder: Path
    student: Path | None = None  # of a teacher's run: the folder with what does not depend on the network

    @property
    def masks(self) -> Path:
        """Objects that were cut out."""
        return (self.student or self.folder) / "masks"

    @property
    def judged(self) -> Path:
        """What the network that judges labels sees in each photo; beside it, compiled, that network."""
        return (self.student or self.folder) / "judged"

    @property
    def teacher(self) -> Run:
        """The run of the network that teaches this one."""
        return Run(self.folder / "teacher", self.folder)

    @property
    def network(self) -> Path:
        return self.folder / "network.keras"

    @property
    def converted(self) -> Path:
        """The bundle that `sorter convert` made of it; the float network lies beside it."""
        return self.folder / "converted.sorter"

    @property
    def report(self) -> Path:
        """The bundle's report with pictures besides, which may not be passed on."""
        return self.folder / "report.html"

    @contextlib.contextmanager
    def locked(self, wait: bool) -> Iterator[None]:
        """Make the folder and keep it to this process.

        Raises:
            ConfigError: another process has it, and `wait` is false; or nothing can be written there.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            raise ConfigError(f"{self.folder}: can't make the run folder ({error.strerror}): give another") from None
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(f"{self.folder}: another training is at work in it: give another --run") from None
            yield

    def read(self) -> dict[str, Any]:
        """Return run.json.

        Raises:
            ConfigError: this is no finished run, or one of another version.
        """
        file = self.folder / "run.json"
        if not file.is_file():
            raise ConfigError(f"{self.folder}: no finished run (run.json is missing): run 'sorter train' to its end")
        try:
            written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            raise ConfigError(f"{file}: damaged (no JSON): remove it and give 'sorter train' again") from None
        if written.get("format") != FORMAT:
            raise ConfigError(
                f"{self.folder}: expected a run folder of format {FORMAT}, got {written.get('format')}: train anew"
            )
        return {"sources": [], **written}  # runs from before sources were kept have none

    def recipe(self) -> Recipe:
        """The recipe that the finished run was made by.

        Raises:
            ConfigError: it is one of another version.
        """
        try:
            return Recipe.model_validate(self.read()["recipe"])
        except (ValidationError, KeyError):
            raise ConfigError(f"{self.folder}: its recipe is of another version of sorter: train anew") from None

    def load_network(self) -> keras.Model:
        """The finished network: pixels minus 127 -> scores."""
        if self.recipe().network.backbone not in OWN:
            importlib.import_module("keras_hub")  # its layers are known to Keras from then on
        try:
            return keras.saving.load_model(self.network, compile=False)
        except (OSError, ValueError, KeyError):  # whatever Keras meets first in it
            raise ConfigError(
                f"{self.network}: damaged or of another version of Keras: remove run.json and give 'sorter train' again"
            ) from None


def claim(recipe: Recipe, run: Run) -> None:
    """Write the recipe into the folder, or refuse a folder in which another recipe has made something.

    Raises:
        ConfigError: there is something of another recipe.
    """
    file = run.folder / "recipe.json"
    if file.is_file():
        try:
            same = Recipe.model_validate_json(file.read_text(encoding="utf-8")) == recipe
        except ValueError:  # of another version, or cut off
            same = False
        if not same and any(next(run.folder.glob(name), None) for name in MADE_IN_MINUTES):
            raise ConfigError(f"{run.folder}: begun with another recipe: give another --run, or remove the folder")
        if not same:  # a run that failed in its first minute must not keep its folder to itself
            (run.folder / "frozen.tflite").unlink(missing_ok=True)
            shutil.rmtree(run.folder / "pools", ignore_errors=True)
    file.write_text(recipe.model_dump_json(indent=2), encoding="utf-8")


def sources_of(training: TrainingSet) -> list[dict[str, Any]]:
    """Each source of the training photos with its licence and the photos of each label."""
    named = training.sources
    licences = {photo_set.name: photo_set.licence for photo_set in training.sets}
    table: list[dict[str, Any]] = []
    for name, licence in licences.items():
        labels = [photo.label for photo, source in zip(training.photos, named, strict=True) if source == name]
        counts = {label: labels.count(label) for label in sorted(set(labels))}
        table.append({"source": name, "licence": licence, "photos": len(labels), "labels": counts})
    return table


def record(
    recipe: Recipe,
    training: TrainingSet,
    validation: TrainingSet,
    table: list[dict[str, float]],
    best: dict[str, float],
) -> dict[str, Any]:
    """What run.json says."""
    names = (
        "keras",
        "keras-hub",
        "tensorflow",
        "jax",
        "torch",
        "numpy",
        "opencv-python-headless",
        "scikit-learn",
    )
    packages = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            packages[name] = importlib.metadata.version(name)
    return {
        "format": FORMAT,
        "recipe": recipe.model_dump(mode="json"),
        "backend": keras.backend.backend(),
        "data_digest": data_digest(training.photos),
        "photos": len(training.photos),
        "validation_photos": len(validation.photos),
        "sources": sources_of(training),
        "packages": packages,
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "sweep": table,
        "chosen": best,
    }
