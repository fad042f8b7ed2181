"""Verdicts of readers: kept with their documents, by any number of servers, and taken over from older libraries."""

import json

import pytest

from colvision.store import Store
from colvision.store.judgements import FORMER_FILE, UNREAD_FILE, Judgement
from tests.helpers.other_worker import AGAIN
from tests.helpers.stores import add, encoded, write

MANY = 1000


def judge(store, text, row, page, verdict="relevant"):
    return store.judgements.put(Judgement(text, row.id, page, verdict), limit=MANY)


@pytest.fixture
def row(store, quick_path):
    return add(store, write(quick_path, "a.pdf", "A"), "one", "two", collection="archive")


def test_two_servers_on_one_library_keep_the_verdicts_of_both(store, row):
    with Store(store.path) as other:
        judge(store, "oil", row, 1)
        judge(other, "oil", row, 2, "irrelevant")
        judge(store, "hook", row, 1)
        judge(other, "oil", row, 1, "")
        assert store.judgements.all() == other.judgements.all()
        assert [(each.text, each.page, each.verdict) for each in store.judgements.all()] == [
            ("hook", 1, "relevant"),
            ("oil", 2, "irrelevant"),
        ]


def test_verdicts_follow_a_renaming_and_an_encoding_and_go_with_what_is_deleted(store, row, quick_path):
    other = add(store, write(quick_path, "b.pdf", "B"), "three")
    for each in (row, other):
        judge(store, "oil", each, 1)
    store.writer.rename_collection("archive", "old")
    key = store.reencoding.begin("old", AGAIN.info)
    pending = store.reencoding.open_next(key)
    store.writer.commit(pending, [encoded(number, "word", encoder=AGAIN) for number in (1, 2)], AGAIN.info)
    store.writer.finish(pending)
    assert store.reencoding.swap(key) and len(store.judgements) == 2
    store.writer.delete(other)
    assert [each.document for each in store.judgements.all()] == [row.id]
    store.writer.delete_collection("old")
    assert len(store.judgements) == 0
    judge(store, "oil", row, 1)
    assert len(store.judgements) == 0, "nothing is kept of a document that is gone"


def test_a_limit_holds_for_new_ones_only(store, row):
    assert store.judgements.put(Judgement("oil", row.id, 1, "relevant"), limit=1)
    assert store.judgements.put(Judgement("oil", row.id, 1, "irrelevant"), limit=1)
    assert not store.judgements.put(Judgement("oil", row.id, 2, "relevant"), limit=1)
    assert store.judgements.verdict("oil", row.id, 1) == "irrelevant"


def test_the_file_of_an_older_library_is_taken_over_once_whatever_is_in_it(store, row):
    good = ["a\u2028b", "archive", row.id, 2, "relevant"]
    known = ["oil", "archive", row.id, 1, "irrelevant"]
    gone = ["oil", "archive", "0123456789abcdef", 1, "relevant"]
    lines = [json.dumps(each, ensure_ascii=False).encode() for each in (good, known, gone)]
    damaged = [b'["oil", "archive"', b"\xff\xfe", b'{"text": 1}', b'["a", "b", "c", "d", "e"]']
    damaged += [b'["\\ud800", "c", "d", 1, "relevant"]', b'["a", "c", "d", 1%s, "relevant"]' % (b"0" * 30)]
    (store.path / FORMER_FILE).write_bytes(b"\n".join([*lines, *damaged]))
    judge(store, "oil", row, 1)
    assert "6 lines of judgements.jsonl are damaged" in store.judgements.take_over()
    assert store.judgements.take_over() == ""
    assert {(each.text, each.page): each.verdict for each in store.judgements.all()} == {
        ("oil", 1): "relevant",
        ("a\u2028b", 2): "relevant",
    }
    assert (store.path / UNREAD_FILE).read_bytes().split(b"\n") == damaged


def test_a_file_that_cannot_be_read_stops_nothing(store):
    (store.path / FORMER_FILE).mkdir()
    assert "cannot be read" in store.judgements.take_over()
