"""`sorter model`: the models on this device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from edge.bundle.archive import Bundle, bundle_bytes, open_bundle
from edge.bundle.manifest import Interval, Manifest
from edge.cli.options import DEFAULT_STATION, StationOption
from edge.errors import StoreError
from edge.models.fit import at_station
from edge.models.install import Device, activate, let_in, open_device, prove, wall_instant
from edge.models.records import Evidence, Generation, find_model
from edge.models.select import Origin, find_bundle
from edge.models.shadow import Comparison, compare, shadow_folder
from edge.models.verify import verify_store
from edge.system.output import say
from edge.system.terminal import Terminal, styled

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help="Models on this device.")

KeysPath = Annotated[
    Path | None, typer.Option("--keys", help="Folder of trusted keys; without it `keys` beside the station file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
ModelName = Annotated[str, typer.Argument(help="NAME-VERSION, VERSION, or the start of the digest.")]


@app.command("list")
def list_models(station: StationOption = DEFAULT_STATION, as_json: AsJson = False) -> None:
    """List the installed models, and the one at work where it is none of them."""
    device = open_device(station)
    shelf = _Shelf(device)
    if as_json:
        rows = [{**model.model_dump(), "state": shelf.state(model)} for model in shelf.models]
        say(json.dumps(rows, indent=2))
        return
    table = Table("", "model", "digest", "installed", "signed by", "ms", title="Installed models", title_justify="left")
    for model in shelf.models:
        signer = model.signer or styled("unsigned", "yellow")
        proven = (signer, f"{model.milliseconds:.1f}") if model.runtime else ("-", "-")
        table.add_row(shelf.state(model), model.title, model.digest[:12], model.installed, *proven)
    Terminal().print(table)
    _warn_if_unused(device)


@app.command()
def show(
    model: Annotated[
        str | None,
        typer.Argument(help="NAME-VERSION, VERSION, or the start of the digest; without it the one at work."),
    ] = None,
    station: StationOption = DEFAULT_STATION,
    as_json: AsJson = False,
) -> None:
    """Show one model: what it is, where it comes from, what was proven of it."""
    shelf = _Shelf(open_device(station))
    evidence = find_model(shelf.models, model or shelf.at_work)
    manifest = shelf.manifest(evidence)
    if as_json:
        answer = {"state": shelf.state(evidence), "evidence": evidence.model_dump()}
        say(json.dumps({**answer, "manifest": manifest.model_dump(mode="json")}, indent=2))
        return
    made, thresholds = manifest.provenance, manifest.thresholds
    rows = {
        "state": shelf.state(evidence) or "installed",
        "digest": evidence.digest,
        "labels": ", ".join(manifest.labels),
        "input": f"{manifest.geometry.width} x {manifest.geometry.height}, {manifest.input.dtype}",
        "thresholds": ", ".join(f"{label} {score:.2f}" for label, score in thresholds.minimum_score.items()),
        "signed by": evidence.signer or "unsigned",
        "here": f"{evidence.milliseconds:.1f} ms on {evidence.runtime}, {evidence.golden_steps} steps off",
        "made": f"{made.created}, run {made.run}",
        "photos": made.data_digest,
        "figures": ", ".join(f"{name} {value:g}" for name, value in made.figures.items()) or "none",
    }
    if (taught := manifest.taught) is not None:
        items = ", ".join(
            f"{label} {count.items} ({count.pictures} pictures)" for label, count in taught.labels.items()
        )
        rows["taught"] = f"taught at {taught.station} by {taught.by}, {taught.at}, on {taught.base_version}: {items}"
        rows["before, after"] = ", ".join(
            f"{name} {_interval(taught.before.get(name))} -> {_interval(figure)}"
            for name, figure in taught.after.items()
        )
    if not evidence.runtime:
        rows |= {"signed by": f"not asked for: {evidence.installed}", "here": "see `sorter check`"}
    table = Table(show_header=False, title=manifest.title, title_justify="left")
    for name, value in rows.items():
        table.add_row(name, value)
    Terminal().print(table)


def _interval(figure: Interval | None) -> str:
    return "-" if figure is None else f"{figure.value:.3g} ({figure.low:.3g} to {figure.high:.3g})"


class _Shelf:
    """The models that a person may mean: the installed ones, and one that is at work without being installed.

    Nothing was proven of that one, so its `runtime` is empty.
    """

    def __init__(self, device: Device) -> None:
        self._store, self._generation = device.store, device.store.active()
        self.models = device.store.models()
        self._outside: Bundle | None = None
        if device.station.inference.bundle is not None or self._generation is None:
            origin, bundle = find_bundle(device.station)
            self._put(bundle, origin)

    @property
    def at_work(self) -> str:
        """Digest of the model that a station which starts now would use."""
        if self._outside is not None:
            return self._outside.digest
        return "" if self._generation is None else self._generation.current

    def state(self, model: Evidence) -> str:
        if self._outside is not None and model.digest == self._outside.digest:
            return "current"
        return _state(model, self._generation)

    def manifest(self, model: Evidence) -> Manifest:
        """Return the manifest of one of `models`."""
        outside = self._outside is not None and model.digest == self._outside.digest
        return self._outside.manifest if outside and self._outside else self._store.read(model.digest).manifest

    def _put(self, bundle: Bundle, origin: Origin) -> None:
        self._outside, manifest = bundle, bundle.manifest
        if all(model.digest != bundle.digest for model in self.models):
            facts = {"name": manifest.name, "version": manifest.version, "labels": manifest.labels, "size": bundle.size}
            nothing = {"signer": None, "milliseconds": 0.0, "golden_steps": 0, "runtime": ""}
            self.models.append(
                Evidence(digest=bundle.digest, title=manifest.title, installed=origin.value, **facts, **nothing)  # type: ignore[arg-type]
            )


@app.command()
def install(
    bundle: Annotated[Path, typer.Argument(help="The bundle file.")],
    station: StationOption = DEFAULT_STATION,
    keys: KeysPath = None,
    and_activate: Annotated[bool, typer.Option("--activate", help="Also put it to work.")] = False,
    allow_downgrade: Annotated[bool, typer.Option("--allow-downgrade", help="Allow an older version.")] = False,
) -> None:
    """Check a bundle against this device and let it into the store."""
    device = open_device(station, keys)
    opened = open_bundle(bundle)
    evidence = prove(opened, device, allow_downgrade, for_later=not and_activate)
    let_in(device, opened, bundle_bytes(opened), evidence)
    say(f"installed {evidence.title} ({evidence.digest[:12]}): {evidence.milliseconds:.1f} ms here")
    if and_activate:
        _activate(device, evidence, probation=True)


@app.command("activate")
def activate_model(
    model: ModelName,
    station: StationOption = DEFAULT_STATION,
    keys: KeysPath = None,
    probation: Annotated[bool, typer.Option(help="Watch it and come back by itself when it does worse.")] = True,
) -> None:
    """Put an installed model to work; a running controller changes over between two items."""
    device = open_device(station, keys)
    _activate(device, device.store.find(model), probation)


@app.command()
def rollback(station: StationOption = DEFAULT_STATION) -> None:
    """Come back to the previous model."""
    device = open_device(station)
    generation = device.store.roll_back("rolled back by hand", wall_instant(device.clock))
    say(f"current is {_title(device, generation.current)} again")


@app.command()
def shadow(
    model: Annotated[str | None, typer.Argument(help="The installed model to run as shadow; none: no model.")] = None,
    station: StationOption = DEFAULT_STATION,
) -> None:
    """Let an installed model classify beside the current one without acting; `compare` shows what it says."""
    device = open_device(station)
    if model is None:
        device.store.set_shadow(None)
        say("no shadow model any more")
        return
    evidence = device.store.find(model)
    at_station(device.store.open(evidence.digest), device.station)
    device.store.set_shadow(evidence.digest)
    say(f"{evidence.title} is the shadow model from now on; see what it says with 'sorter model compare'")


@app.command("compare")
def compare_models(
    station: StationOption = DEFAULT_STATION,
    model: Annotated[
        str | None, typer.Argument(help="A model that is or was the shadow; without it the present one.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Show so many of the latest items they differ on.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show where the shadow model differs from the one at work, with crops."""
    device = open_device(station)
    digest = device.store.shadow() if model is None else device.store.find(model).digest
    if digest is None:
        raise StoreError("no shadow model: start one with 'sorter model shadow MODEL'")
    folder = shadow_folder(device.station.state_folder, digest)
    comparison = compare(folder)
    if as_json:
        say(json.dumps(_comparison_json(comparison, digest, folder), indent=2))
    else:
        _print_comparison(comparison, folder, limit)


