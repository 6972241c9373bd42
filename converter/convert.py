"""`sorter convert`: a finished run -> float LiteRT -> full int8 -> checked -> thresholds fitted -> a bundle."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from converter.layers import layer_errors
from converter.left_out import measure_trained_without, refit_heads
from converter.quantize import check_operators, quantize_static
from converter.remembered import Sample, add_none_of_these, as_codes, remember, sample_training, set_back
from converter.representative import choose_representative
from converter.sources import Fitted, Ground, figures_by_source, fit_by_source, measure_left_out, surest_mistakes
from edge.bundle.archive import GOLDEN, GOLDEN_PHOTOS, HEAD, MEMORY, MODEL, REPORT_HTML, REPORT_JSON, pack_bundle
from edge.bundle.head import LinearHead, quantize_head
from edge.bundle.manifest import FORMAT_VERSION, Golden, Manifest, Output, Provenance, Thresholds
from edge.bundle.memory import Memory
from edge.bundle.photo import load_photo
from edge.bundle.preprocess import InputGeometry, prepare_crop
from edge.errors import ConversionError
from edge.inference.golden import make_golden
from edge.inference.golden_photos import make_golden_photos
from edge.inference.interpreter import Inference, Interpreter
from edge.types import Box, Image
from training.dataset.photos import LabelledPhoto, data_digest
from training.dataset.seen import Seen, load_seen
from training.evaluation.compare import Comparison
from training.evaluation.compare_page import page
from training.evaluation.evaluate import FloatNetwork, Int8Network, Network, Scored, answers, figures, prepare, score
from training.network.frozen_backbone import compile_float, cut_off_head
from training.recipe import Recipe
from training.rendering.pool import ViewPlan, ViewRenderer
from training.rendering.renderer import build_renderer, read_sets
from training.run_folder import Run

LARGEST_LOSS = 0.005
MISTAKES = 24  # of each source, as pictures
GOLDEN_VECTORS = 5  # 0.15 MB each, uncompressed: any one of them shows a device that computes otherwise
SHIPPED_PHOTOS = Path(__file__).parent.parent / "edge" / "simulate" / "photos"
Progress = Callable[[str], None]


@dataclass(frozen=True)
class ConvertOptions:
    """`purity` is what each bin should hold of right items; `force` packs a bundle that the gate refuses."""

    version: str
    purity: float = 0.97
    force: bool = False
    representative: int = 210
    left_out: tuple[Path, ...] = ()  # runs that left sources out


@dataclass(frozen=True)
class Converted:
    """The bundle's bytes, the float network that it came from with 16-bit weights, and what its report says."""

    bundle: bytes
    half: bytes
    report: dict[str, Any]
    title: str


@dataclass(frozen=True)
class _Checks:
    """Validation photos whole, and views of them on other backgrounds; bare backgrounds have label -1."""

    photos: tuple[LabelledPhoto, ...]
    plain: list[Image]
    shifted: list[Image]
    shifted_labels: np.ndarray


@dataclass(frozen=True)
class _Quantized:
    """A network in int8 whose features a head makes scores of, and what it was made from."""

    float_model: bytes
    model: bytes
    interpreter: Interpreter
    head: LinearHead
    operators: tuple[str, ...]
    layers: list[dict[str, Any]]


