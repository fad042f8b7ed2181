"""mini: words and sizes it works with, weights it refuses, and the training that makes them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from fontTools.ttLib import TTFont
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from colvision.core.page import Page, PdfGeometry
from colvision.encoders import mini
from colvision.encoders.mini import words
from colvision.encoders.mini.encoder import PAGE_TOWER, QUERY_TOWER, SHIPPED
from colvision.encoders.mini.page_image import resize_page
from colvision.encoders.mini.training import crops, forms, labelled_page, lookalikes, loop, loss, synthesis
from colvision.encoders.mini.training.model import PageTower, Refinement
from colvision.errors import EncoderNotFound, WeightsMismatch

_AZ = "abcdefghijklmnopqrstuvwxyz"
_FONTS = [path for path in (Path("/usr/share/fonts"), Path("/Library/Fonts")) if path.is_dir()]


def test_words_are_folded_runs_of_letters_and_digits():
    assert words.words_of("Öl-Druck 4711/A2, Ølfilter™!") == ["ol", "druck", "4711", "a2", "ølfiltertm"]
    assert words.compounds_of("see XJ-4711.A and v1.2, not a b") == ["xj-4711.a", "v1.2"]


def test_a_script_that_is_not_latin_is_known_by_most_of_its_letters():
    assert words.foreign_script("Замена гидравлического насоса, Pump 7") == "Cyrillic"
    assert words.foreign_script("更换液压油泵的密封圈。") == "CJK"
    assert words.foreign_script("유압펌프를 교체한다.") == "Hangul"
    for latin in (
        "Ｐｕｍｐ ｖａｌｖｅ ｓｅａｌ",
        "Ölwechsel alle 500 h, Ω = 47, µm",
        "α β 4711",
        "",
        "Bleed the pump: Слить",
    ):
        assert words.foreign_script(latin) == ""


def test_mini_says_what_its_text_layer_tells_it_cannot_read():
    encoder = mini.load()
    image, letter = Image.new("L", (1275, 1650), 255), PdfGeometry((0, 0, 612, 792))  # 150 dpi
    a1 = PdfGeometry((0, 0, 1684, 2384))

    def kinds(geometry=letter, **said):
        return [note.kind for note in encoder.unreadable(Page(image, geometry=geometry, **said))]

    assert kinds(text="Bleed the pump") == [] == kinds(print_height=6 / 72 * 150)
    assert kinds(print_height=5 / 72 * 150) == ["small"]
    assert kinds(text="Замена насоса") == ["script"]
    assert kinds(a1, print_height=10 * 1275 / 1684) == ["small"], "10 pt on a sheet that is halved"
    assert kinds(a1, print_height=16 * 1275 / 1684) == []
    assert encoder.unreadable(Page(image)) == (), "of a scan nothing is known"


def test_function_words_count_only_where_there_is_nothing_else():
    assert asked("How do I bleed the pump, the PUMP?") == ["bleed", "pump"]
    assert asked("To be or not to be") == ["to", "be", "or", "not"]
    assert asked("is it on 3") == ["is", "it", "on", "3"]
    assert asked("?! 🔧") == []


def asked(text):
    return [word.text for word in words.query_words(text)]


def test_function_words_are_parts_of_codes():
    assert asked("the terminal DO 3 of 12-34567-A") == ["terminal", "do 3", "12-34567-a"]
    (code,) = words.query_words("12-34567-A")
    assert code.spellings == (("12", "34567", "a"), ("1234567a", "12-34567-a"))
    joined, apart = (words.query_words(text)[0].spellings for text in ("E11", "E-11"))
    assert set(joined) == {("e11",), ("e-11",)} == set(apart) - {("e", "11")}


def test_a_fraction_is_one_word_of_two_numbers():
    assert [word.spellings for word in words.query_words("½ 1/2")] == [(("1", "2"),)]


def test_words_without_a_latin_letter_or_digit_are_not_read():
    texts = "насос 泵 Ωmega μ 5μm ø É ½ № ١٢"
    assert [word.text for word in words.query_words(texts) if word.is_unread] == ["насос", "泵", "μ"]


def test_a_code_weighs_as_much_as_a_word(weights):
    query = mini.load(weights).encode_queries(["terminal 12-34567-A насос"])[0]
    totals = {word: float(query.weights[tokens].sum()) for word, tokens in query.tokens_of_words()}
    assert totals == pytest.approx({"terminal": 1.0, "12-34567-a": 1.0, "насос": 1.0})
    assert query.unread == {"насос"}


def test_a_query_of_many_words_is_cut_and_says_which_are_left_out(weights):
    encoder = mini.load(weights)
    (query,) = encoder.encode_queries(
        [" ".join(f"{one}{two}{three}z" for one in "bdf" for two in _AZ for three in _AZ)]
    )
    assert len(query.tokens) == 256 == len(query.words)
    assert (query.words[-1], query.left_out[0], len(query.left_out)) == ("bjvz", "bjwz", 3 * 26 * 26 - 256)
    (codes,) = encoder.encode_queries([" ".join(f"A-{number}" for number in range(100))])
    assert len(codes.tokens) == 256 and codes.words + codes.left_out == tuple(f"a-{number}" for number in range(100))
    assert all(encoder.encode_queries([text])[0].left_out == () for text in ("9" * 200, "oil pump 12-34567-A"))


def test_a_code_of_too_many_parts_is_left_out_and_alone_refused(weights):
    code = "-".join(map(str, range(300)))
    (query,) = mini.load(weights).encode_queries([f"bleed {code} pump"])
    assert (query.words, query.left_out) == (("bleed", "pump"), (code,))
    with pytest.raises(ValueError, match="code of more parts than 256 vectors"):
        mini.load(weights).encode_queries([code])


def test_a_query_needs_neither_torch_nor_the_page_tower():
    code = """if True:
        import sys
        from colvision.encoders import mini
        mini.load().encode_queries(["bleed the pump"])
        print(sorted({"torch", "onnxruntime", "scipy"} & set(sys.modules)))
    """
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_features_are_the_same_on_every_machine():
    assert words.features("pump")[:4] == (681, 6015, 8468, 8638)
    assert words.features("pump") != words.features("pumps")
    assert max(words.features("x" * 500)) < words.BUCKETS


def _pdf_page(width, height, pixels=(300, 400)):
    return Page(Image.new("L", pixels, 255), geometry=PdfGeometry((0, 0, width, height)))


def test_a_pdf_page_is_read_at_98_dpi_whatever_its_pixels():
    assert resize_page(_pdf_page(612, 792, (612, 792))).shape == (1072, 832)
    assert resize_page(_pdf_page(612, 792, (1275, 1650))).shape == (1072, 832)
    assert resize_page(_pdf_page(363, 272, (800, 600))).shape == (368, 480)


def test_an_image_file_is_taken_for_a_letter_page_and_extremes_stay_in_bounds():
    assert resize_page(Page(Image.new("RGB", (612, 792)))).shape == (1088, 832)
    assert resize_page(Page(Image.new("L", (1, 1)))).size == pytest.approx(832 * 1088, rel=0.03)
    assert resize_page(_pdf_page(3000, 4000)).size == pytest.approx(2 * 832 * 1088, rel=0.03)
    assert max(resize_page(Page(Image.new("L", (4000, 2)))).shape) <= 8192


@pytest.fixture
def weights(tmp_path):
    """The shipped ones in a folder of their own."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in (PAGE_TOWER, QUERY_TOWER):
        shutil.copy(SHIPPED / name, folder)
    return folder