@app.command()
def prune(
    station: StationOption = DEFAULT_STATION,
    keep: Annotated[int, typer.Option(min=0, help="How many models to keep besides current and previous.")] = 3,
) -> None:
    """Remove old models; current and previous always stay."""
    removed = open_device(station).store.prune(keep)
    say(f"removed {len(removed)}" + "".join(f"\n  {digest[:12]}" for digest in removed))


@app.command()
def verify(station: StationOption = DEFAULT_STATION, as_json: AsJson = False) -> None:
    """Read the whole store again and compare it with what it should be."""
    device = open_device(station)
    findings = verify_store(device.store)
    if as_json:
        say(json.dumps([{"where": finding.where, "problem": finding.problem} for finding in findings], indent=2))
    elif not findings:
        say(f"{device.store.folder}: {len(device.store.models())} models, all whole")
    else:
        for finding in findings:
            say(f"{finding.where}: {finding.problem}", err=True)
    if findings:
        raise typer.Exit(StoreError.exit_code)


def _activate(device: Device, evidence: Evidence, probation: bool) -> None:
    generation = activate(device, evidence.digest, "activated by hand", probation)
    back = "nothing" if generation.previous is None else _title(device, generation.previous)
    on_probation = ", on probation" if generation.probation else ""
    say(f"current is {evidence.title} ({evidence.digest[:12]}){on_probation}; previous is {back}")