def convert(run: Run, data: Path, options: ConvertOptions, on_progress: Progress) -> Converted:
    """Convert, measure, fit and pack.

    Raises:
        ConversionError: an operator that no Pi should run, or more accuracy lost than the gate allows.
    """
    written = run.read()
    recipe = run.recipe()
    network = run.load_network()
    made = _quantized(network, recipe, data, run, options.representative, on_progress)
    on_progress("looking at training photos, so that the bundle remembers them")
    sample = sample_training(recipe, data, made.interpreter)
    made = replace(made, head=add_none_of_these(made.head, sample, made.interpreter))
    on_progress("measuring on validation photos")
    checks = _validation(recipe, data, run)
    measured = _measure(made, checks, recipe, data, on_progress)
    made = replace(made, head=measured.head)
    plain, shifted, grounds = measured.plain, measured.shifted, measured.grounds
    on_progress("measuring on sources by networks that were trained without them")
    without = measure_trained_without(options.left_out, recipe, data)
    fitted = _fit(plain["int8"], shifted["int8"], checks, recipe, options.purity, [*grounds, *without])
    thresholds = fitted.thresholds
    report = _report(recipe, written, checks, (plain, shifted), thresholds)
    _tell_sources(report, grounds, without, fitted)
    report["heads_without"] = refit_heads(sample, made.head, recipe.labels, thresholds)
    report["operators"] = sorted(set(made.operators))
    report["bytes"] = len(made.model)
    report["layers"] = made.layers
    _gate(report, options)
    manifest, golden = _manifest(recipe, written, made, thresholds, report, options)
    # No pictures: few photo sets may be passed on.
    html = page(Comparison(manifest.title, report, ()), pictures=False)
    members = {
        MODEL: made.model,
        HEAD: made.head.to_bytes(),
        MEMORY: _memory(made, sample, checks, recipe).to_bytes(),
        GOLDEN: golden,
        GOLDEN_PHOTOS: golden_photos(made.interpreter, recipe.network.geometry),
        REPORT_JSON: json.dumps(with_seen(report, run, data), indent=1).encode(),
        REPORT_HTML: html.encode(),
    }
    own = Ground("validation", plain, answers(checks.photos, recipe.labels, {}), checks.photos)
    shown = surest_mistakes([own, *grounds], thresholds.temperature, MISTAKES)
    run.report.write_text(page(Comparison(manifest.title, report, shown)), encoding="utf-8")
    bundle = pack_bundle(manifest, members)
    run.converted.write_bytes(bundle)
    run.converted.with_suffix(".float.tflite").write_bytes(made.float_model)
    return Converted(bundle, compile_float(network, half=True), report, manifest.title)


def _quantized(
    network: keras.Model, recipe: Recipe, data: Path, run: Run, count: int, on_progress: Progress
) -> _Quantized:
    on_progress("compiling the float network")
    backbone, weights, bias = cut_off_head(network)
    float_backbone = compile_float(backbone)
    on_progress("choosing representative photos")
    views = representative_views(recipe, data, run, count)
    on_progress(f"quantizing on {len(views)} views")
    model = quantize_static(float_backbone, views)
    operators = check_operators(model).names
    interpreter = Interpreter(model, recipe.name)
    head = quantize_head(weights, bias, interpreter.output)
    worst = layer_errors(float_backbone, model, views[:8])[:10]
    layers = [{"layer": error.layer, "decibels": round(error.decibels, 2)} for error in worst]
    return _Quantized(compile_float(network), model, interpreter, head, operators, layers)


@dataclass(frozen=True)
class _Measured:
    """What the networks make of validation photos, whole and on other backgrounds, and of sources that are left out."""

    head: LinearHead
    plain: dict[str, Scored]
    shifted: dict[str, Scored]
    grounds: list[Ground]


def _measure(made: _Quantized, checks: _Checks, recipe: Recipe, data: Path, on_progress: Progress) -> _Measured:
    """Score everything once; "none of these" is set back by what comes of it."""
    int8_network = Int8Network(made.interpreter, made.head)
    networks: dict[str, Network] = {"float": FloatNetwork(made.float_model), "int8": int8_network}
    plain = {name: score(network, checks.plain) for name, network in networks.items()}
    shifted = {name: score(network, checks.shifted) for name, network in networks.items()}
    on_progress("measuring on sources that are left out")
    grounds = measure_left_out(recipe, data, networks)
    known = [ground.scored["int8"].only(ground.right.labels >= 0) for ground in grounds]
    head, shift = set_back(made.head, [plain["int8"], shifted["int8"].only(checks.shifted_labels >= 0), *known])
    return _Measured(
        head,
        {name: scored.set_back(shift) for name, scored in plain.items()},
        {name: scored.set_back(shift) for name, scored in shifted.items()},
        [
            replace(ground, scored={name: scored.set_back(shift) for name, scored in ground.scored.items()})
            for ground in grounds
        ],
    )


