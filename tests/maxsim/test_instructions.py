"""Which instructions compare codes: chosen by measuring, kept for the next process, limited by a variable."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from colvision.maxsim import amx, instructions
from colvision.maxsim.int8_lanes import INT8_LANES

CHOICE = """
import json, sys
import numpy as np
from colvision import maxsim
from colvision.maxsim import instructions
from colvision.maxsim.bit_lanes import bit_lanes
rng = np.random.default_rng(0)
query = rng.standard_normal((21, 128)).astype(np.float32)
codes, ends = rng.integers(-127, 128, (600, 128), dtype=np.int8), np.array([0, 1, 33, 600])
found = maxsim.token_maxima(query, codes, ends, 0.5), maxsim.bit_maxima(query, maxsim.sign_bits(codes), ends)
numbers = [each.tolist() for each in found]
print(json.dumps([instructions.chosen_instructions(), instructions.available_instructions(), bit_lanes().name, numbers,
                  maxsim.similarities(query, codes, 0.5).tolist(), "torch" in sys.modules]))
"""


def choice(cache, level=""):
    environment = os.environ | {"XDG_CACHE_HOME": str(cache), "COLVISION_INSTRUCTIONS": level}
    return subprocess.run([sys.executable, "-c", CHOICE], env=environment, capture_output=True, text=True)


def kept(cache):
    return json.loads((cache / "colvision" / "instructions.json").read_text())


def test_the_quickest_is_taken_and_kept_for_the_next_process(tmp_path):
    chosen, available, *_ = json.loads(choice(tmp_path).stdout)
    first = kept(tmp_path)
    assert set(first["microseconds_a_page"]) == set(available)
    assert first["chosen"] == chosen == min(first["microseconds_a_page"], key=first["microseconds_a_page"].get)
    slow = first | {"chosen": "float32"}
    (tmp_path / "colvision" / "instructions.json").write_text(json.dumps(slow))
    assert json.loads(choice(tmp_path).stdout)[0] == "float32"  # it measured nothing


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": "of another machine", "chosen": "float32"}'])
def test_what_is_kept_and_cannot_be_used_is_measured_again(tmp_path, content):
    folder = tmp_path / "colvision"
    folder.mkdir()
    (folder / "instructions.json").write_text(content)
    assert json.loads(choice(tmp_path).stdout)[0] == kept(tmp_path)["chosen"]


@pytest.mark.slow
def test_fewer_instructions_give_the_same_numbers_and_are_not_kept(tmp_path):
    of_all = json.loads(choice(tmp_path).stdout)
    (tmp_path / "colvision" / "instructions.json").unlink()
    for level in ("none", "neon", "avx2", "avx-vnni", "avx512", "amx"):
        here, available, bits, *numbers = json.loads(choice(tmp_path, level).stdout)
        assert numbers == of_all[3:]
        assert here in available
        if level == "none":
            assert (here, available, bits) == ("float32", ["float32"], "any")
        assert level in ("avx512", "amx") or not any(name.startswith(("avx512", "amx")) for name in (bits, *available))
    assert not (tmp_path / "colvision" / "instructions.json").exists()
    assert of_all[-1] is False  # nothing of torch's


def test_a_level_that_is_unknown_is_refused_in_words(tmp_path):
    assert "COLVISION_INSTRUCTIONS is 'sse'; expected one of none, neon" in choice(tmp_path, "sse").stderr


def test_dims_that_fill_no_unit_or_tile_are_compared_all_the_same(monkeypatch):
    monkeypatch.setattr(instructions, "chosen_instructions", lambda: instructions.AMX)
    rng = np.random.default_rng(1)
    for dim in (30, 68):
        products = instructions.int8_products(dim)
        codes, tokens = (rng.integers(-127, 128, (n, dim), dtype=np.int8) for n in (9, 3))
        expected = codes.astype(np.int32) @ tokens.T.astype(np.int32)
        np.testing.assert_array_equal(products.products(tokens, codes), expected)
        np.testing.assert_array_equal(products.maxima(tokens, codes, np.array([0]), np.array([9]))[0], expected.max(0))


def test_a_set_that_computes_something_else_is_not_used(monkeypatch):
    monkeypatch.setattr(type(INT8_LANES[0]), "agrees", lambda _: False)
    monkeypatch.setattr(amx, "tiles", lambda: None)
    assert instructions.available_instructions.__wrapped__() == ("float32",)


def test_float32_takes_pages_that_are_longer_than_a_block():
    rng = np.random.default_rng(2)
    codes, tokens = (rng.integers(-127, 128, (n, 64), dtype=np.int8) for n in (2500, 3))
    ends = np.array([0, 2490, 2500])
    expected = np.maximum.reduceat(codes.astype(np.int32) @ tokens.T.astype(np.int32), ends[:-1], axis=0)
    found = instructions.Float32Products().maxima(tokens, codes, ends[:-1], ends[1:])
    np.testing.assert_array_equal(found, expected)


def test_an_llvm_that_names_its_intrinsics_otherwise_is_reported_and_not_used(monkeypatch, caplog):
    monkeypatch.setattr(amx, "_is_available", lambda: True)
    monkeypatch.setattr(amx, "loop_text", lambda _: "declare void @llvm.x86.no.such.thing() define")
    assert amx.tiles.__wrapped__() is None
    assert "AMX cannot be used (LLVM IR parsing error" in caplog.text