def _comparison_json(comparison: Comparison, digest: str, folder: Path) -> dict[str, object]:
    return {
        "candidate": digest,
        "items": comparison.items,
        "same": comparison.same,
        "sure": comparison.sure,
        "candidate_sure": comparison.candidate_sure,
        "candidate_ms": round(comparison.candidate_ms, 3),
        "different": [
            {**sample.model_dump(), "picture": str(folder / sample.picture) if sample.picture else ""}
            for sample in comparison.different
        ],
    }


def _print_comparison(comparison: Comparison, folder: Path, limit: int) -> None:
    console, items = Terminal(), comparison.items
    console.print(
        f"{items} items: the same label for {comparison.same} ({comparison.same / items:.1%}); sure of {comparison.sure} "
        f"at work, of {comparison.candidate_sure} looking on; {comparison.candidate_ms:.1f} ms an item looking on"
    )
    pairs = Table("at work", "looking on", "items", title="Where they differ", title_justify="left")
    for (label, other), count in comparison.pairs.most_common():
        pairs.add_row(label, other, str(count))
    latest = Table("item", "at work", "looking on", "crop", title="The latest of them", title_justify="left")
    for sample in comparison.different[max(0, len(comparison.different) - limit) :]:
        crop = str(folder / sample.picture) if sample.picture else ""
        ours, other = (
            f"{sample.label} {sample.score:.0%}",
            f"{sample.candidate_label} {sample.candidate_score:.0%}",
        )
        latest.add_row(str(sample.item), ours, other, crop)
    for table in (pairs, latest):
        if table.row_count:
            console.print(table)


def _title(device: Device, digest: str) -> str:
    title = next((model.title for model in device.store.models() if model.digest == digest), "a damaged model")
    return f"{title} ({digest[:12]})"


def _state(model: Evidence, generation: Generation | None) -> str:
    if generation is None:
        return ""
    return {generation.previous: "previous", generation.current: "current"}.get(model.digest, "")


def _warn_if_unused(device: Device) -> None:
    if device.station.inference.bundle is not None:
        say(
            f"note: the station file names {device.station.inference.bundle} (inference.bundle), "
            "so the store's current model is not used",
            err=True,
        )
