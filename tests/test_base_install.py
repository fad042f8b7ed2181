"""What runs without torch and all else that only an extra brings, and what is said of what does not."""

import json

import pytest

from tests.helpers.base_install import run_with

pytestmark = pytest.mark.slow
INSTALL = "not installed here: pip install 'colvision[vlm]'"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """One that holds a page, by the toy encoder."""
    folder = tmp_path_factory.mktemp("toy")
    done = run_with(["app"], "-m", "tests.helpers.base_session", "toy", folder)
    assert done.returncode == 0, done.stderr
    return folder / "library"


@pytest.mark.parametrize("encoder", ["toy", "mini"])
def test_a_library_and_the_app_need_no_more_than_the_app_installs(encoder, tmp_path):
    done = run_with(["app"], "-m", "tests.helpers.base_session", encoder, tmp_path)
    assert done.returncode == 0, done.stderr
    printed, imported = done.stdout.splitlines()
    assert json.loads(printed) == {
        "stored": 2,
        "page": 1,
        "encoder": "toy-0" if encoder == "toy" else "mini",
        "intact": True,
        "shown": 200,
        "found": 1,
        "why": 200,
    }
    assert imported == "[]"


def colvision(*arguments):
    return run_with([], "-m", "colvision", *arguments)


@pytest.mark.parametrize("command", ["status", "verify"])
def test_a_command_that_needs_no_encoder_needs_no_extra(command, library):
    done = colvision(command, "--library", library)
    assert done.returncode == 0, done.stderr


def test_what_no_extra_makes_possible_asks_for_none(library):
    done = colvision("finetune", "mini", "out", "--library", library)
    assert done.returncode == 1
    assert "mini has no language model to adapt" in done.stderr and "pip install" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "valve", "--encoder", "nobody/nothing", "--device", "cuda", "--library"),
        ("search", "valve", "--rerank", "nobody/nothing", "--library"),
        ("ingest", "data/sample-manual.pdf", "--encoder", "nobody/nothing", "--library"),
        ("doctor", "data"),
        ("evaluate", "data", "data/questions.jsonl", "--encoder", "nobody/nothing"),
        ("finetune", "nobody/nothing", "out", "--library"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_command_with_a_checkpoint_says_what_to_install(arguments, library):
    done = colvision(*arguments, *([library] if arguments[-1] == "--library" else []))
    assert done.returncode != 0
    assert INSTALL in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


SAYS = """
from colvision.errors import ColvisionError
try:
    {code}
except ColvisionError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "import colvision; colvision.load_encoder('o/n', device='cuda')",
            "MissingExtra this encoder needs torch, transformers",
        ),
        (
            "import colvision; colvision.load_reranker('o/n')",
            "MissingExtra a reranker needs torch, transformers",
        ),
        (
            "import colvision.finetune; colvision.finetune.finetune",
            "MissingExtra fine-tuning needs torch, transformers",
        ),
        (
            "import colvision.testing; colvision.testing.tiny_checkpoint('f')",
            "MissingExtra a tiny checkpoint needs torch,",
        ),
        ("import colvision; colvision.load_encoder('mimi')", "EncoderNotFound no encoder 'mimi'"),
        ("import colvision; colvision.load_reranker('mimi')", "EncoderNotFound no reranker 'mimi'"),
    ],
)
def test_an_error_in_python_says_what_to_install(code, said):
    done = run_with([], "-c", SAYS.format(code=code))
    assert done.stdout.startswith(said), done.stderr
    assert (INSTALL in done.stdout) == said.startswith("MissingExtra")


def test_an_encoder_of_ones_own_is_checked_without_torch():
    done = run_with([], "-c", "from colvision.testing import ToyEncoder, check_encoder; check_encoder(ToyEncoder())")
    assert (done.returncode, done.stderr) == (0, "")


def test_an_engine_says_what_to_install():
    script = """
from colvision.engines import ENGINES, engine_in
from colvision.errors import MissingExtra
for name in ENGINES:
    try:
        engine_in(name, "localhost:1/Manuals" if ENGINES[name].server else "folder")
    except MissingExtra as error:
        print(error)
"""
    done = run_with([], "-c", script)
    packages = {"qdrant": "qdrant_client", "lancedb": "lancedb", "vespa": "vespa", "weaviate": "weaviate"}
    packages["pinecone"] = "pinecone"
    said = [f"{name} needs {of}, not installed here: pip install 'colvision[{name}]'" for name, of in packages.items()]
    assert done.stdout.splitlines() == said, done.stderr
