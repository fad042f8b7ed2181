"""What the README says works."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colvision.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.slow
def test_the_python_example_runs_as_it_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    (example,) = blocks("python")
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("sample-manual-scan.pdf ")
    assert (tmp_path / "why.png").stat().st_size > 10_000


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines() if "colvision" in line])
def test_every_command_of_the_readme_exists_with_its_options(line):
    words = line.split("#")[0].split()
    answer = CliRunner().invoke(main, [words[1], "--help"])
    assert answer.exit_code == 0
    for option in re.findall(r"(?<![\w-])--?[a-z][\w-]*", line.split('" ')[-1] if '"' in line else line):
        assert option in answer.output