def _memory(made: _Quantized, sample: Sample, checks: _Checks, recipe: Recipe) -> Memory:
    index = {name: number for number, name in enumerate(recipe.labels)}
    labels = np.array([index[photo.label] for photo in checks.photos], np.int64)
    codes = as_codes(made.interpreter, checks.plain)
    return remember(sample, (codes, labels), made.head.weights.shape[1], recipe.seed)


def with_seen(report: dict[str, Any], run: Run, data: Path) -> dict[str, Any]:
    """The report with the digests of the photos that trained the network; an older run gets them from its photos."""
    seen = load_seen(run.folder)
    if seen is None:
        recipe = run.recipe()
        training = read_sets(recipe.train, data, recipe).photos
        if data_digest(training) != run.read()["data_digest"]:
            return report
        seen = Seen.of(training, read_sets(recipe.validation, data, recipe).photos)
        seen.save(run.folder)
    return {**report, "seen": seen.as_tree()}


def representative_views(recipe: Recipe, data: Path, run: Run, count: int) -> list[Image]:
    """Training photos whole and training views, then the spread-out ones of each label among them."""
    training = read_sets(recipe.train, data, recipe)
    rng = np.random.default_rng(recipe.seed)
    few = rng.permutation(len(training.photos))[:700]
    part = training.part(few)
    whole = prepare(part.photos[::2], recipe.network.geometry)
    renderer = build_renderer(training, data, recipe, run.masks)
    plan = ViewPlan(few[1::2], recipe.seed + 17)
    views = whole + [renderer.view(plan, index) for index in range(len(plan))]
    names = [str(label) for label in (*part.labels[::2], *training.labels[few[1::2]])]
    return [views[index] for index in choose_representative(views, names, count)]


def _validation(recipe: Recipe, data: Path, run: Run) -> _Checks:
    validation = read_sets(recipe.validation, data, recipe)
    renderer: ViewRenderer = build_renderer(validation, data, recipe, run.masks, shifted=True)
    # Where no object could be cut out, other light and crops have to do.
    masked = [i for i, source in enumerate(renderer.sources) if source.is_cut]
    cut = np.repeat(masked or range(len(renderer.sources)), 2)
    sources = np.concatenate([cut, np.full(round(0.15 * len(cut)), -1)])
    plan = ViewPlan(sources, recipe.seed + 31)
    views = [renderer.view(plan, index) for index in range(len(plan))]
    labels = np.where(sources >= 0, validation.labels[sources], -1)
    return _Checks(validation.photos, prepare(validation.photos, recipe.network.geometry), views, labels)


def _fit(
    plain: Scored, shifted: Scored, checks: _Checks, recipe: Recipe, purity: float, grounds: Sequence[Ground]
) -> Fitted:
    """Temperature and thresholds from the int8 file's own scores, on white board, other backgrounds, other sources."""
    index = {name: number for number, name in enumerate(recipe.labels)}
    labels = np.concatenate([[index[photo.label] for photo in checks.photos], checks.shifted_labels])
    own = (np.concatenate([plain.scores, shifted.scores]), labels)
    return fit_by_source(own, grounds, recipe.labels, purity)


def _report(
    recipe: Recipe,
    written: dict[str, Any],
    checks: _Checks,
    scored: tuple[dict[str, Scored], dict[str, Scored]],
    thresholds: Thresholds,
) -> dict[str, Any]:
    right = answers(checks.photos, recipe.labels, {})
    other = type(right)(checks.shifted_labels, recipe.labels)
    report: dict[str, Any] = {name: figures(scored[0][name], right, thresholds) for name in ("float", "int8")}
    report["other_backgrounds"] = {name: figures(scored[1][name], other, thresholds) for name in ("float", "int8")}
    same = scored[0]["float"].scores.argmax(axis=1) == scored[0]["int8"].scores.argmax(axis=1)
    report["agreement"] = float(same.mean())
    report["photos_of"] = "the validation split; the model and its thresholds were chosen on it, so it flatters"
    report["sweep"], report["trained_on"] = written["sweep"], written["sources"]
    report["thresholds"] = thresholds.model_dump(mode="json")
    return report