def _change(folder: Path, change) -> Path:
    path = folder / QUERY_TOWER
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata=metadata)
    return folder


def test_a_missing_an_unexpected_and_a_misshapen_weight_are_refused(weights):
    name = "network.2.bias"
    whole = load_file(weights / QUERY_TOWER)[name]
    for change in (
        lambda tensors: tensors.pop(name),
        lambda tensors: tensors.update({"network.2.more": whole}),
        lambda tensors: tensors.update({name: whole[:5].copy()}),
    ):
        kept = (weights / QUERY_TOWER).read_bytes()
        with pytest.raises(WeightsMismatch, match="1 weights are missing, unexpected or of another shape"):
            mini.load(_change(weights, change))
        (weights / QUERY_TOWER).write_bytes(kept)


def test_damaged_foreign_and_absent_weights_are_refused(weights):
    path = weights / QUERY_TOWER
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(WeightsMismatch, match="damaged"):
        mini.load(weights)
    save_file({"x": np.zeros(1, np.float32)}, path)
    with pytest.raises(WeightsMismatch, match="no weights of mini"):
        mini.load(weights)
    for record in ("{", '{"link_slope": 40}', "[]"):
        save_file(load_file(SHIPPED / QUERY_TOWER), path, metadata={"mini": record})
        with pytest.raises(WeightsMismatch, match="lack a constant"):
            mini.load(weights)
    for name in (QUERY_TOWER, PAGE_TOWER):
        (weights / name).unlink()
        with pytest.raises(EncoderNotFound, match=f"missing at .*{name}: install colvision again"):
            mini.load(weights)
        shutil.copy(SHIPPED / QUERY_TOWER, weights)


