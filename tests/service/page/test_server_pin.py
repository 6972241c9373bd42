"""Why the versions of uvicorn are bounded on both sides."""

from __future__ import annotations

import ast
import asyncio
import tomllib
from pathlib import Path

import uvicorn
from packaging.requirements import Requirement
from starlette.applications import Starlette
from support.paths import ROOT

import edge.web


def test_the_range_leaves_out_what_keeps_streams_and_what_may_break_the_wrapping() -> None:
    """Before 0.32.1 uvicorn promised ASGI 2.4 and kept a stream whose visitor had gone; `Config.http_protocol_class`,
    which edge/web/serving/server.py wraps, is in no document."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    extras = settings["project"]["optional-dependencies"]["edge"]
    wanted = next(found for text in extras if (found := Requirement(text)).name == "uvicorn")
    assert not wanted.specifier.contains("0.32.0")
    assert not wanted.specifier.contains("1.0.0")
    assert wanted.specifier.contains(uvicorn.__version__)


def test_the_protocol_class_can_be_wrapped() -> None:
    config = uvicorn.Config(Starlette(), http="h11")
    config.load()
    assert issubclass(config.http_protocol_class, asyncio.Protocol)


def test_nothing_else_of_uvicorn_is_used_than_its_top_level() -> None:
    for path in Path(edge.web.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("uvicorn"), path
            elif isinstance(node, ast.Import):
                assert all(not alias.name.startswith("uvicorn.") for alias in node.names), path
