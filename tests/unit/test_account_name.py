"""The name of whoever works here, which files of labels and taught models carry."""

from __future__ import annotations

import getpass
import os

import pytest

from edge.labelling.labels import check_name
from edge.system.privileges import account_name


@pytest.mark.parametrize(
    ("account", "expected"),
    [("anna", "anna"), ("Anna Muster", "Anna-Muster"), (".hidden", "hidden"), ("x" * 40, "x" * 32)],
)
def test_an_account_behind_sudo_is_a_part_of_a_files_name(
    monkeypatch: pytest.MonkeyPatch, account: str, expected: str
) -> None:
    monkeypatch.setenv("SUDO_USER", account)
    assert check_name(account_name()) == expected


def test_an_account_without_a_name_has_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SUDO_USER", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    assert check_name(account_name()) == "uid-3999999"
