"""The rules of the structure, read from the imports themselves."""

from __future__ import annotations

import ast
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.paths import ROOT

# What each package may import of the other two; edge knows neither.
ALLOWED = {
    "edge": ("edge",),
    # The simulator's cut-outs serve the augmentation too.
    "training": (
        "training",
        "edge.bundle",
        "edge.config.problems",
        "edge.errors",
        "edge.types",
        "edge.clock",
        "edge.inference.interpreter",
        "edge.labelling.labels",
        "edge.simulate.render.cutout",
        "edge.system.files",
        "edge.system.output",
        "edge.system.statistics",
        "edge.system.terminal",
        "edge.system.text",
        "edge.system.toml",
    ),
    "converter": ("converter", "training", "edge"),
}
# The floors of `edge`, from the ground up: an import points to a lower one, or stays in its room.
FLOORS = (
    {"errors", "types", "clock", "words"},
    {"interfaces"},
    {"system"},
    {"bundle"},
    {"config"},
    {"devices", "inference", "transport", "policy", "tally"},
    {"line"},
    {"sensing"},
    {"health"},
    {"simulate", "labelling"},
    {"journal", "models", "status"},
    {"stats"},
    {"web", "notify", "teaching"},
    {"station"},
    {"tools"},
    {"cli"},
    {"__main__"},
)
# What `edge` may import at the top of a module: everything else loads where it is used.
EDGE_TOP_LEVEL = {
    "tomli_w",
    "numpy",
    "cv2",
    "pydantic",
    "pydantic_core",
    "typer",
    "rich",
    "starlette",
    "uvicorn",
    "prometheus_client",
    "cryptography",
    "packaging",
    "aiomqtt",
}


# Modules that exist to wrap one library: whoever wants it imports them inside a function.
WRAPPERS = {
    "edge/devices/gpio/lgpio_pins.py": {"gpiozero", "lgpio"},
    "edge/devices/gpio/mock_pins.py": {"gpiozero"},
    "edge/simulate/backend/pins.py": {"gpiozero"},
}


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_import_arrows_point_one_way(package: str) -> None:
    wrong = []
    for path in _modules(package):
        for name in _imports(ast.parse(path.read_text())):
            ours = name.split(".")[0] in ALLOWED
            if ours and not any(
                name == a or name.startswith(f"{a}.") or a.startswith(f"{name}.") for a in ALLOWED[package]
            ):
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert _modules(package)
    assert wrong == []


def _room(module: str) -> str:
    """The folder or file right below `edge` that a module is in, as in "devices"; empty for `edge` itself."""
    return module.removeprefix("edge").removeprefix(".").split(".")[0]


def _arrows() -> dict[str, set[str]]:
    """Which modules of `edge` each of them imports, wherever in it: also inside functions and for types alone."""
    names = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in _modules("edge")
    }
    arrows: dict[str, set[str]] = {}
    for name, path in names.items():
        tree = ast.parse(path.read_text())
        found = {to for to in _imports(tree) if to in names and to not in ("edge", name)}
        # `from edge.config import base` names the folder as well as the module in it.
        arrows[name] = {to for to in found if not any(other.startswith(f"{to}.") for other in found)} or found
    return arrows


def test_an_import_points_down_or_stays_in_its_room() -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    rooms = {_room(name) for name in _arrows()} - {""}
    assert rooms == set(floor), "a new room needs a floor"
    upward = [
        f"{name} imports {to}"
        for name, imported in _arrows().items()
        for to in imported
        if _room(to) != _room(name) and floor[_room(to)] >= floor[_room(name)]
    ]
    assert upward == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    arrows = _arrows()
    assert len(arrows) > 200
    left = dict(arrows)
    # Whoever imports nothing that is left is in no circle; what remains at the end goes round.
    while free := [name for name, imported in left.items() if not imported & left.keys()]:
        for name in free:
            del left[name]
    assert sorted(left) == []


def test_edge_imports_only_light_packages_at_the_top() -> None:
    wrong = []
    for path in _modules("edge"):
        top = ast.Module(
            [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.Import | ast.ImportFrom)], []
        )
        for name in _imports(top):
            root = name.split(".")[0]
            allowed = EDGE_TOP_LEVEL | WRAPPERS.get(str(path.relative_to(ROOT)), set())
            if root not in sys.stdlib_module_names and root != "edge" and root not in allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_the_systemd_folder_is_no_package() -> None:
    assert (ROOT / "systemd").is_dir()
    assert not (ROOT / "systemd" / "__init__.py").exists(), "it would shadow the real systemd package"


def test_every_model_that_ships_is_on_the_list_of_those_that_need_no_signature() -> None:
    listed = (ROOT / "edge" / "model" / "digests.txt").read_text()
    shipped = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (ROOT / "edge/model").glob("*.sorter")}
    assert shipped
    assert [path for path, digest in shipped.items() if digest not in listed] == [], "add them with `make digests`"


# Models that the program makes itself, of values that it has counted; what a person or a file gives is checked.
OWN_RECORDS = {
    "edge/bundle/archive.py",
    "edge/inference/thresholds.py",
    "edge/models/probation.py",
    "edge/models/probation_tracker.py",
}


