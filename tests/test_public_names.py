"""What `import colvision` offers: one list, light until it is used, and all that the docs tell people to import."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import colvision
import colvision.public

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_public_names_are_those_that_can_be_imported():
    for name in colvision.__all__:
        assert getattr(colvision, name) is not None
    assert set(colvision.__all__) <= set(dir(colvision))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        colvision.nothing  # noqa: B018


def test_the_list_is_written_out_and_names_what_the_type_checkers_see():
    """Tools that do not run the package read both."""
    tree = ast.parse((ROOT / "colvision" / "__init__.py").read_text(encoding="utf-8"))
    (listed,) = (
        ast.literal_eval(each.value)
        for each in tree.body
        if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "__all__"
    )
    assert listed == ["__version__", *sorted(listed[1:])]
    public = ast.parse((ROOT / "colvision" / "public.py").read_text(encoding="utf-8"))
    imported = [alias.asname for each in public.body if isinstance(each, ast.ImportFrom) for alias in each.names]
    assert sorted(imported) == sorted(listed[1:])


@pytest.mark.parametrize("code", ["import colvision", "import colvision; colvision.open_library"])
def test_importing_the_package_imports_nothing_heavy(code):
    heavy = "{'torch', 'scipy', 'transformers', 'gradio', 'fastapi'}"
    script = f"import sys; {code}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_importing_the_package_alone_imports_not_even_numpy():
    script = "import sys, colvision; print(sorted({'numpy', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_what_the_docs_import_is_exported():
    named: set[str] = set()
    for path in DOCS:
        for block in re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), flags=re.DOTALL):
            named |= set(re.findall(r"\bcolvision\.([A-Za-z_]\w*)", block))
            for names in re.findall(r"^from colvision import \(?([^)\n]+)", block, flags=re.MULTILINE):
                named |= {name.strip() for name in names.split(",") if name.strip()}
    assert {"open_library", "Filter", "Upload", "MaxSimIndex", "EncoderSpec"} <= named
    modules = {path.stem for path in (ROOT / "colvision").iterdir()}
    assert named - modules <= set(colvision.__all__)
