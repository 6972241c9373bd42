"""`sorter train`, `sorter evaluate`, `sorter dataset`: Keras and TensorFlow load inside the commands only."""

from __future__ import annotations

import functools
import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.errors import ConfigError
from edge.system.output import say
from training.dataset.exchange.commands import QUICK_S, READING, export_dataset, import_dataset
from training.loading import disk_full_is_said, load, make_folder, need
from training.progress import progress

if TYPE_CHECKING:
    from training.dataset.photos import LabelledPhoto

dataset_app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Look at, split, import and export labelled photos."
)
dataset_app.command("import")(import_dataset)
dataset_app.command("export")(export_dataset)

LOADING = "loading Keras and TensorFlow"
Data = Annotated[Path, typer.Option("--data", help="Folder that the recipe's or the list's paths start from.")]


def _check_page(html: Path | None) -> None:
    """Refuse a page that can't be written before minutes are spent on it."""
    if html is None:
        return
    if html.is_dir() or not html.parent.is_dir():
        raise ConfigError(f"--html {html}: expected a file in a folder that is there")
    if not os.access(html if html.exists() else html.parent, os.W_OK):
        raise ConfigError(f"--html {html}: no right to write there: give another file")


def train(
    recipe: Annotated[str | None, typer.Argument(help="A shipped recipe by name (waste), or a .toml file.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder that the recipe's paths start from [default: the recipe's].")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run folder; an interrupted run goes on where it was [default: runs/NAME]."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes that render views.")] = os.cpu_count() or 1,
    new: Annotated[
        Path | None, typer.Option(help="Write a recipe for this folder (or list) of photos, and train nothing yet.")
    ] = None,
    leave_out: Annotated[
        list[str] | None, typer.Option(help="A source that is not trained on but measured: what a new place will show.")
    ] = None,
) -> None:
    """Train a network from labelled photos: views on other backgrounds, transfer learning, a run folder."""
    if new is not None:
        _write_recipe(new, recipe)
        return
    if recipe is None:
        raise ConfigError("which recipe? A shipped one (waste), a .toml file, or --new PHOTOS, which writes one")
    need("keras")
    recipes = load("training.recipe")
    loaded = functools.reduce(recipes.without_source, leave_out or [], recipes.load_recipe(recipe))
    run = run or Path("runs") / loaded.name
    data = data or _folder_of(recipe)
    load("training.rendering.renderer").check_sets(loaded, data)
    with progress() as show, disk_full_is_said(run):
        show(LOADING, 0, 0)
        folder = load("training.run_folder").Run(run)
        written = load("training.fitting.train").train(loaded, data, folder, processes, show)
    chosen = written["chosen"]
    shifted = f", on other backgrounds {100 * chosen['shifted']:.1f} %" if "shifted" in chosen else ""
    say(f"{run}: validation top-1 {100 * chosen['plain']:.1f} %{shifted} (float)")
    for photos in loaded.left_out:
        say(f"  {photos.name}, never trained on: top-1 {100 * chosen[photos.name]:.1f} %")
    say(f"Next: {shlex.join(['sorter', 'convert', str(run), '--data', str(data), '--out', '.'])}")


def _folder_of(recipe: str) -> Path:
    """Where the paths of a recipe begin unless --data says so: at its own folder; a shipped one has none."""
    if (load("training.recipe").SHIPPED / f"{recipe}.toml").is_file():
        raise ConfigError(f"sorter train {recipe} needs --data: the folder that holds its photo sets")
    return Path(recipe).parent


def _write_recipe(source: Path, recipe: str | None) -> None:
    starter = load("training.dataset.starter")
    file = starter.default_file(source) if recipe is None else Path(recipe)
    with progress(QUICK_S) as show:
        made = starter.write_recipe(_read(source), source, file, functools.partial(show, READING))
    for remark in made.remarks:
        say(remark, err=True)
    say(
        f"{file}: photos to train on {made.parts['train']}, to choose by {made.parts['val']}, to measure with {made.parts['test']}"
    )
    say(f"Next: {shlex.join(['sorter', 'train', str(file)])}")


def search(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe by name (waste), or a .toml file.")],
    data: Data,
    run: Annotated[Path, typer.Option("--run", help="Run folder; its views are rendered once and used by all trials.")],
    trials: Annotated[int, typer.Option(min=1, help="Finished trials wanted, over all processes and starts.")] = 20,
) -> None:
    """Search for better settings of the fine-tuning; start it several times at once to search in parallel."""
    loaded = load("training.recipe").load_recipe(recipe)
    with progress() as show, disk_full_is_said(run):
        show(LOADING, 0, 0)
        preparing, module = load("training.fitting.prepare"), load("training.fitting.search")
        folder = load("training.run_folder").Run(run)
        # One process renders, the others wait for it and find the views.
        with folder.locked(wait=True):
            _, _, pools = preparing.prepare(loaded, data, folder, os.cpu_count() or 1, show)
    say(json.dumps(module.search(loaded, data, pools, run / "search", trials), indent=2))


