"""What `sorter check` and `sorter doctor` say of the certificate that the page is served with."""

from __future__ import annotations

from collections.abc import Iterator

from edge.clock import SystemClock
from edge.config import Station
from edge.config.service import Page
from edge.errors import ConfigError
from edge.tools.check.findings import Finding
from edge.tools.check.problems import Problem


def certificate_problems(station: Station) -> Iterator[Problem]:
    """Files that the page can't be served with, and a certificate that browsers refuse, or soon will."""
    from edge.station.environment import tls_of
    from edge.web.serving.tls import open_tls, validity_problems

    tls = tls_of(station.page)
    if tls is None:
        yield from _plain_problems(station.page)
        return
    try:
        open_tls(tls)
        yield from (Problem("warning", "page", text) for text in validity_problems(tls, SystemClock().wall_time()))
    except ConfigError as error:
        yield Problem("error", "page", str(error))


def _plain_problems(page: Page) -> Iterator[Problem]:
    """A page that the network reaches, and whose token goes over it for everybody on the way to read."""
    if page.is_local or (page.is_open and not page.controls):
        return
    text = (
        f"{page.host} shows it to the network without TLS: whoever listens on the way learns its token; set page.certificate "
        "and page.key, or keep host at 127.0.0.1 with a proxy before it (docs/page.md)"
    )
    yield Problem("warning", "page", text)


def certificate_findings(station: Station) -> Iterator[Finding]:
    """Say the same to `sorter doctor`; nothing where the station file names none."""
    if not station.page.enabled or station.page.certificate is None:
        return
    problems = list(certificate_problems(station))
    for problem in problems:
        yield Finding("certificate", "fail" if problem.severity == "error" else "warn", problem.text)
    if not problems:
        yield Finding("certificate", "ok", f"{station.page.certificate} fits its key")