def test_other_weights_of_either_tower_have_another_fingerprint(weights):
    first = mini.load(weights).info.fingerprint
    assert mini.load(weights).info.fingerprint == first == mini.load().info.fingerprint
    _change(weights, lambda tensors: tensors["network.2.bias"].__iadd__(1))
    second = mini.load(weights).info.fingerprint
    with (weights / PAGE_TOWER).open("ab") as file:
        file.write(b"\0")
    assert len({first, second, mini.load(weights).info.fingerprint}) == 3


def test_lookalikes_are_never_words_of_the_batch():
    rng = np.random.default_rng(0)
    batch = ["pump", "pumps", "bolt", "4711", "a", "oil"]
    made = lookalikes.lookalikes(batch * 1, 50, rng)
    assert made
    assert not set(made) & set(batch)


def test_the_loss_is_small_when_patches_are_their_words_and_large_when_they_are_others():
    rng = torch.Generator().manual_seed(0)
    vectors = torch.nn.functional.normalize(torch.randn(6, 128, generator=rng), dim=1)
    pairs = torch.tensor([[i, i] for i in range(6)])
    nothing = torch.zeros((0, 2), dtype=torch.long)
    others = -vectors[:2]
    right = loss.matching_loss(vectors * 30, vectors, others, pairs, nothing)
    wrong = loss.matching_loss(vectors.roll(1, 0) * 30, vectors, others, pairs, nothing)
    assert right[0] < 0.1 < 5 < wrong[0]
    assert right[1] < 0.1 < 5 < wrong[1]
    assert (right[2], right[3]) == (1.0, 1.0)
    assert (wrong[2], wrong[3]) == (0.0, 0.0)


def test_a_neutral_pair_counts_neither_way():
    vectors = torch.nn.functional.normalize(torch.randn(3, 128, generator=torch.Generator().manual_seed(1)), dim=1)
    patches = torch.stack([vectors[0], vectors[0], vectors[2]]) * 30  # the second patch looks like the first word
    pairs, none = torch.tensor([[0, 0], [2, 2]]), torch.zeros((0, 2), dtype=torch.long)
    wrong = loss.matching_loss(patches, vectors, vectors[:0], pairs, none)
    neutral = loss.matching_loss(patches, vectors, vectors[:0], pairs, torch.tensor([[1, 0]]))
    assert neutral[1] < 0.01 < 0.3 < wrong[1]


needs_fonts = pytest.mark.skipif(
    not _FONTS or not synthesis.find_fonts(_FONTS),
    reason="there is no TrueType font on this machine to print pages with",
)


@needs_fonts
def test_generated_words_lie_on_the_patches_that_their_targets_name():
    rng = np.random.default_rng(3)
    generator = synthesis.PageGenerator(synthesis.find_fonts(_FONTS)[:4], ["pump", "valve", "Dichtung", "bolt"], [])
    checked = 0
    for _ in range(4):
        crop = crops.cut_crop(generator.labelled_page(rng), synthesis.DPI, rng)
        if crop is None:
            continue
        patches = set(crop.pairs[:, 0].tolist())
        assert len(patches) > 10
        inked = crop.ink.ravel()
        assert np.mean([inked[patch] for patch in patches]) > 0.95
        checked += 1
    assert checked


@needs_fonts
def test_a_font_that_cannot_be_drawn_with_is_left_out(tmp_path):
    with TTFont(synthesis.find_fonts(_FONTS)[0]) as font:
        font.save(tmp_path / "whole.ttf")
        for table in ("glyf", "loca"):
            del font[table]
        font.save(tmp_path / "empty.ttf")
    assert synthesis.find_fonts([tmp_path]) == [tmp_path / "whole.ttf"]


