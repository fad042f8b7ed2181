"""What stands around the code is true of it: paths, packages, targets, and one set of checks everywhere."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = ["docs/architecture.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page):
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(name):
    links = re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", read(name))
    assert links
    for path, heading in links:
        target = (ROOT / name).parent / path if path else ROOT / name
        assert target.exists(), path
        assert not heading or heading in anchors(target), f"{path}#{heading}"


@pytest.mark.parametrize("name", PAGES[:2])
def test_every_path_of_the_source_that_is_named_exists(name):
    paths = re.findall(r"`((?:colvision|app|data|docs|benchmarks|notebooks|\.github|\.ci)/[\w./-]*)`", read(name))
    assert paths
    for path in paths:
        assert (ROOT / path).exists(), path


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


def test_every_target_that_contributors_are_told_of_exists():
    targets = re.findall(r"\bmake ([a-z-]+)(?=`|  )", read(".github/CONTRIBUTING.md"), flags=re.MULTILINE)
    assert {"setup", "check", "test", "help"} < set(targets)
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.MULTILINE), target