def evaluate(  # noqa: PLR0913  (one argument an option)
    model: Annotated[Path, typer.Argument(help="A bundle (.sorter) or a run folder that was converted.")],
    data: Annotated[
        list[Path], typer.Option("--data", help="LABEL/PHOTO tree, or a .txt or .csv list; once for each source.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write one page that needs nothing else.")] = None,
    merge: Annotated[list[str] | None, typer.Option(help="cardboard=paper counts cardboard as paper.")] = None,
    label_map: Annotated[list[str] | None, typer.Option("--map", help="compost=organic renames a folder.")] = None,
    pictures: Annotated[bool, typer.Option(help="Show the worst mistakes on the page.")] = True,
) -> None:
    """Measure the float network and the int8 bundle side by side on the same photos, all and source by source."""
    _check_page(html)
    sources = {source: _read(source, _pairs(label_map or [])) for source in data}
    photos = [photo for found in sources.values() for photo in found]
    named = {photo.path: _source_name(source) for source, found in sources.items() for photo in found}
    with progress(QUICK_S) as show:
        show(LOADING, 0, 0)
        module = load("training.evaluation.compare")
        result = module.compare(model, photos, _pairs(merge or []), functools.partial(show, "photos"), named)
    if html is not None:
        with disk_full_is_said(html):
            html.write_text(load("training.evaluation.compare_page").page(result, pictures), encoding="utf-8")
    if as_json:
        say(json.dumps(result.figures, indent=2))
    else:
        say(module.summary(result))


def _read(source: Path, label_map: dict[str, str] | None = None) -> list[LabelledPhoto]:
    found: list[LabelledPhoto] = load("training.dataset.photos").read_photos(source, label_map)
    return found


def _source_name(source: Path) -> str:
    """A folder's own name; of a list that of its folder and itself: train and val of one folder are two."""
    return source.resolve().name if source.is_dir() else f"{source.resolve().parent.name}/{source.name}"


@dataset_app.command("inspect")
def inspect_dataset(
    data: Annotated[Path, typer.Argument(help="LABEL/PHOTO tree, or a .txt or .csv list.")],
    html: Annotated[Path | None, typer.Option(help="Write a page with thumbnails.")] = None,
    suspicious: Annotated[bool, typer.Option(help="Look for wrong labels by cross-validation (minutes).")] = False,
    weights: Annotated[
        str,
        typer.Option(help="For --suspicious: EfficientNet-Lite0's weights (.npz), or a KerasHub preset or its folder."),
    ] = "efficientnet_lite0_ra_imagenet",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Count labels; find unreadable files, duplicates and labels that are probably wrong."""
    _check_page(html)
    data_quality = load("training.dataset.data_quality")
    with progress(QUICK_S) as show:
        found = data_quality.inspect(_read(data), functools.partial(show, READING))
        if suspicious:
            show("looking for wrong labels", 0, 0)
            found = data_quality.with_suspects(found, weights)
    if html is not None:
        with disk_full_is_said(html):
            html.write_text(data_quality.page(found), encoding="utf-8")
    say(json.dumps(data_quality.as_tree(found), indent=2) if as_json else data_quality.summary(found))


@dataset_app.command("split")
def split_dataset(
    data: Annotated[Path, typer.Argument(help="LABEL/PHOTO tree, or a .txt or .csv list.")],
    out: Annotated[Path, typer.Option(help="Folder for train.csv, val.csv and test.csv.")],
    validation: Annotated[float, typer.Option(min=0.0, max=0.5)] = 0.15,
    test: Annotated[float, typer.Option(min=0.0, max=0.5)] = 0.15,
) -> None:
    """Split so that near duplicates stay together and photos added later move no old one."""
    data_quality, splits = load("training.dataset.data_quality"), load("training.dataset.splits")
    with progress(QUICK_S) as show:
        found = data_quality.inspect(_read(data), functools.partial(show, READING))
    before = splits.read_before(out, found.readable)
    parts = splits.split(found.readable, found.together, validation, test, before)
    make_folder(out, "--out")
    with disk_full_is_said(out):
        splits.write(parts, out)
    say(", ".join(f"{name} {len(photos)}" for name, photos in parts.items()))
    for warning in splits.warnings(parts):
        say(f"few photos: {warning}", err=True)


def _pairs(options: list[str]) -> dict[str, str]:
    pairs = {}
    for option in options:
        name, equals, other = option.partition("=")
        if not (name and equals and other):
            raise ConfigError(f"expected NAME=OTHER, got {option!r}")
        pairs[name] = other
    return pairs
