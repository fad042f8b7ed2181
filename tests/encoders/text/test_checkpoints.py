"""Files of text encoders: loaded completely or refused in true words, told apart from other kinds of checkpoints."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from colvision.core.encoder import CheckpointRef
from colvision.encoders import load_encoder, merge_adapters
from colvision.encoders.checkpoint_kind import CheckpointKind, checkpoint_kind
from colvision.encoders.loading import find_patch_checkpoint
from colvision.encoders.repository import Hub, find_repository
from colvision.encoders.text.checkpoint import TextCheckpoint
from colvision.encoders.text.layouts import Expansion, read_layout
from colvision.errors import EncoderNotFound, WeightsMismatch
from colvision.testing import tiny_checkpoint

pytestmark = pytest.mark.slow

BI_ENCODER = CheckpointKind.BI_ENCODER
IMAGES = frozenset({"qwen2_vl", "colqwen2"})


def change(folder, name, **content):
    file = folder / name
    found = json.loads(file.read_text()) if file.is_file() else {}
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({**found, **content}))


def change_steps(folder, edit):
    file = folder / "modules.json"
    file.write_text(json.dumps(edit(json.loads(file.read_text()))))


def without(folder, *names):
    file = folder / "model.safetensors"
    save_file({name: each for name, each in load_file(file).items() if name not in names}, file)


def with_step(kind):
    return lambda steps: [*steps, {"idx": 9, "name": "9", "path": "9_More", "type": kind}]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"config.json": {"architectures": ["HF_ColBERT"], "model_type": "bert"}}, CheckpointKind.TEXT),
        (
            {
                "config.json": {"model_type": "modernbert"},
                "modules.json": ["x.Transformer", "pylate.models.Dense.Dense"],
            },
            CheckpointKind.TEXT,
        ),
        ({"config.json": {"model_type": "qwen2_vl"}, "modules.json": ["x.Transformer"]}, CheckpointKind.IMAGES),
        (
            {"config.json": {"model_type": "bert"}, "modules.json": ["x.Transformer", "x.Pooling"]},
            CheckpointKind.TEXT_BI_ENCODER,
        ),
        ({"config.json": {"model_type": "new_vl", "vision_config": {}}, "modules.json": ["x.Pooling"]}, BI_ENCODER),
        ({"adapter_config.json": {}, "modules.json": ["x.Pooling"]}, BI_ENCODER),
        ({"config.json": {"model_type": "siglip2"}}, BI_ENCODER),
        ({"config.json": {"model_type": "qwen2_vl"}, "modules.json": ["x.Pooling"]}, BI_ENCODER),
        ({"config.json": {"architectures": ["BertForSequenceClassification"]}}, CheckpointKind.RERANKER),
        (
            {
                "config.json": {"architectures": ["Qwen3ForCausalLM"]},
                "modules.json": ["x.Transformer", "x.LogitScore"],
                "config_sentence_transformers.json": {"model_type": "CrossEncoder"},
            },
            CheckpointKind.RERANKER,
        ),
        ({"config.json": {"model_type": "colqwen2"}}, CheckpointKind.IMAGES),
        ({"adapter_config.json": {}, "modules.json": ["x.Transformer"]}, CheckpointKind.IMAGES),
        ({}, CheckpointKind.IMAGES),
    ],
)
def test_the_kind_of_a_checkpoint_is_told_by_its_files(tmp_path, files, kind):
    for name, content in files.items():
        listed = [{"type": each, "path": ""} for each in content] if isinstance(content, list) else content
        (tmp_path / name).write_text(json.dumps(listed))
    assert checkpoint_kind(tmp_path, IMAGES) is kind


REFUSED = {
    "code of its own": (
        "colbert",
        lambda f: change(f, "config.json", auto_map={"AutoModel": "theirs--modeling.Bert"}),
        "brings its own code .*never run: as a plain bert",
    ),
    "no metadata": ("colbert", lambda f: (f / "artifact.metadata").unlink(), "lacks artifact.metadata"),
    "an adapter": ("colbert", lambda f: change(f, "adapter_config.json", r=4), "with an adapter: merge it"),
    "lengths": ("colbert", lambda f: change(f, "artifact.metadata", doc_maxlen=-1), "its doc_maxlen is -1"),
    "no room": ("colbert", lambda f: change(f, "artifact.metadata", doc_maxlen=3), "which its prompt .* fills"),
    "step": (
        "multivector",
        lambda f: change_steps(f, with_step("sentence_transformers.multi_vector_encoder.modules.LambdaTokenPooling")),
        "its step LambdaTokenPooling is not known here",
    ),
    "foreign step": (
        "multivector",
        lambda f: change_steps(f, with_step("theirs.modules.Pool")),
        "its step theirs.modules.Pool is code of its own",
    ),
    "not normal": (
        "multivector",
        lambda f: change_steps(f, lambda steps: steps[:-1]),
        "its vectors have any length: it has no Normalize",
    ),
    "activation": (
        "multivector",
        lambda f: change(f, "1_Dense/config.json", activation_function="torch.nn.modules.activation.Tanh"),
        "its Dense layer has the activation Tanh",
    ),
    "another input": (
        "multivector",
        lambda f: change(f, "1_Dense/config.json", module_input_name="sentence_embedding"),
        "something else than the vectors of tokens",
    ),
    "chat": (
        "multivector",
        lambda f: change(f, "sentence_bert_config.json", modality_config={"text": {}, "message": {}}),
        "asked through a chat template",
    ),
    "processing": (
        "multivector",
        lambda f: change(f, "sentence_bert_config.json", processing_kwargs={"text": {"max_length": 3}}),
        "sets text in processing_kwargs",
    ),
    "small letters": (
        "pylate",
        lambda f: change(f, "sentence_bert_config.json", do_lower_case=True),
        "put into small letters",
    ),
    "expansion": (
        "multivector",
        lambda f: change(f, "sentence_bert_config.json", query_expansion={"strategy": "most", "length": 3}),
        "neither 'fixed' nor 'min'",
    ),
    "prefixes": (
        "pylate",
        lambda f: (f / "config_sentence_transformers.json").write_text('{"model_type": "ColBERT"}'),
        "says nothing of how it was trained to be asked",
    ),
    "no projection": (
        "multivector",
        lambda f: (f / "1_Dense" / "model.safetensors").unlink(),
        "lacks model.safetensors, the projection .*pickled weights are not read",
    ),
    "pickled": (
        "colbert",
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "lacks model.safetensors .*pickled weights are not read",
    ),
    "decoder": (
        "multivector",
        lambda f: change(f, "config.json", model_type="t5", is_encoder_decoder=True),
        "an encoder and a decoder",
    ),
    "unknown model": ("multivector", lambda f: change(f, "config.json", model_type="nobody"), "does not know"),
    "no tokenizer": (
        "colbert",
        lambda f: [file.unlink() for file in (*f.glob("tokenizer*"), *f.glob("vocab*"))],
        "lacks its tokenizer",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_left_out_is_refused(tmp_path, case):
    family, spoil, message = REFUSED[case]
    folder = tiny_checkpoint(tmp_path / "tiny", family)
    spoil(folder)
    with pytest.raises(EncoderNotFound, match=message):
        load_encoder(folder, device="cpu")


def _reshape(folder):
    file = folder / "1_Dense" / "model.safetensors"
    save_file({**load_file(file), "linear.weight": torch.zeros(32, 31)}, file)


def _add(folder):
    file = folder / "1_Dense" / "model.safetensors"
    save_file({**load_file(file), "other.weight": torch.zeros(3)}, file)


WRONG = {
    "missing": (
        "colbert",
        lambda f: without(f, "bert.encoder.layer.1.output.dense.weight"),
        r"does not fit BertModel: weights 1 missing \(encoder.layer.1.output.dense.weight\)",
    ),
    "projection": ("colbert", lambda f: without(f, "linear.weight"), r"1 missing \(linear.weight\)"),
    "residual": (
        "pylate",
        lambda f: save_file({"linear.weight": torch.zeros(64, 32)}, f / "1_Dense" / "model.safetensors"),
        r"1 missing \(residual.weight\)",
    ),
    "shape": ("multivector", _reshape, r"1 of another shape \(linear.weight\)"),
    "unexpected": ("multivector", _add, r"1 unexpected \(other.weight\)"),
    "no weights": (
        "colbert",
        lambda f: (f / "model.safetensors").write_bytes(b"pickled"),
        "no weights in the format of safetensors",
    ),
    "another tokenizer": (
        "multivector",
        lambda f: change(f, "added_tokens.json") or add_tokens(f),
        "the tokenizer has .* tokens, the model",
    ),
}


def add_tokens(folder):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["more", "and more"])
    tokenizer.save_pretrained(folder)


@pytest.mark.parametrize("case", WRONG)
def test_weights_fit_or_none_is_used(tmp_path, case):
    family, spoil, message = WRONG[case]
    folder = tiny_checkpoint(tmp_path / "tiny", family)
    spoil(folder)
    with pytest.raises(WeightsMismatch, match=message):
        load_encoder(folder, device="cpu")


def test_options_that_decide_vectors_of_images_are_refused(tmp_path):
    folder = tiny_checkpoint(tmp_path / "tiny", "colbert")
    with pytest.raises(ValueError, match="it takes no max_patches, dim, all that decides its vectors stands in its"):
        load_encoder(folder, max_patches=100, dim=16)
    with pytest.raises(ValueError, match="computes on one device"):
        load_encoder(folder, device=("cpu", "cpu"))
    with pytest.raises(EncoderNotFound, match="is an encoder of text: choose one of page images"):
        merge_adapters(folder, tmp_path / "out", adapter=tmp_path)


def test_only_checkpoints_of_page_images_are_fine_tuned(tmp_path):
    for family in ("colbert", "pylate"):
        with pytest.raises(EncoderNotFound, match="is an encoder of text: choose one of page images"):
            find_patch_checkpoint(tiny_checkpoint(tmp_path / family, family))


def test_a_cached_hub_checkpoint_is_found_and_remembered_at_its_commit(tmp_path):
    commit = "a" * 40
    repository = tmp_path / "models--nobody--tiny"
    tiny_checkpoint(repository / "snapshots" / commit, "pylate")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    found = find_repository("nobody/tiny", TextCheckpoint.read, hub=Hub(cache=tmp_path, fetch=False))
    assert found.name == "nobody/tiny"
    assert found.reference == CheckpointRef(f"nobody/tiny@{commit}")


def test_a_reranker_is_refused_as_an_encoder_with_where_it_belongs(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["XLMRobertaForSequenceClassification"]}))
    with pytest.raises(EncoderNotFound, match="is a reranker: .*--rerank"):
        load_encoder(tmp_path)


def test_older_pylate_files_state_expansion_by_default_and_a_prompt_behind_the_marker(tmp_path):
    tiny_checkpoint(tmp_path, "pylate")
    change(
        tmp_path,
        "config_sentence_transformers.json",
        do_query_expansion=None,
        query_length=24,
        query_prefix="[Q] ",
        prompts={"query": "[Q] find ", "document": "text "},
    )
    layout = read_layout(tmp_path, "old")
    assert layout.expansion == Expansion(24)
    assert (layout.query_prompt, layout.document_prompt) == ("[Q] find ", "[D] text ")
    assert layout.markers == ("[Q] ", "[D] ")
    assert layout.query_length is None
    assert "!" in layout.skipped
