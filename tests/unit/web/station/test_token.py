"""The page's token on the disk: whole or refused, and never lost to a disk that fails for a moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.web.station.token import NAME, PageToken, make_token, make_token_if_missing, read_token


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_token_if_missing(tmp_path / "state")
    return tmp_path / "state"


def test_a_token_is_made_once_for_its_owner_alone_and_replaced_when_asked(folder: Path) -> None:
    token = read_token(folder)
    assert (folder / NAME).stat().st_mode & 0o777 == 0o600
    make_token_if_missing(folder)
    assert read_token(folder) == token
    assert make_token(folder) != token


def test_it_is_known_by_its_letters_alone(folder: Path) -> None:
    known, token = PageToken(folder), read_token(folder)
    assert not known.is_right(token)  # nobody has looked yet
    known.look()
    assert known.is_right(f" {token.replace('-', ' ').upper()}\n")
    for wrong in ("", token[:-1], f"{token}a", "ü", "\ud800", "\0"):
        assert not known.is_right(wrong)


def test_what_is_no_token_lets_nobody_in(folder: Path) -> None:
    known, token = PageToken(folder), read_token(folder)
    for spoil in (lambda: (folder / NAME).write_text(""), lambda: (folder / NAME).unlink(), (folder / NAME).mkdir):
        known.look()
        spoil()
        known.look()
        assert (known.is_known, known.is_right(token), known.is_right("")) == (False, False, False)
        with pytest.raises(ConfigError, match="sorter token --new"):
            read_token(folder)


def test_a_folder_that_can_not_be_read_for_a_moment_changes_nothing(folder: Path) -> None:
    known, token = PageToken(folder), read_token(folder)
    known.look()
    folder.rename(folder.with_name("away"))
    folder.write_text("no folder")
    known.look()
    assert known.is_right(token)


def test_a_folder_that_takes_no_token_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder")
    with pytest.raises(ConfigError, match=r"state/page-token: can't be written"):
        make_token(tmp_path / "state")
