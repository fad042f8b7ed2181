"""`colvision watch`: killed in the middle of a file it goes on when it is run again, and it tells what it does."""

import json
import os
import signal
import subprocess
import sys
import time

from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.testing import ToyEncoder, save_document
from tests.helpers import ROOT

PAGES = [[f"tooth{number}"] for number in range(6)]


def watching(folder, library, seconds):
    command = [sys.executable, "-m", "tests.helpers.toy_command", "watch", str(folder), "--library", str(library)]
    environment = os.environ | {"TOY_SECONDS": str(seconds)}
    return subprocess.Popen(
        [*command, "--every", "0.1", "--json"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )


def test_a_watch_that_is_killed_goes_on_where_it_was_and_tells_what_it_has_read(tmp_path, quick_path):
    folder, path = tmp_path / "in", quick_path / "library"
    folder.mkdir()
    save_document(folder / "gear.tiff", PAGES)
    with colvision.open_library(path, encoder=ToyEncoder()) as library:
        library.ingest(save_document(tmp_path / "first.tiff", [["first"]]))  # the encoder is examined once, here
        with watching(folder, path, 30) as process:
            while "ingesting" not in [each.state for each in library.documents()]:
                assert process.poll() is None
                time.sleep(0.05)
            process.kill()
    with colvision.open_library(path, encoder=ToyEncoder()) as library:
        assert library.document("gear.tiff").state == "interrupted"
    with watching(folder, path, 0) as process:
        told = json.loads(process.stdout.readline())
        assert (told["name"], told["outcome"], told["before"] + told["pages"]) == ("gear.tiff", "new", 6)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM  # as Ctrl+C, which a shell may have had its children ignore


def test_there_has_to_be_a_folder(tmp_path):
    answer = CliRunner().invoke(main, ["watch", str(tmp_path / "none"), "--library", str(tmp_path / "library")])
    assert answer.exit_code == 2 and "there is no folder" in answer.output
