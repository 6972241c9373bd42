"""What `sorter check` and `sorter doctor` say of the certificate that the page is served with."""

from __future__ import annotations

from collections.abc import Iterator

from edge.clock import SystemClock
from edge.config import Station
from edge.errors import ConfigError
from edge.tools.check.findings import Finding
from edge.tools.check.problems import Problem


def certificate_problems(station: Station) -> Iterator[Problem]:
    """Files that the page can't be served with, and a certificate that browsers refuse, or soon will."""
    from edge.station.environment import tls_of
    from edge.web.serving.tls import open_tls, validity_problems

    tls = tls_of(station.page)
    if tls is None:
        return
    try:
        open_tls(tls)
        yield from (Problem("warning", "page", text) for text in validity_problems(tls, SystemClock().wall_time()))
    except ConfigError as error:
        yield Problem("error", "page", str(error))


def certificate_findings(station: Station) -> Iterator[Finding]:
    """Say the same to `sorter doctor`; nothing where the station file names none."""
    if not station.page.enabled or station.page.certificate is None:
        return
    problems = list(certificate_problems(station))
    for problem in problems:
        yield Finding("certificate", "fail" if problem.severity == "error" else "warn", problem.text)
    if not problems:
        yield Finding("certificate", "ok", f"{station.page.certificate} fits its key")
