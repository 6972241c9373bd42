"""`sorter teach`: a head for this place, from what is put through the station or from pictures of what comes by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.options import DEFAULT_STATION, StationOption
from edge.errors import ConfigError
from edge.system.output import silence_native_logs

OutOption = Annotated[
    Path | None, typer.Option(help="Of pictures: where the taught bundle is written, NAME-VERSION.sorter here.")
]
NameOption = Annotated[str | None, typer.Option(help="Of pictures: name of the station, this machine's.")]
NumberOption = Annotated[
    int | None, typer.Option(min=1, max=999_999, help="Of pictures: which head of this station it is, 1.")
]
KeyOption = Annotated[
    Path | None, typer.Option(help="Of pictures: private key that signs the bundle, see `sorter key`.")
]
BaseOption = Annotated[
    Path | None,
    typer.Option(help="The base: model bundle NAME-VERSION.sorter; without it the station's, of pictures the shipped."),
]
PurityOption = Annotated[
    float | None, typer.Option(min=0.5, max=0.999, help="Share of right items that each bin should have: 0.95.")
]
LabelOption = Annotated[list[str] | None, typer.Option(help="Show things of this label; may be given several times.")]
ItemsOption = Annotated[
    int, typer.Option(min=0, max=1000, help="So many things of each label, with those shown before; 0: only learn.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Everything is prepared: wait for no key, and install.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables; asks nothing.")]


def command(
    photos: Annotated[
        Path | None, typer.Option(help="Pictures of single things: a folder that holds a folder for each label.")
    ] = None,
    labelled: Annotated[Path | None, typer.Option(help="A folder of pictures that `sorter label` was used on.")] = None,
    bundle: BaseOption = None,
    out: OutOption = None,
    purity: PurityOption = None,
    name: NameOption = None,
    number: NumberOption = None,
    key: KeyOption = None,
    station: StationOption = DEFAULT_STATION,
    demo: Annotated[bool, typer.Option("--demo", help="Practise on a simulated station, with a new label.")] = False,
    state_folder: Annotated[Path | None, typer.Option(help="Another folder for what is shown, and models.")] = None,
    label: LabelOption = None,
    items: ItemsOption = 10,
    shown: Annotated[bool, typer.Option("--list", help="Show what the station was taught, and do no more.")] = False,
    forget: Annotated[str | None, typer.Option(help="Remove what was shown of this label, and do no more.")] = None,
    yes: YesOption = False,
    as_json: JsonOption = False,
) -> None:
    """Teach a model what things look like here: put things through the station, label by label, or give it pictures."""
    silence_native_logs()
    if photos is not None or labelled is not None:
        of_station = {"--demo": demo, "--label": label, "--list": shown, "--forget": forget, "--yes": yes}
        _refuse_beside("--photos or --labelled", of_station)
        from edge.cli.commands.teach.from_pictures import Origin, teach_from_pictures

        teach_from_pictures(photos, labelled, Origin(bundle, out, purity or 0.95, name, number, key), as_json)
        return
    _refuse_beside(
        "the station (without --photos or --labelled)", {"--out": out, "--name": name, "--number": number, "--key": key}
    )
    from edge.cli.commands.teach import on_station

    place = on_station.Place(station, demo, state_folder, yes, as_json)
    if shown:
        on_station.show(place)
    elif forget is not None:
        on_station.forget(place, forget)
    else:
        on_station.teach(place, on_station.Wishes(bundle, purity, tuple(label or ()), items))


def _refuse_beside(what: str, options: Mapping[str, object]) -> None:
    if given := [option for option, value in options.items() if value]:
        raise ConfigError(f"{', '.join(given)}: expected without {what}: see `sorter teach --help`")
