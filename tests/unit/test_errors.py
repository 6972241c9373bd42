"""Every error of the user's has one class, and one exit code."""

from __future__ import annotations

import ast

from support.paths import ROOT

import edge.errors
from edge.errors import SorterError

OWN = {
    name: kind for name, kind in vars(edge.errors).items() if isinstance(kind, type) and issubclass(kind, SorterError)
}
CODED = {name: kind for name, kind in OWN.items() if "exit_code" in vars(kind) and kind is not SorterError}


def errors_elsewhere() -> list[tuple[str, ast.ClassDef]]:
    """Every class of the three packages whose name ends in Error, but for edge/errors.py; training needs no import."""
    found = []
    for package in ("edge", "training", "converter"):
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text())
            found += [
                (str(path.relative_to(ROOT)), node)
                for node in ast.walk(tree)
                if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
            ]
    return [(path, node) for path, node in found if path != "edge/errors.py"]


def test_no_error_is_there_twice() -> None:
    assert [f"{path}: {node.name}" for path, node in errors_elsewhere() if node.name in OWN] == []


def test_exit_codes_are_given_in_one_file() -> None:
    assigned = [
        f"{path}: {node.name}"
        for path, node in errors_elsewhere()
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and part.id == "exit_code"
    ]
    assert assigned == []


def test_every_error_of_the_users_has_a_kind_with_a_code_of_its_own() -> None:
    plain = [
        f"{path}: {node.name}"
        for path, node in errors_elsewhere()
        for base in node.bases
        if ast.unparse(base) == "SorterError"
    ]
    assert plain == []
    assert [name for name, kind in OWN.items() if kind is not SorterError and kind.exit_code == 1] == []


def test_no_two_kinds_share_an_exit_code() -> None:
    codes = [kind.exit_code for kind in CODED.values()]
    assert len(set(codes)) == len(codes)
    assert not {0, 1, 130} & set(codes)
