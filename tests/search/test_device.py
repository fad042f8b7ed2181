"""A search on a device answers as one by the processor does, bit for bit, and what has gone is gone there, too."""

import gc
import json

import numpy as np
import pytest
from typer.testing import CliRunner

import colvision
from colvision.cli.main import main
from colvision.maxsim.on_device import WORK_BYTES
from colvision.search import QueryRequest, SearchOptions, parse_filter, search_many
from colvision.search.device import SearchDevice
from colvision.search.execute import weigh_query
from colvision.store.shards import Shard
from colvision.testing import ToyEncoder, save_document
from tests.helpers.random_collections import PLAIN, SHARP, made_pages, made_snapshot, query_near

torch = pytest.importorskip("torch")
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device that torch finds")
PAGES = 1_300  # above `FIRST_STAGE_PAGES`, also without those that are dead
SHARDS = 4


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=cuda)])
def device(request):
    return SearchDevice(request.param)


@pytest.fixture(scope="module")
def pages():
    return made_pages(np.random.default_rng(0), PAGES)


@pytest.fixture(scope="module")
def snapshot(pages, tmp_path_factory):
    return made_snapshot(tmp_path_factory.mktemp("made"), pages, shards=SHARDS, dead=frozenset(range(0, PAGES, 9)))


@pytest.fixture(scope="module")
def requests(pages):
    """Of every mode, with and without filters, that leave much, little and nothing."""
    rng = np.random.default_rng(1)
    where = [None, "number>=2", "number<3 and page in 2-9", "number=3 and number=4", None]
    return [
        QueryRequest(
            query_near(rng, pages[place], tokens=1 + i % 7),
            SearchOptions(
                k=3 + i,
                where=None if where[i % 5] is None else parse_filter(where[i % 5]),
                mode="exact" if i % 3 == 0 else "auto",
                soft_idf=i % 4 > 0,
            ),
        )
        for i, place in enumerate(rng.integers(0, PAGES, 15))
    ]


def told(answer):
    """All of an answer but its times."""
    hits = [
        (hit.document, hit.page, hit.score, hit.similarity.tolist(), hit.contributions.tolist(), dict(hit.score_terms))
        for hit in answer
    ]
    return hits, answer.query.weights.tolist(), answer.mode, answer.pages, answer.candidates