def _tell_sources(report: dict[str, Any], grounds: Sequence[Ground], without: Sequence[Ground], fitted: Fitted) -> None:
    """Add the figures of each source, and where no threshold keeps the purity."""
    for name, table in figures_by_source(grounds, fitted.thresholds).items():
        report[name]["sources"] = table
    report["trained_without"] = figures_by_source(without, fitted.thresholds).get("int8", {})
    report["purity_not_reached"] = {name: list(labels) for name, labels in fitted.unreached.items() if labels}


def _gate(report: dict[str, Any], options: ConvertOptions) -> None:
    """Refuse a file that lost more than half a point, and name the label that suffers most."""
    lost = report["float"]["top1"] - report["int8"]["top1"]
    recalls = {
        name: report["float"]["labels"][name]["recall"] - report["int8"]["labels"][name]["recall"]
        for name in report["float"]["labels"]
    }
    worst = max(recalls, key=lambda name: recalls[name])
    report["gate"] = {"lost": lost, "allowed": LARGEST_LOSS, "worst_label": worst, "worst_label_lost": recalls[worst]}
    if lost > LARGEST_LOSS and not options.force:
        raise ConversionError(
            f"int8 loses {100 * lost:.1f} points of accuracy, at most {100 * LARGEST_LOSS:.1f} are allowed; {worst} "
            f"suffers most ({100 * recalls[worst]:.1f} points): look at the layers of the report, or pass --force"
        )


def _manifest(
    recipe: Recipe,
    written: dict[str, Any],
    made: _Quantized,
    thresholds: Thresholds,
    report: dict[str, Any],
    options: ConvertOptions,
) -> tuple[Manifest, bytes]:
    interpreter, head = made.interpreter, made.head
    vectors = _golden_photos()[:GOLDEN_VECTORS]
    crops = [prepare_crop(load_photo(path), None, recipe.network.geometry) for path in vectors]
    packages = {**written["packages"], **{name: importlib.metadata.version(name) for name in ("litert-quantizer",)}}
    manifest = Manifest(
        name=recipe.name,
        version=options.version,
        labels=recipe.labels,
        geometry=recipe.network.geometry,
        input=interpreter.input,
        format_version=FORMAT_VERSION,
        output=Output(**interpreter.output.model_dump(), kind="features"),
        head=head.shape(),
        thresholds=thresholds,
        golden=Golden(
            count=len(crops), tolerance=0, runtime=interpreter.runtime, runtime_version=interpreter.runtime_version
        ),
        provenance=Provenance(
            data_digest=written["data_digest"],
            run=recipe.name,
            packages=packages,
            created=datetime.datetime.now(datetime.UTC).date().isoformat(),
            figures={
                "validation_top1_int8": report["int8"]["top1"],
                "validation_top1_float": report["float"]["top1"],
                "other_backgrounds_top1_int8": report["other_backgrounds"]["int8"]["top1"],
                **{
                    f"{name}_top1_int8": row["top1"]
                    for name, row in report["int8"].get("sources", {}).items()
                    if row["photos"]
                },
            },
        ),
    )
    return manifest, make_golden(interpreter, crops, head)


def golden_photos(interpreter: Inference, geometry: InputGeometry) -> bytes:
    """Three photos that take every way through the crop function: reduced; over the edges and halved; enlarged."""
    photos = [load_photo(path) for path in _golden_photos()[:3]]
    height, width = photos[0].shape[:2]
    boxes = (None, Box(0, 0, width, height), Box(width // 4, height // 4, width // 3, height // 3))
    return make_golden_photos(interpreter, list(zip(photos, boxes, strict=True)), geometry)


def _golden_photos() -> Sequence[Path]:
    """One photo of each label that may be passed on; the bundle carries them."""
    return [sorted(folder.glob("*.jpg"))[0] for folder in sorted(SHIPPED_PHOTOS.iterdir()) if folder.is_dir()]
