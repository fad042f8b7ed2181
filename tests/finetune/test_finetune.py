"""Whole fine-tunings of a tiny random model: that they help, go on when killed, and refuse what cannot be."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

import colvision
from colvision.cli import main
from colvision.encoders.fingerprint import fingerprint
from colvision.errors import EncoderError, EncoderNotFound, InputError, WeightsMismatch
from colvision.finetune import FinetuneOptions, FinetuneRecipe, finetune
from colvision.testing.coloured_pages import coloured_library
from tests.helpers.families import load

pytestmark = pytest.mark.slow

RECIPE = FinetuneRecipe(batch=4, at_once=8, rank=4, rate=1e-2, check_every=2, steps=4, negatives=1)


@pytest.fixture(scope="module")
def world(checkpoint_folder, tmp_path_factory) -> Iterator[tuple[colvision.Library, Path]]:
    """A library of coloured pages that the tiny model has filled, and the questions about them."""
    folder = tmp_path_factory.mktemp("colours")
    with coloured_library(folder, load(checkpoint_folder("colqwen2"))) as library:
        yield library, folder / "questions.jsonl"


def options(world, recipe: FinetuneRecipe = RECIPE, **more: object) -> FinetuneOptions:
    return FinetuneOptions(recipe=recipe, queries=world[1], device="cpu", dtype="float32", **more)


def test_a_short_run_finds_pages_better_that_it_never_saw(world, checkpoint_folder, tmp_path):
    # Three seeds, each with a split of its own, gained .32 to .35 in 50 steps.
    recipe = FinetuneRecipe(batch=16, at_once=64, rank=4, rate=1e-2, steps=40, temperature=0.05, check_every=10)
    report = finetune(world[0], checkpoint_folder("colqwen2"), tmp_path / "out", options=options(world, recipe))
    assert report.is_better and report.test.difference.ndcg10 > 0.2
    assert report.best.step > 0 and report.best.loss < report.checks[0].loss
    assert (report.counts.train, report.counts.stop, report.counts.test) == (60, 20, 40)
    assert "finds these pages better: load the checkpoint with it" in str(report)
    written = json.loads((tmp_path / "out" / "finetune.json").read_text())
    assert written["test"]["difference"]["ndcg10"] == report.test.difference.ndcg10
    assert written["base"]["fingerprint"] == load(checkpoint_folder("colqwen2")).info.fingerprint
    assert written["base"]["files"] == fingerprint([checkpoint_folder("colqwen2")], ())
    with pytest.raises(InputError, match="holds an adapter that is done"):
        finetune(world[0], checkpoint_folder("colqwen2"), tmp_path / "out", options=options(world, recipe))


KILLED = """
import os, signal, sys
from pathlib import Path
import colvision
from colvision.encoders import load_encoder
from colvision.finetune import FinetuneOptions, FinetuneRecipe, finetune

library, checkpoint, questions, out, recipe = sys.argv[1:]
encoder = load_encoder(checkpoint, device="cpu", dtype="float32")

def die_at_the_third_step(step):
    if step.task.startswith("training") and step.done == 3:
        os.kill(os.getpid(), signal.SIGKILL)

with colvision.open_library(library, encoder=encoder) as opened:
    options = FinetuneOptions(
        recipe=eval(recipe), queries=Path(questions), device="cpu", dtype="float32", minutes_between=0.0
    )
    finetune(opened, checkpoint, Path(out), options=options, progress=die_at_the_third_step)
