"""What stands around the code is true of it: packages, the tree, and one set of checks everywhere."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_architecture_has_a_sentence_for_every_package():
    page = read("docs/architecture.md")
    names = [path.name for path in (ROOT / "colvision").iterdir() if path.name[0] != "_"]
    packages = [f"{name}/" if (ROOT / "colvision" / name).is_dir() else name for name in names]
    packages = [name for name in packages if name != "py.typed"]
    assert len(packages) > 10
    for name in packages:
        assert re.search(rf"^\|[^|]*\| `{re.escape(name)}` \| [\w`]", page, flags=re.MULTILINE), name


def test_the_tree_of_the_readme_is_the_tree():
    tree = re.findall(r"^(\w+)/ ", read("README.md"), flags=re.MULTILINE)
    assert {"colvision", "app", "data", "tests", "benchmarks", "notebooks"} == set(tree)
    assert all((ROOT / name).is_dir() for name in tree)


def test_hooks_before_a_commit_are_those_of_make_check():
    (recipe,) = re.findall(r"^check:.*\n((?:\t.+\n)+)", MAKEFILE, flags=re.MULTILINE)
    checks = [
        line.strip().replace("$(RUN)", ".venv/bin/python").replace("$(VENV)", ".venv") for line in recipe.splitlines()
    ]
    (local,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert [hook["entry"] for hook in local["hooks"]] == checks
    assert all(hook["language"] == "system" for hook in local["hooks"])


def test_the_workflow_calls_what_ci_calls_and_says_which_lanes_never_ran():
    jobs = yaml.safe_load(read(".github/workflows/test.yml"))["jobs"]
    assert [step["run"] for step in jobs["linux"]["steps"] if "run" in step] == ["bash .ci/run"]
    untried = {name for name, job in jobs.items() if "never run yet" in job.get("name", "")}
    assert untried == {name for name, job in jobs.items() if job.get("continue-on-error")} == {"macos", "windows"}
    for name in ("macOS", "Windows"):
        assert f"| {name} | **never run yet**" in read(".github/CONTRIBUTING.md")