@pytest.mark.parametrize("info", [PLAIN, SHARP], ids=["plain", "sharp"])
def test_answers_are_those_of_the_processor_together_and_alone(snapshot, requests, device, info):
    expected = [told(answer) for answer in search_many(snapshot, requests, info=info)]
    assert {mode for _, _, mode, _, _ in expected} == ({"exact", "rerank"} if info is PLAIN else {"exact"})
    assert [told(answer) for answer in search_many(snapshot, requests, info=info, device=device)] == expected
    alone = [search_many(snapshot, [each], info=info, device=device)[0] for each in requests]
    assert list(map(told, alone)) == expected
    codes = sum(part.shard.codes.nbytes for part in snapshot.shards)
    assert device.status().bytes == (codes + codes // 8 if info is PLAIN else codes)
    assert (device.status().shards, device.status().left_out) == (SHARDS, 0)
    weighed = weigh_query(snapshot, requests[0].query, info=info, device=device)
    assert weighed.weights.tolist() == weigh_query(snapshot, requests[0].query, info=info).weights.tolist()


@pytest.mark.parametrize("room", [0, 1, 3])
def test_what_does_not_fit_is_compared_by_the_processor_and_told(snapshot, requests, room):
    sizes = [part.shard.codes.nbytes for part in snapshot.shards]
    little = SearchDevice("cpu", WORK_BYTES + sum(sizes[:room]) + room)
    found = search_many(snapshot, requests, info=SHARP, device=little)
    assert list(map(told, found)) == list(map(told, search_many(snapshot, requests, info=SHARP)))
    status = little.status()
    assert (status.shards, status.bytes) == (room, sum(sizes[:room]))
    assert (status.left_out, status.bytes_left_out) == (SHARDS - room, sum(sizes[room:]))
    [warning] = status.warnings()
    assert f"{SHARDS - room} of {SHARDS} shards" in warning and "do not fit on cpu" in warning


def test_a_shard_is_copied_once_and_dropped_with_its_snapshot(pages, requests, tmp_path):
    device = SearchDevice("cpu")
    first = made_snapshot(tmp_path, pages[:100], shards=2)
    search_many(first, requests[:1], info=SHARP, device=device)
    stored = device.find(first.shards[0].shard, "codes")
    search_many(first, requests[:1], info=SHARP, device=device)
    assert device.find(first.shards[0].shard, "codes") is stored
    del first, stored
    gc.collect()
    assert (device.status().shards, device.status().bytes) == (0, 0)


def test_a_damaged_shard_stays_with_the_processor(pages, tmp_path):
    whole = made_snapshot(tmp_path, pages[:20], shards=1).shards[0].shard
    data = bytearray(whole.path.read_bytes())
    data[data.index(whole.codes.tobytes())] ^= 1
    whole.path.write_bytes(data)
    device = SearchDevice("cpu")
    assert device.find(Shard(whole.path), "codes") is None
    assert list(device.status().warnings()) == []


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "documents"
    folder.mkdir()
    words = {"pump": [["pump", "oil"], ["valve", "bolt"]], "fan": [["fan", "belt", "oil"], ["oil", "pump"]]}
    return [save_document(folder / f"{name}.pdf", each) for name, each in words.items()]


def test_a_library_on_a_device_answers_alike_after_deletes_and_compaction(tmp_path, documents):
    with colvision.open_library(tmp_path / "library", encoder=ToyEncoder(dim=64), search_device="cpu") as on_device:
        on_device.ingest(documents)
        with colvision.open_library(tmp_path / "library", encoder=ToyEncoder(dim=64)) as plain:
            for change in (lambda: None, lambda: on_device.delete("fan.pdf"), on_device.compact):
                change()
                for text in ("oil pump", "belt"):
                    assert told(on_device.search(text)) == told(plain.search(text))
            assert plain.status().search_device is None
        gc.collect()
        [collection] = on_device.status().collections
        device = on_device.status().search_device
        assert (device.name, device.shards, device.bytes) == ("cpu", 1, collection.shard_bytes.codes)
        assert on_device.status().to_dict()["search_device"] == device.to_dict()


def test_memory_without_a_device_and_a_device_without_memory_are_refused(tmp_path):
    with pytest.raises(ValueError, match="device_memory is that of a search device: name one"):
        colvision.open_library(tmp_path, device_memory=1 << 30)
    with pytest.raises(ValueError, match="device_memory is 0; give a number of bytes"):
        colvision.open_library(tmp_path, search_device="cpu", device_memory=0)


@pytest.mark.slow
def test_the_command_searches_by_a_device(tmp_path, documents):
    library = tmp_path / "library"
    with colvision.open_library(library, encoder="mini") as opened:
        opened.ingest(documents[0])
    asked = ["search", "pump", "--library", str(library), "--json"]
    plain, by_device = (CliRunner().invoke(main, [*asked, *more]) for more in ([], ["--search-device", "cpu"]))
    assert json.loads(by_device.stdout)["hits"] == json.loads(plain.stdout)["hits"] != []


@pytest.mark.parametrize("command", [["search", "pump", "--library"], ["app", "--library"]], ids=["search", "app"])
def test_a_device_that_is_not_there_is_told_in_a_sentence(tmp_path, command):
    with colvision.open_library(tmp_path / "library"):
        pass
    given = [*command, str(tmp_path / "library"), "--search-device", "cuda:99", "--device-memory", "8GB"]
    answer = CliRunner().invoke(main, given)
    assert answer.exit_code == 2 and answer.stdout == ""
    assert "search device 'cuda:99' is not on this machine" in answer.stderr and "Traceback" not in answer.stderr