def test_a_printed_part_number_is_its_runs_the_whole_and_the_whole_without_separators():
    boxes = np.array([(10 * i, 0, 10 * i + 9, 12) for i in range(9)], np.float32)
    words = labelled_page.printed_words("QH-4423.A", boxes)
    assert [word.text for word in words] == ["qh", "4423", "a", "qh-4423.a", "qh4423a"]
    assert [(word.left, word.right) for word in words[-2:]] == [(0, 89)] * 2
    assert [word.text for word in labelled_page.printed_words("and/or", boxes)] == ["and", "or", "and/or"]


@pytest.mark.slow
@needs_fonts
@pytest.mark.long
def test_training_runs_from_its_command_and_resumes(tmp_path):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "words").write_text("pump\nvalve\nseal\nbearing\nfilter\n")
    command = [sys.executable, "-m", "colvision.encoders.mini.training", str(tmp_path / "run")]
    command += ["--words", str(tmp_path / "lists"), "--fonts", *map(str, _FONTS), "--batch", "1"]
    for steps in ("2", "3"):
        subprocess.run([*command, "--steps", steps], check=True, capture_output=True)
        with safe_open(tmp_path / "run" / "checkpoint.safetensors", framework="pt") as file:
            assert file.metadata()["step"] == steps


def test_a_run_begins_with_weights_and_blocks_that_they_lack_change_nothing(tmp_path):
    whole = load_file(SHIPPED / loop.FLOAT_PAGE_TOWER)
    more = [name for name, block in PageTower().named_modules() if isinstance(block, Refinement)]
    fewer = {name: value for name, value in whole.items() if not name.startswith(tuple(more))}
    assert len(more) == 3 and len(fewer) < len(whole)
    shutil.copy(SHIPPED / QUERY_TOWER, tmp_path)
    save_file(fewer, tmp_path / loop.FLOAT_PAGE_TOWER)
    towers = loop.Towers().eval()
    towers.begin_with(tmp_path)
    page = towers.page
    image = torch.rand(1, 1, 32, 64)
    with torch.no_grad():
        begun = page(image).vectors
        for name in more:
            parent, _, own = name.rpartition(".")
            setattr(page.get_submodule(parent), own, torch.nn.Identity())
        torch.testing.assert_close(begun, page(image).vectors)
    for change in ({"patch_head.bias": None}, {"x": np.zeros(1, np.float16)}):
        save_file({k: v for k, v in (fewer | change).items() if v is not None}, tmp_path / loop.FLOAT_PAGE_TOWER)
        with pytest.raises(SystemExit, match="take what export wrote"):
            loop.Towers().begin_with(tmp_path)


def test_the_shipped_weights_are_small_and_say_what_goes_with_them():
    assert sum((SHIPPED / name).stat().st_size for name in (PAGE_TOWER, QUERY_TOWER)) < 17_000_000
    with safe_open(SHIPPED / QUERY_TOWER, framework="numpy") as file:
        settings = json.loads(file.metadata()["mini"])
        assert all(file.get_tensor(name).dtype == np.float16 for name in file.keys())  # noqa: SIM118  not a mapping
    assert settings.keys() == {"code_range", "link_slope", "link_midpoint", "link_midpoint_digits"}


def test_the_fingerprint_of_the_shipped_weights_is_the_one_that_libraries_know():
    """Other words in the text that is hashed would ask for every library of mini to be encoded again."""
    assert mini.load().info.fingerprint == "67bcc98ba146d55c5be81232447b5db6a7449829c7e3d4dd4d88f6ec0821fd4b"


def test_other_forms_of_words_follow_english_rules_and_codes_have_none():
    assert "setting" in forms.forms_of("settings")
    assert "bleed" in forms.forms_of("bleeding")
    assert "stop" in forms.forms_of("stopped")
    assert "battery" in forms.forms_of("batteries")
    assert "boxes" not in forms.forms_of("box")  # too short to tell
    assert forms.forms_of("class") == forms.forms_of("bus") == forms.forms_of("a4711") == ()


def test_a_patch_belongs_to_the_other_forms_of_its_word_that_the_batch_has():
    pairs = np.array([[7, 0], [9, 1], [4, 2]])
    word_forms = np.array([[0, 2], [2, 0]])  # words 0 and 2 are forms of each other
    assert loop._add_word_forms(pairs, word_forms).tolist() == [[4, 0], [4, 2], [7, 0], [7, 2], [9, 1]]
