"""`sorter label`: a page on which a person says what is on pictures."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edge.cli.commands.label.choices import choose_labels, open_classifier
from edge.system.output import complain, say, silence_native_logs
from edge.system.privileges import account_name, leave_root

if TYPE_CHECKING:
    from edge.labelling.session import LabellingSession

_SHOWN_DAMAGE = 5


def command(
    folder: Annotated[
        Path, typer.Argument(help="Pictures, in this folder and below: what `sorter pull` brought, or any.")
    ],
    by: Annotated[
        str | None, typer.Option(help="Your name, which your file of labels gets; unset: that of your account.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="What can be said, as in glass,metal,cup; unset: the station's labels, else the model's."),
    ] = None,
    station: Annotated[
        Path | None, typer.Option(readable=False, help="Station file: the labels of its bins, and its model.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Model that suggests, NAME-VERSION.sorter; unset: the station's, else the one that ships."),
    ] = None,
    only_random: Annotated[
        bool,
        typer.Option("--random", help="Only the pictures that chance chose: what `sorter stats --purity` counts."),
    ] = False,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 shows the page to the whole network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
) -> None:
    """Label pictures in the browser, by keyboard, one or many at a time.

    Labels are lines of labels-NAME.csv in the folder; several people may label at once. The pictures stay as they are.
    """
    from edge.clock import SystemClock
    from edge.config import load_station
    from edge.labelling.labels import check_name
    from edge.labelling.pictures import PictureFolder
    from edge.labelling.proposals import Proposals
    from edge.labelling.session import LabellingSession

    silence_native_logs()
    name = check_name(account_name() if by is None else by)
    for path in (folder, bundle):
        if path is not None:
            leave_root(path.absolute())
    pictures = PictureFolder(folder, only_random)
    place = None if station is None else load_station(station)
    classifier = open_classifier(bundle, place)
    chosen = choose_labels(labels, place, classifier)
    session = LabellingSession(Proposals(pictures, classifier), name, chosen, SystemClock())
    _serve(session, host, port)
    _say_result(session)


def _serve(session: LabellingSession, host: str, port: int) -> None:
    from edge.web.label import LabelPage
    from edge.web.serving.server import PageServer

    page = LabelPage(session, (host,))
    server = PageServer(page.app, host, port)
    _say_where(session, server.where(page.path), host, server.port)
    with suppress(KeyboardInterrupt):  # how one ends it
        server.run()


def _say_where(session: LabellingSession, address: str, host: str, port: int) -> None:
    for line in session.damaged[:_SHOWN_DAMAGE]:
        complain(f"passed over {line}")
    if (more := len(session.damaged) - _SHOWN_DAMAGE) > 0:
        complain(f"passed over {more} more lines of labels")
    progress, folder = session.progress(), session.pictures.folder
    say(
        f"{progress.total} pictures in {folder}, {progress.labelled} of them labelled. Yours go into {session.path.name} there."
    )
    say(f"Open {address} in a browser; Ctrl-C ends it.")
    if host in ("127.0.0.1", "localhost", "::1"):
        say(f"From another machine first: ssh -L {port}:localhost:{port} to this one.")


def _say_result(session: LabellingSession) -> None:
    session.look_again(at_once=True)
    progress = session.progress()
    counts = ", ".join(f"{label} {count}" for label, count in sorted(progress.labels.items()))
    say(
        f"{progress.labelled} of {progress.total} pictures are labelled, {progress.mine} by {session.by}"
        + (f": {counts}." if counts else ".")
    )
    if progress.disputed:
        say(f"People disagree about {progress.disputed} of them; the latest label holds.")