def test_no_setting_is_changed_unchecked() -> None:
    copying = {str(path.relative_to(ROOT)) for path in _modules("edge") if ".model_copy(" in path.read_text()}
    assert copying == OWN_RECORDS, "`Settings.with_values` checks what `model_copy` takes as it comes"


def test_make_has_a_recipe_for_every_target_that_it_names() -> None:
    text = (ROOT / "Makefile").read_text()
    named = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]
    assert named
    assert [name for name in named if f"\n{name}:" not in text] == []


def test_nothing_before_the_network_resizes_as_the_processor_likes() -> None:
    """INTER_LINEAR, which is also cv2.resize's default, rounds in another way on some processors and versions."""
    before = ["bundle/preprocess.py", "sensing/view.py", "sensing/crops.py", "devices/camera/photos.py"]
    text = "".join((ROOT / "edge" / name).read_text() for name in before)
    resized = re.findall(r"cv2\.resize\((.*)\)", text)
    assert resized
    assert [call for call in resized if "interpolation=" not in call] == []
    assert re.findall(r"cv2\.INTER_LINEAR\b", text) == []


def _folders(root: Path) -> set[str]:
    """The folders that hold Python files, as in "devices/gpio"; not the root itself."""
    return {str(path.parent.relative_to(root)) for path in root.rglob("*.py")} - {"."}


@pytest.mark.parametrize(
    ("tests", "package"),
    [("unit", "edge"), ("workstation/training", "training"), ("workstation/converter", "converter")],
)
def test_what_tests_a_part_lies_in_the_folder_that_the_part_has(tests: str, package: str) -> None:
    folders = _folders(ROOT / "tests" / tests)
    assert sorted(folders - _folders(ROOT / package)) == []


# One file for each command that a person types: whoever looks for one knows its name.
LISTS = {"edge/cli/commands"}
MOST_FILES, MOST_CLASS_LINES, MOST_FUNCTION_LINES = 15, 200, 50


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_no_folder_has_more_files_than_a_person_sees_at_once(package: str) -> None:
    counts = Counter(path.parent for path in _modules(package))
    full = {str(folder.relative_to(ROOT)): n for folder, n in counts.items() if n > MOST_FILES}
    full = {folder: n for folder, n in full.items() if folder not in LISTS}
    assert counts
    assert full == {}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_classes_and_functions_fit_on_a_screen_or_a_few(package: str) -> None:
    kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    found = [
        (path.relative_to(ROOT), node)
        for path in _modules(package)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds)
    ]
    long = {
        f"{path}::{node.name}": lines
        for path, node in found
        if (lines := (node.end_lineno or 0) - node.lineno + 1)
        > (MOST_CLASS_LINES if isinstance(node, ast.ClassDef) else MOST_FUNCTION_LINES)
    }
    assert found
    assert long == {}


def _callables_with_default(tree: ast.AST) -> Iterator[str]:
    """The attributes that hold something to call, and hold something else than what a constructor was given at first."""
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Attribute(attr=name), value=ast.Lambda() | ast.Constant()):
                yield from [name] if "Callable[" in ast.unparse(node.annotation) else []
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=ast.Lambda()):
                yield name
            case ast.ClassDef(body=body):
                for field in body:
                    if (
                        isinstance(field, ast.AnnAssign)
                        and field.value
                        and "Callable[" in ast.unparse(field.annotation)
                    ):
                        yield ast.unparse(field.target)


def test_what_a_part_calls_is_given_to_its_constructor_and_never_put_in_later() -> None:
    trees = {path: ast.parse(path.read_text()) for package in ALLOWED for path in _modules(package)}
    declared = {name for tree in trees.values() for name in _callables_with_default(tree)}
    assert {"on_failure", "on_tick"} <= declared
    put_in = [
        f"{path.relative_to(ROOT)}:{node.lineno} sets {target.attr}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Attribute)
        and target.attr in declared
        and not (isinstance(target.value, ast.Name) and target.value.id == "self")
    ]
    assert put_in == []


# What sees a station as a whole: it takes it apart for the others, checks it, measures it, simulates it or shows it.
WHOLE_STATION = {"cli", "config", "models", "simulate", "station", "tools", "web"}


def _keeps_the_station(node: ast.ClassDef) -> bool:
    """Whether a class has a whole Station as a field, or is given one by its constructor."""
    inits = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    given = [part.annotation for part in node.body if isinstance(part, ast.AnnAssign)]
    given += [argument.annotation for init in inits for argument in init.args.args if argument.annotation]
    return any(isinstance(part, ast.Name) and part.id == "Station" for kind in given for part in ast.walk(kind))


def test_a_part_below_the_station_takes_the_settings_that_it_reads_not_the_whole_file() -> None:
    classes = {
        f"{path.relative_to(ROOT)}::{node.name}": node
        for path in _modules("edge")
        if path.relative_to(ROOT / "edge").parts[0] not in WHOLE_STATION
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    assert {"edge/policy.py::Policy", "edge/transport/conveyor.py::Conveyor"} <= set(classes)
    assert [name for name, node in classes.items() if _keeps_the_station(node)] == []
