"""What axe-core finds on a page that some people could not use."""

from __future__ import annotations

from typing import Any

from selenium import webdriver
from support.paths import ROOT

SCRIPT = ROOT / ".cache" / "axe-core-4.14.1" / "axe.min.js"
GRAVE = ("serious", "critical")
_RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ["violations"] }).then((found) => done(found.violations), (error) => done(String(error)));
"""


def grave_findings(chrome: webdriver.Chrome) -> list[str]:
    """Return a line for each serious or critical finding on the page that is shown: the rule, and where."""
    assert SCRIPT.is_file(), "these tests ask axe-core: run tests/install-tools"
    chrome.execute_script(SCRIPT.read_text("utf-8"))
    found: list[dict[str, Any]] | str = chrome.execute_async_script(_RUN)
    assert isinstance(found, list), found
    return [
        f"{rule['id']} ({rule['impact']}): {node['target']} {node.get('failureSummary', '')}"
        for rule in found
        if rule["impact"] in GRAVE
        for node in rule["nodes"]
    ]