"""


@pytest.mark.long
def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(world, checkpoint_folder, tmp_path):
    library, questions = world
    command = [
        sys.executable,
        "-c",
        KILLED,
        library.path,
        checkpoint_folder("colqwen2"),
        questions,
        tmp_path / "killed",
        repr(RECIPE),
    ]
    died = subprocess.run(command, capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr
    assert not (tmp_path / "killed" / "adapter_config.json").exists()
    seen = []
    broken = finetune(
        library,
        checkpoint_folder("colqwen2"),
        tmp_path / "killed",
        options=options(world),
        progress=lambda step: seen.append(step),
    )
    assert [step.done for step in seen if step.task.startswith("training")] == [4]
    unbroken = finetune(library, checkpoint_folder("colqwen2"), tmp_path / "whole", options=options(world))
    assert broken.losses == unbroken.losses and broken.checks == unbroken.checks
    files = [load_file(tmp_path / run / "adapter_model.safetensors") for run in ("killed", "whole")]
    assert files[0].keys() == files[1].keys()
    for name, weight in files[0].items():
        torch.testing.assert_close(weight, files[1][name], rtol=0, atol=0)
    assert not (tmp_path / "killed" / "training").exists()


def test_a_folder_with_another_unfinished_training_is_refused(world, checkpoint_folder, tmp_path):
    class Stopped(Exception):
        pass

    def stop(step):
        if step.task.startswith("training"):
            raise Stopped

    half = replace(options(world), minutes_between=0.0)
    with pytest.raises(Stopped):
        finetune(world[0], checkpoint_folder("colqwen2"), tmp_path / "out", options=half, progress=stop)
    other = options(world, replace(RECIPE, seed=5))
    with pytest.raises(InputError, match="unfinished training with other questions"):
        finetune(world[0], checkpoint_folder("colqwen2"), tmp_path / "out", options=other)


def test_training_ends_when_the_checks_get_no_better(world, checkpoint_folder, tmp_path):
    """With a rate that cannot move a weight, nothing gets better after the first look."""
    recipe = replace(RECIPE, rate=1e-12, steps=50, check_every=1, patience=2)
    report = finetune(world[0], checkpoint_folder("colqwen2"), tmp_path / "out", options=options(world, recipe))
    assert len(report.losses) < 50
    assert not report.is_better


def test_the_command_asks_the_library_by_the_encoder_that_filled_it(world, checkpoint_folder, tmp_path):
    """Hard negatives come from a search: nobody has to say again what filled the library."""
    library, questions = world
    short = ("--steps", 1, "--batch", 4, "--at-once", 8, "--rank", 4, "--check-every", 1)
    arguments = (
        checkpoint_folder("colqwen2"),
        tmp_path / "out",
        "--queries",
        questions,
        "--library",
        library.path,
        *short,
    )
    exact = ("--device", "cpu", "--dtype", "float32", "--json")
    answer = CliRunner().invoke(main, ["finetune", *map(str, (*arguments, *exact))])
    assert answer.exit_code == 0, answer.output
    printed = json.loads(answer.stdout)
    assert (printed["recipe"]["steps"], len(printed["losses"])) == (1, 1)
    assert printed == json.loads((tmp_path / "out" / "finetune.json").read_text())
    assert load(checkpoint_folder("colqwen2"), adapter=tmp_path / "out").info.name.endswith(" + out")


def test_an_adapter_is_loaded_with_what_it_was_trained_with(world, checkpoint_folder, tmp_path):
    """Else it would be run with other words, or read another way, than it was trained for, and nothing would tell."""
    base, out = checkpoint_folder("colqwen2"), tmp_path / "out"
    given = {"query_prefix": "Find: ", "attention": "bidirectional", "dim": 16}
    recipe = replace(RECIPE, steps=1, check_every=1)
    finetune(world[0], base, out, options=options(world, recipe, **given))
    tuned = load(base, adapter=out, **given)
    trained_on = json.loads((out / "finetune.json").read_text())["base"]
    assert trained_on["fingerprint"] == load(base, **given).info.fingerprint
    assert (tuned.info.dim, trained_on["page_prompt"]) == (16, tuned.family.prompts.page)
    wanted = (
        r"was trained with query_prefix='Find: ', attention='bidirectional', dim=16, and the model is given 'Query: '"
    )
    with pytest.raises(WeightsMismatch, match=wanted):
        load(base, adapter=out)
    with pytest.raises(WeightsMismatch, match="was trained with attention='bidirectional', and .* 'causal': load it"):
        load(base, adapter=out, **{**given, "attention": "causal"})


def test_mini_is_refused_in_words(world, tmp_path):
    with pytest.raises(EncoderError, match="mini has no language model to adapt.*Fine-tune a ColPali or ColQwen"):
        finetune(world[0], "mini", tmp_path / "out", options=options(world))


@pytest.mark.long
def test_an_adapter_is_trained_on_top_of_another(world, checkpoint_folder, tmp_path):
    """And belongs to both that are beneath it."""
    base, first, second = checkpoint_folder("colqwen2"), tmp_path / "first", tmp_path / "second"
    before = finetune(world[0], base, first, options=options(world))
    report = finetune(world[0], first, second, options=options(world, replace(RECIPE, seed=1, rate=3e-2)))
    assert (report.base.name, report.base.files) == (str(first), fingerprint([base, first], ()))
    assert report.fingerprint == load(first).info.fingerprint != before.fingerprint
    tuned = load(first, adapter=second)
    assert tuned.info.name == "first + second"
    with pytest.raises(WeightsMismatch, match=r"was trained on .*first \(files .*\), not on what lies in"):
        load(base, adapter=second)
    with pytest.raises(EncoderNotFound, match="load the checkpoint it was trained on and pass adapter=.*second"):
        load(second)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "triplet"}, "loss is 'triplet'"),
        ({"batch": 0}, "batch is 0"),
        ({"loss": "pairwise", "negatives": 0}, "the pairwise loss needs at least 1"),
        ({"rate": 0.0}, "rate 0.0"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FinetuneRecipe(**values)
