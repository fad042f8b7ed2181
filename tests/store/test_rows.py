"""Rows of the catalogue: read by name, changed with their checksum, never believed once they were damaged."""

import json

import pytest

from colvision.core.encoder import Calibration
from colvision.errors import EncoderMismatch
from colvision.store import rows
from colvision.store.rows.statements import update
from colvision.store.schema import COLLECTIONS, DOCUMENTS, JOBS, PAGES, SHARDS
from colvision.store.table import CHECKSUM, Column, Table, unchecked
from tests.helpers.stores import TOY, add, begin, write


def test_a_description_makes_the_table_the_checksum_and_what_is_read():
    table = Table(
        "parts",
        {"key": unchecked("INTEGER PRIMARY KEY"), "name": Column("TEXT", is_typed=True), "size": Column("REAL")},
        "UNIQUE (name, size)",
    )
    assert table.create_sql == (
        "CREATE TABLE parts (\n    key INTEGER PRIMARY KEY,\n    name TEXT,\n    size REAL,\n    seal INTEGER,\n"
        "    UNIQUE (name, size)\n);\n"
    )
    assert table.checksum_sql == "row_checksum(typeof(parts.name), CAST(parts.name AS BLOB), parts.size)"
    assert table.select(half="size / 2").startswith("SELECT parts.key AS key, parts.name AS name, parts.size AS size, ")
    assert (table.is_checked(["key"]), table.is_checked(["key", "size"])) == (False, True)
    assert CHECKSUM not in JOBS.create_sql


@pytest.mark.parametrize("table", [COLLECTIONS, DOCUMENTS, SHARDS, PAGES], ids=lambda table: table.name)
def test_a_change_of_any_checked_column_is_noticed_and_of_no_other(store, quick_path, table):
    add(store, write(quick_path, "a.pdf", "A"), "bleed")
    db = store._db
    for name, column in table.columns.items():
        with db.write():
            (key, before) = db.one(f"SELECT key, {name} FROM {table.name}")
            db.execute("PRAGMA defer_foreign_keys = ON")
            is_text = column.type.startswith("TEXT")
            db.execute(f"UPDATE {table.name} SET {name} = ?", ["x" if is_text else 12345])
            assert bool(db.one(f"SELECT {table.is_intact_sql} FROM {table.name}")[0]) != column.is_checked, name
            db.execute(f"UPDATE {table.name} SET {name} = ?", [before])
            assert db.one(f"SELECT key, {table.is_intact_sql} FROM {table.name}") == (key, 1)


def test_a_damaged_row_stays_one_whatever_is_written_into_it(store, quick_path):
    row = add(store, write(quick_path, "a.pdf", "A"), "bleed")
    with store._db.write():
        update(store._db, DOCUMENTS, row.key, pages=3)
        assert rows.documents.get(store._db, row.key).is_intact
        store._db.execute("UPDATE documents SET name = 'b.pdf'")
        update(store._db, DOCUMENTS, row.key, pages=1)
        found = rows.documents.get(store._db, row.key)
    assert (found.is_intact, found.state, found.bytes, found.metadata) == (False, "damaged", 0, {})


def test_a_document_knows_the_name_of_its_collection(store, quick_path):
    path = write(quick_path, "a.pdf", "A")
    assert add(store, path, "bleed").collection_name == "default"
    assert add(store, path, "bleed", collection="archive").collection_name == "archive"
    key = store.reencoding.begin("default", TOY.info)
    assert store.reencoding.open_next(key).row.collection_name == ""


def encoder_text(store):
    return json.loads(store._db.one("SELECT encoder FROM collections")[0])


def test_what_a_newer_colvision_says_of_an_encoder_is_passed_over_and_kept(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "bleed")
    newer = encoder_text(store) | {"tower": "wide", "link": {"slope": 2.0, "midpoint": 0.5, "bend": 1}}
    newer["loaded_from"] = {"name": "somewhere", "branch": "main"}
    with store._db.write():
        update(store._db, COLLECTIONS, 1, encoder=json.dumps(newer))
    info = store.collection("default").info
    assert (info.name, info.calibration, info.loaded_from.name) == ("toy-0", Calibration(2.0, 0.5), "somewhere")
    add(store, write(quick_path, "b.pdf", "B"), "valve")
    store.compact()
    assert encoder_text(store) == newer
    assert store.verify() == []


def test_what_an_older_colvision_did_not_say_of_an_encoder_takes_its_default(store, quick_path):
    add(store, write(quick_path, "a.pdf", "A"), "bleed")
    kept = {name: encoder_text(store)[name] for name in ("name", "fingerprint", "dim")}
    kept["code_range"] = 0.5  # the quantisation range was called so up to format 2
    with store._db.write():
        update(store._db, COLLECTIONS, 1, encoder=json.dumps(kept))
    info = store.collection("default").info
    assert (info.fingerprint, info.quantisation_range, info.calibration, info.versions, info.pool) == (
        TOY.info.fingerprint,
        0.5,
        Calibration(),
        {},
        1,
    )
    with pytest.raises(EncoderMismatch, match="was filled by toy-0"):
        begin(store, write(quick_path, "b.pdf", "B"), encoder=type(TOY)(seed=1))
