"""Every fault: what the page says of it, how bad it is, what the station does by itself, and what a person does."""

from __future__ import annotations

from edge.clock import NS_PER_S
from edge.health.faults import ACTION_TEXT, SPECS, FaultKind, FaultSpec, RecoveryAction
from edge.health.health import ENDED_BY_RESET
from edge.health.retry import Backoff
from edge.health.state import INHIBITED_STATES
from edge.web.station.words import STATE_TEXT
from generate.markdown import code, document, table

HOLDS_TEXT = "Nothing is fired, every actuator is in its safe position, the belt stands, the beacon is on."
GOES_ON_TEXT = "Sorting goes on."


def page() -> str:
    """Return the page's text."""
    rows = [[f"[{code(kind)}](#{kind})", SPECS[kind].sentence, SPECS[kind].severity] for kind in FaultKind]
    parts = [f"### {code(kind)} {{ #{kind} }}\n\n{_about(kind)}" for kind in FaultKind]
    states = [
        [code(state), text.meaning, "held" if state in INHIBITED_STATES else ""] for state, text in STATE_TEXT.items()
    ]
    return document(
        "## States",
        table(("state", "what the page says", "strokes and belt"), states),
        "## All faults",
        table(("fault", "what the page says", "severity"), rows),
        "## One by one",
        *parts,
    )


def _about(kind: FaultKind) -> str:
    spec = SPECS[kind]
    lines = [
        f"- **Severity:** {spec.severity}. {HOLDS_TEXT if spec.inhibits else GOES_ON_TEXT}",
        f"- **The station:** {_remedy(spec)} {_end(kind, spec)}".rstrip(),
        f"- **You:** {spec.advice}",
    ]
    return f"{spec.sentence}\n\n" + "\n".join(lines)


def _remedy(spec: FaultSpec) -> str:
    if spec.action is None:
        return "Tries nothing by itself."
    text = ACTION_TEXT[spec.action]
    if spec.action is RecoveryAction.RESTART_SERVICE:
        return f"{text}."
    backoff = Backoff()
    waits = ", ".join(f"{backoff.wait(n) // NS_PER_S}" for n in range(3))
    longest = backoff.longest // NS_PER_S
    tried = f"{text} after {waits} ... s, at most {longest} s"
    return f"{tried}; after {spec.tries} tries the service is restarted." if spec.restarts else f"{tried}, for ever."


def _end(kind: FaultKind, spec: FaultSpec) -> str:
    if kind in ENDED_BY_RESET:
        return "The fault ends with a reset."
    return "" if spec.action is RecoveryAction.RESTART_SERVICE else "The fault ends when its cause is gone."
