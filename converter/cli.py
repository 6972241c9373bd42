"""`sorter convert`: TensorFlow and the quantizer load inside the command only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edge.bundle.version import checked_version
from edge.errors import ConfigError
from edge.system.output import say
from training.cli import LOADING
from training.loading import disk_full_is_said, load, make_folder


def convert(  # noqa: PLR0913  (one argument an option)
    run: Annotated[Path, typer.Argument(help="Run folder of `sorter train`.")],
    data: Annotated[Path, typer.Option("--data", help="Folder that the recipe's paths start from.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for NAME-VERSION.sorter.")],
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1.0",
    purity: Annotated[float, typer.Option(min=0.5, max=1.0, help="Share of right items wanted in each bin.")] = 0.97,
    left_out: Annotated[
        list[Path] | None,
        typer.Option(
            help="A run that was trained without some sources: the purity is to hold there, too; once for each run."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Pack even what lost too much accuracy.")] = False,
) -> None:
    """Convert a run to full int8, check it, fit its thresholds and pack a bundle."""
    try:
        checked_version(version)
    except ValueError as error:
        raise ConfigError(f"--version {version}: {error}") from None
    make_folder(out, "--out")
    say(f"{LOADING} ...", err=True)
    module = load("converter.convert", "converter")
    options = module.ConvertOptions(version=version, purity=purity, force=force, left_out=tuple(left_out or ()))
    folder = load("training.run_folder").Run(run)
    with disk_full_is_said(out):
        made = module.convert(folder, data, options, lambda text: say(f"{text} ...", err=True))
        path = out / f"{made.title}.sorter"
        partial = path.with_suffix(".part")
        partial.write_bytes(made.bundle)
        partial.replace(path)
        # Beside the bundle, for `sorter evaluate`; no device needs it.
        path.with_suffix(".float.tflite").write_bytes(made.half)
    report = made.report
    say(
        f"{path}: {len(made.bundle)} bytes, validation top-1 int8 {100 * report['int8']['top1']:.1f} %, "
        f"float {100 * report['float']['top1']:.1f} %, on other backgrounds int8 "
        f"{100 * report['other_backgrounds']['int8']['top1']:.1f} %"
    )
    say(f"{folder.report}: the report with the surest mistakes as pictures, for yourself: photos may not be passed on")
    for line in load("training.evaluation.words").by_source(report):
        say(line)
