"""What pages, notebooks and docstrings name exists: links, files, modules and what is in them, targets of make."""

import ast
import builtins
import json
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [path for pattern in ("README.md", "docs/*.md", "data/*.md", ".github/**/*.md") for path in ROOT.glob(pattern)]
SOURCES = [path for folder in ("app", "benchmarks", "colvision", "tests") for path in (ROOT / folder).rglob("*.py")]
FENCE = re.compile(r"```(\w*)\n(.*?)```", flags=re.DOTALL)


def docstrings(path):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return "\n\n".join(ast.get_docstring(node) or "" for node in nodes if isinstance(node, kinds))


@cache
def texts():
    """(where, text) of everything that a reader is told."""
    found = [(path, path.read_text(encoding="utf-8")) for path in PAGES]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        found += [(path, "".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown"]
    found += [(path, docstrings(path)) for path in SOURCES]
    return [(str(path.relative_to(ROOT)), text) for path, text in found]


def named(pattern, *, fences=True):
    """(where, name) of all that the pattern finds in backticks and, with `fences`, in examples."""
    for where, text in texts():
        examples = [block for _, block in FENCE.findall(text) if fences]
        for code in [*examples, *re.findall(r"`([^`]+)`", FENCE.sub("", text))]:
            yield from ((where, name) for name in re.findall(pattern, code))


def is_module(name):
    path = ROOT.joinpath(*re.sub(r"^colvision\.app\b", "app", name).split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def exists(name):
    """Whether a dotted name is a module of ours, or something in one."""
    module, attributes = name, []
    while not is_module(module):
        module, _, attribute = module.rpartition(".")
        attributes.insert(0, attribute)
    found = import_module(module) if attributes else None
    for attribute in attributes:
        found = getattr(found, attribute, None)
        if found is None:
            return False
    return True


def is_runnable(name):
    return is_module(name) or ("." not in name and find_spec(name) is not None)


def anchors(page):
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    for path, heading in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not heading or heading in anchors(target), f"{path}#{heading}"


def test_every_path_exists():
    folders = named(r"(?<![\w/.<-])((?:app|benchmarks|colvision|data|docs|notebooks|tests|\.github|\.ci)/[\w./-]*)")
    missing = [(where, path) for where, path in folders if not (ROOT / path).exists()]
    known = "\n".join(f"/{path.relative_to(ROOT).as_posix()}\n" for path in SOURCES)
    missing += [
        (where, path) for where, path in named(r"(?<![\w./-])[a-z_][\w./-]*\.py\b") if f"/{path}\n" not in known
    ]
    assert missing == []


def test_every_dotted_name_is_a_module_or_something_in_one():
    found = list(named(r"(?<![\w./-])((?:app|benchmarks|colvision|tests)(?:\.[A-Za-z_]\w*)+)\b(?!/)"))
    assert len(found) > 50
    assert [(where, name) for where, name in found if not exists(name)] == []


def test_every_class_exists():
    source = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    known = {*dir(builtins), *re.findall(r"(?<=\.)[A-Z]\w+", source)}  # `package.Name`: of others
    known.update(*(line.split() for line in re.findall(r"^ *(?:class|from|import) [\w ]+", source, flags=re.MULTILINE)))
    known.update(re.findall(r"^([A-Z]\w+) = ", source, flags=re.MULTILINE))  # aliases of types
    used = r"[A-Z]\w*[a-z]\w*(?=[(]|[.][a-z])"  # Name(...), Name.attribute
    found = list(named(rf"(?<![\w./<-])({used}|[A-Z]+[a-z]+[A-Z]\w*[a-z]\w*)", fences=False))
    assert len(found) > 50
    assert [(where, name) for where, name in found if name not in known] == []


def test_every_module_that_is_run_exists():
    found = [(where, name) for where, text in texts() for name in re.findall(r"\bpython -m ([\w.]+\w)", text)]
    assert len(found) > 20
    assert [(where, name) for where, name in found if not is_runnable(name)] == []


def test_every_example_is_python_and_imports_what_exists():
    examples = [(page, code) for page in PAGES for kind, code in FENCE.findall(page.read_text()) if kind == "python"]
    assert examples
    for page, code in examples:
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("colvision"):
                assert all(exists(f"{node.module}.{each.name}") for each in node.names), (page, ast.unparse(node))


def test_every_target_of_make_exists():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = list(named(r"\bmake ([a-z][a-z-]*)"))
    assert {"app", "test", "setup", "check", "help"} <= {target for _, target in found}
    assert [(where, target) for where, target in found if target not in targets] == []
