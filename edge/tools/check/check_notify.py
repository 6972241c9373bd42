"""What `sorter check` sees in the settings of who is told: without asking any server (`sorter notify --test` does)."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from edge.config import Station
from edge.config.notify import NotifySettings
from edge.errors import ConfigError, NotifyError
from edge.notify.channels import chosen_faults
from edge.notify.explain import trusted
from edge.notify.secret_files import read_secret
from edge.notify.webhook import signing_key
from edge.system.privileges import SERVICE_USER, first_unreadable, myself, named_reader
from edge.tools.check.problems import Problem

_CREDENTIALS = Path("/run/credentials")


def notify_problems(station: Station) -> Iterator[Problem]:
    """Faults that there are not, secrets that can't be used or that others may read, passwords in the open."""
    settings = station.notify
    for table, rules in [
        *((f"notify.webhook[{hook.name}]", hook) for hook in settings.webhook),
        *([] if settings.mail is None else [("notify.mail", settings.mail)]),
    ]:
        try:
            chosen_faults(rules, table)
        except ConfigError as error:
            where, _, text = str(error).partition(": ")
            yield Problem("error", where, text)
    for key, path, use in _files(settings):
        yield from _file_problems(key, path, use)
    mqtt = settings.mqtt
    if mqtt is not None and mqtt.username is not None and not mqtt.tls:
        text = "whoever listens on the network can read user and password: set tls = true where the broker has it"
        yield Problem("warning", "notify.mqtt", text)
    if mqtt is not None and mqtt.commands and mqtt.username is None:
        text = "no user at the broker: if it lets everybody in, everybody there can set the station going"
        yield Problem("warning", "notify.mqtt.commands", text)


def _files(settings: NotifySettings) -> Iterator[tuple[str, Path, Callable[[], object]]]:
    """Yield the key of every file that is named, and what the station does with it."""
    for table, own in (("notify.mqtt", settings.mqtt), ("notify.mail", settings.mail)):
        if own is not None and (password := own.password_file) is not None:
            yield f"{table}.password_file", password, partial(read_secret, password)
        if own is not None and (authority := own.ca_file) is not None:
            yield f"{table}.ca_file", authority, partial(trusted, authority)
    for hook in settings.webhook:
        table = f"notify.webhook[{hook.name}]"
        if (key := hook.secret_file) is not None:
            yield f"{table}.secret_file", key, partial(signing_key, hook)
        if (token := hook.token_file) is not None:
            yield f"{table}.token_file", token, partial(read_secret, token)
        if (authority := hook.ca_file) is not None:
            yield f"{table}.ca_file", authority, partial(trusted, authority)


def _file_problems(key: str, path: Path, use: Callable[[], object]) -> Iterator[Problem]:
    if path.is_relative_to(_CREDENTIALS):
        return  # there, and for the service alone, while that runs
    reader = named_reader(SERVICE_USER) or myself()
    if (closed := first_unreadable(path, reader)) is not None:
        yield Problem("error", key, f"{reader.name} can't read {closed}: {_opening(closed, reader.name)}")
    elif first_unreadable(path, myself()) is not None:
        yield Problem("warning", key, f"{path}: you can't read it; run this with sudo to have it looked at")
    else:
        try:
            use()
        except NotifyError as error:
            yield Problem("error", key, str(error))


def _opening(path: Path, name: str) -> str:
    """Return the command that lets the service in, and nobody else."""
    quoted = shlex.quote(str(path))
    if name != SERVICE_USER:
        return f"chmod u+rX {quoted}"
    right = "g+rx" if path.is_dir() else "640"
    return f"sudo chgrp {SERVICE_USER} {quoted} && sudo chmod {right} {quoted}"
