"""What is no reranker, or only half of one, is refused in words that are so."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from colvision.cli import main
from colvision.core.reranker import Reranker
from colvision.encoders import load_reranker
from colvision.errors import EncoderError, EncoderNotFound, WeightsMismatch
from colvision.testing import tiny_checkpoint
from tests.helpers.rerankers import tiny_reranker
from tests.oracles import module_folders
from tests.oracles.reranker_folders import save_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return {
        name: tiny_reranker(name, tmp_path_factory.mktemp("made") / name)
        for name in ("ce-bert", "ce-modernbert", "ce-ettin-cls", "ce-qwen3-answers", "ce-qwen3-vl")
    }


@pytest.fixture
def folder(made, tmp_path):
    """A copy to be broken."""

    def copy(name):
        return shutil.copytree(made[name], tmp_path / name)

    return copy


def load(folder):
    return load_reranker(folder, device="cpu", dtype="float32")


def restate(file, **changes):
    stated = json.loads(file.read_bytes())
    file.write_text(json.dumps({**stated, **changes}))


def test_what_is_loaded_is_a_reranker_with_the_name_of_its_folder(made):
    for name, reads in (("ce-bert", "text"), ("ce-qwen3-answers", "text"), ("ce-qwen3-vl", "image")):
        reranker = load(made[name])
        assert isinstance(reranker, Reranker)
        assert (reranker.name, reranker.reads) == (name, reads)


@pytest.mark.parametrize("family", ["colqwen2", "colqwen3", "colpali", "colmodernvbert"])
def test_a_late_interaction_checkpoint_is_refused_with_what_it_is(family, tmp_path):
    tiny_checkpoint(tmp_path / family, family)
    if family == "colqwen3":  # as colpali-engine states it
        restate(tmp_path / family / "config.json", architectures=["ColQwen3"])
    with pytest.raises(
        EncoderNotFound, match=r"is a late-interaction encoder \(Col\w+\): it gives vectors, and no score"
    ):
        load(tmp_path / family)


def test_so_are_the_folders_of_encoders_that_sentence_transformers_saves(tmp_path):
    module_folders.save_folder("st-colqwen2", tmp_path / "several")
    save_file({"w": torch.zeros(1)}, tmp_path / "several" / "model.safetensors")
    with pytest.raises(
        EncoderNotFound, match="is a late-interaction encoder: it gives vectors of tokens, and no score"
    ):
        load(tmp_path / "several")
    folder = tiny_reranker("ce-modernbert", tmp_path / "one")
    steps = json.loads((folder / "modules.json").read_bytes())
    steps.append({"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"})
    (folder / "modules.json").write_text(json.dumps(steps))
    with pytest.raises(EncoderNotFound, match="its steps are Transformer, Pooling"):
        load(folder)
    restate(folder / "config_sentence_transformers.json", model_type="SentenceTransformer")
    with pytest.raises(EncoderNotFound, match="is a bi-encoder: it gives one vector of a text or a page, and no score"):
        load(folder)


def test_an_adapter_of_a_late_interaction_model_is_refused(folder):
    base = folder("ce-qwen3-vl")
    adapter = base.parent / "adapter"
    adapter.mkdir()
    target = "(.*(language_model).*(q_proj).*$|.*(custom_text_proj).*$)"
    config = {"peft_type": "LORA", "base_model_name_or_path": str(base), "target_modules": target}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderNotFound, match="'adapter' is a late-interaction encoder"):
        load(adapter)


def test_mini_and_names_of_nothing_are_refused(tmp_path):
    with pytest.raises(EncoderNotFound, match="mini is an encoder, .*: it is no reranker"):
        load_reranker("mini")
    with pytest.raises(EncoderNotFound, match="no reranker 'mimi': expected a checkpoint folder or a hub id"):
        load_reranker("mimi")
    with pytest.raises(EncoderNotFound, match=r"holds no config\.json"):
        load_reranker(tmp_path)


def test_a_weight_that_is_missing_or_beyond_is_refused(folder):
    path = folder("ce-bert")
    whole = load_file(path / "model.safetensors")
    save_file({name: each for name, each in whole.items() if name != "classifier.weight"}, path / "model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"weights 1 missing \(classifier\.weight\)"):
        load(path)
    save_file({**whole, "more.weight": torch.zeros(2)}, path / "model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"1 unexpected \(more\.weight\)"):
        load(path)


def test_the_numbers_of_positions_that_older_files_hold_are_no_weight(folder):
    path = folder("ce-bert")
    whole = load_file(path / "model.safetensors")
    numbers = torch.arange(512).unsqueeze(0)
    save_file({**whole, "bert.embeddings.position_ids": numbers}, path / "model.safetensors")
    assert load(path).reads == "text"


def test_pickled_weights_are_not_read(folder):
    path = folder("ce-bert")
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(EncoderNotFound, match=r"lacks model\.safetensors .*pickled weights are not read"):
        load(path)


def test_a_classifier_of_several_labels_is_no_reranker(tmp_path):
    folder = save_folder("ce-bert", tmp_path / "classes")
    restate(folder / "config.json", id2label={"0": "no", "1": "yes"}, label2id={"no": 0, "yes": 1})
    from tests.helpers.rerankers import draw_weights

    with pytest.raises(EncoderNotFound, match="sorts texts into 2 classes: a reranker has one label"):
        load(draw_weights(folder))


@pytest.mark.parametrize("architecture", ["NewForSequenceClassification", "BertForSequenceClassification"])
def test_foreign_code_is_never_run(architecture, folder):
    path = folder("ce-bert")
    (path / "own.py").write_text("raise SystemExit")
    own = {"AutoModelForSequenceClassification": f"own.{architecture}"}
    restate(path / "config.json", architectures=[architecture], auto_map=own)
    with pytest.raises(EncoderNotFound, match=f"brings its own code \\({architecture}\\), which is never run"):
        load(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"architectures": ["BertModel"]}, "is a BertModel, which gives no score of a query and a page"),
        ({"architectures": []}, "is a bert, which gives no score"),
        ({"architectures": ["GPT2ForCausalLM"], "model_type": "gpt2"}, "a language model of type 'gpt2'; rerankers of"),
        ({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}, "nothing says with which words it answers"),
        ({"architectures": ["BertForSequenceClassification"], "model_type": "qwen3"}, "of type 'qwen3', which transf"),
        ({"architectures": ["NoneForSequenceClassification"]}, "NoneForSequenceClassification of type 'bert', which"),
        ({"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.ReLU"}}, "score goes through .*ReLU"),
        ({"sentence_transformers": {"activation_fn": "own.Sigmoid"}}, "score goes through own.Sigmoid, which is not"),
    ],
)
def test_what_its_configuration_says_is_heeded_or_refused(changes, said, folder):
    path = folder("ce-bert")
    restate(path / "config.json", **changes)
    with pytest.raises(EncoderNotFound, match=said):
        load(path)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}, "is a SparseEncoder: it gives vectors"),
        ("config_sentence_transformers.json", {"default_prompt_name": "web"}, "default prompt 'web' is not among"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "put into small letters beside its tokenizer"),
        ("sentence_bert_config.json", {"config_kwargs": {"num_labels": 3}}, "sets num_labels in config_kwargs"),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"lower": 1}}}, "sets lower of texts"),
        ("sentence_bert_config.json", {"processing_kwargs": {"image": {"size": 1}}}, "sets size of images"),
    ],
)
def test_what_sentence_transformers_would_do_besides_is_refused(file, changes, said, folder):
    path = folder("ce-modernbert")
    restate(path / file, **changes)
    with pytest.raises(EncoderNotFound, match=said):
        load(path)


@pytest.mark.parametrize(
    ("file", "changes", "said"),
    [
        ("1_Pooling", {"pooling_mode": "max"}, "its Pooling is 'max': known are cls and mean"),
        ("1_Pooling", {"include_prompt": False}, "its Pooling is 'cls': known are cls and mean, prompts included"),
        ("2_Dense", {"activation_function": "torch.nn.modules.activation.Mish"}, "2_Dense has the activation Mish"),
        ("2_Dense", {"use_residual": True}, "2_Dense is not one of a row that ends in a score"),
        ("4_Dense", {"module_output_name": None}, "4_Dense is not one of a row that ends in a score"),
        ("4_Dense", {"out_features": 2}, "it gives 2 scores: a reranker gives one"),
    ],
)
def test_a_head_that_is_computed_otherwise_is_refused(file, changes, said, folder):
    path = folder("ce-ettin-cls")
    restate(path / file / "config.json", **changes)
    with pytest.raises(EncoderNotFound, match=said):
        load(path)


def test_a_head_whose_weights_are_not_whole_is_refused(folder):
    path = folder("ce-ettin-cls")
    save_file({"linear.weight": torch.zeros(24, 32)}, path / "2_Dense" / "model.safetensors")
    with pytest.raises(WeightsMismatch, match=r"2_Dense does not fit its config\.json: weights 1 missing \(bias\)"):
        load(path)
    (path / "2_Dense" / "model.safetensors").unlink()
    with pytest.raises(EncoderNotFound, match=r"2_Dense lacks its model\.safetensors"):
        load(path)
    steps = json.loads((path / "modules.json").read_bytes())
    (path / "modules.json").write_text(json.dumps(steps[:4]))
    with pytest.raises(EncoderNotFound, match="its steps are Transformer, Pooling, Dense, LayerNorm"):
        load(path)


def test_older_settings_of_pooling_are_read(folder):
    path = folder("ce-ettin-cls")
    former = {"word_embedding_dimension": 32, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (path / "1_Pooling" / "config.json").write_text(json.dumps(former))
    assert load(path).reads == "text"


def test_a_chat_without_a_place_for_query_and_page_is_refused(folder):
    path = folder("ce-qwen3-answers")
    users = "{% for message in messages %}{% if message.role == 'user' %}{{ message.content }}{% endif %}{% endfor %}"
    (path / "chat_template.jinja").write_text(users)
    with pytest.raises(EncoderNotFound, match="writes a query and a page as '': a reranker's has a place for both"):
        load(path)
    path = folder("ce-qwen3-vl")
    (path / "chat_template.jinja").write_text(users)
    with pytest.raises(EncoderNotFound, match="writes a query and a page image as '': expected the query and"):
        load(path)
    (path / "chat_template.jinja").unlink()
    with pytest.raises(EncoderNotFound, match="lacks its chat template, which states the question"):
        load(path)


def test_words_of_an_answer_that_the_model_has_not_are_refused(folder):
    path = folder("ce-qwen3-answers")
    restate(path / "1_LogitScore" / "config.json", true_token_id=99999)
    with pytest.raises(EncoderNotFound, match="answers with the tokens 99999 and 77, and has 3"):
        load(path)
    restate(path / "1_LogitScore" / "config.json", true_token_id=None)
    with pytest.raises(EncoderNotFound, match="LogitScore names the tokens None and 77"):
        load(path)


def test_a_damaged_tokenizer_is_told_with_what_to_do(folder):
    path = folder("ce-bert")
    (path / "tokenizer.json").write_text("{")
    with pytest.raises(EncoderError, match="could not be loaded .*: copy its files again"):
        load(path)


def test_options_that_do_not_go_with_it_are_refused(made):
    with pytest.raises(ValueError, match="reads texts: max_patches is for page images"):
        load_reranker(made["ce-bert"], max_patches=100)
    with pytest.raises(ValueError, match="dtype 'half' is not one of"):
        load_reranker(made["ce-bert"], dtype="half")


def test_the_command_says_so_too(tmp_path):
    tiny_checkpoint(tmp_path / "colqwen2", "colqwen2")
    asked = ["search", "pump", "--rerank", str(tmp_path / "colqwen2"), "--library", str(tmp_path / "none")]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code != 0
