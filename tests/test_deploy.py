"""The files of docs/deploy: what can be said of them where neither systemd nor a container runs."""

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from colvision.cli import main

DEPLOY = Path(__file__).parents[1] / "docs" / "deploy"
UNIT = (DEPLOY / "colvision.service").read_text(encoding="utf-8")
CONTAINER = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
(STARTED,) = re.findall(r"^ExecStart=/opt/colvision/bin/(.*)$", UNIT, flags=re.MULTILINE)
(CALLED,) = re.findall(r"^CMD (.*)$", CONTAINER, flags=re.MULTILINE)


@pytest.mark.parametrize("command", [shlex.split(STARTED), json.loads(CALLED)], ids=["service", "container"])
def test_the_command_that_is_started_has_these_options(command):
    program, *arguments = command
    assert program == "colvision"
    shown = CliRunner().invoke(main, [*arguments, "--help"])  # an option that is unknown is told before any help
    assert (shown.exit_code, "Search a library in the browser" in shown.output) == (0, True), shown.output


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd")
def test_systemd_finds_nothing_wrong_with_the_service(tmp_path):
    unit = tmp_path / "colvision.service"
    unit.write_text(UNIT.replace("/opt/colvision/bin/colvision", shutil.which("true")), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout + said.stderr) == (0, "")
    unit.write_text(unit.read_text(encoding="utf-8").replace("PrivateTmp=yes", "PrivateTemp=yes"), encoding="utf-8")
    assert "PrivateTemp" in subprocess.run(command, capture_output=True, text=True, check=False).stderr
