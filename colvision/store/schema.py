"""The tables of the catalogue, and the steps from an older format to this one."""

from collections.abc import Mapping

from colvision.store.table import CHECKSUM, Column, Table, unchecked

FORMAT = 6  # raise it when an older colvision would misread the library
APPLICATION_ID = 0x434F4C56  # "COLV", SQLite's mark of the program that a file belongs to
SCHEMA_CHECKSUM_FORMAT = 2  # since this format a library knows the checksum of its own tables' definitions

COLLECTIONS = Table(
    "collections",
    {
        "key": unchecked("INTEGER PRIMARY KEY AUTOINCREMENT"),
        "name": Column("TEXT UNIQUE"),  # NULL for a shadow collection, which is to replace the one of key `refills`
        "refills": Column("INTEGER"),
        "accompanies": Column("INTEGER"),  # a companion collection, see `companions`: the key of the one it belongs to
        "encoder_name": Column("TEXT"),  # what a companion's encoder is called in searches; also nameless otherwise
        "generation": unchecked("INTEGER NOT NULL DEFAULT 0"),  # one more with every change that a search can see
        "encoder": Column("TEXT"),  # JSON, NULL before the first commit
        "components": unchecked("INTEGER NOT NULL DEFAULT 0"),  # of vectors quantised, and those beyond their range
        "clipped": unchecked("INTEGER NOT NULL DEFAULT 0"),
    },
)
DOCUMENTS = Table(
    "documents",
    {
        "key": unchecked("INTEGER PRIMARY KEY AUTOINCREMENT"),  # never used again: shards name documents by it
        "id": Column("TEXT NOT NULL UNIQUE"),
        "collection": Column("INTEGER NOT NULL REFERENCES collections (key)"),
        "name": Column("TEXT NOT NULL"),
        "source": Column("TEXT NOT NULL"),  # absolute path, or the name of an upload
        "upload": Column("INTEGER NOT NULL"),
        "sha256": Column("TEXT NOT NULL"),
        "extension": Column("TEXT NOT NULL"),
        "bytes": Column("INTEGER NOT NULL"),
        "pages": Column("INTEGER NOT NULL"),  # of the file; how many are stored is counted in `pages`
        "renderer": Column("TEXT NOT NULL"),
        "state": unchecked("TEXT NOT NULL"),
        "reason": unchecked("TEXT NOT NULL DEFAULT ''"),
        "visible": Column("INTEGER NOT NULL"),
        "replaces": Column("INTEGER"),  # key of the document that this one takes the place of when complete
        "worker": unchecked("TEXT NOT NULL"),
        "added": Column("TEXT NOT NULL"),
        "metadata": Column("TEXT NOT NULL DEFAULT '{}'"),  # JSON object, see `metadata`
        "copies": Column("TEXT NOT NULL DEFAULT '[]'"),  # JSON: other sources that had the same bytes
        "notes": Column("TEXT NOT NULL DEFAULT '[]'"),  # JSON, see `core.health`
    },
)
SHARDS = Table(
    "shards",
    {
        # Also the file's name: never used again, so a name never changes its bytes.
        "key": Column("INTEGER PRIMARY KEY AUTOINCREMENT"),
        "collection": Column("INTEGER NOT NULL REFERENCES collections (key)"),
        "pages": Column("INTEGER NOT NULL"),
        "vectors": Column("INTEGER NOT NULL"),
        "bytes": Column("INTEGER NOT NULL"),
        "checksum": Column("TEXT NOT NULL"),  # sha256 of the file
        "damage": Column("TEXT NOT NULL DEFAULT ''", is_typed=True),  # why it is quarantined
        "format": Column("INTEGER NOT NULL DEFAULT 1"),
        "centroids": Column("INTEGER NOT NULL DEFAULT 0"),  # key of those of its inverted lists, 0 without lists
    },
)
CENTROIDS = Table(
    "centroids",
    {
        "key": Column("INTEGER PRIMARY KEY AUTOINCREMENT"),
        "collection": Column("INTEGER NOT NULL REFERENCES collections (key)"),
        "vectors": Column("INTEGER NOT NULL"),  # how many the collection had when they were trained
        "data": Column("BLOB NOT NULL"),  # see `maxsim.inverted_lists.Centroids`
    },
)
PAGES = Table(
    "pages",
    {
        "key": unchecked("INTEGER PRIMARY KEY"),
        "document": Column("INTEGER NOT NULL REFERENCES documents (key)"),
        "number": Column("INTEGER NOT NULL"),
        "reason": Column("TEXT"),  # why it failed; NULL for a stored page
        "height": Column("INTEGER"),
        "width": Column("INTEGER"),
        "geometry": Column("TEXT"),  # JSON [left, bottom, right, top, rotation], NULL for an image file
        "shard": unchecked(
            "INTEGER REFERENCES shards (key)"
        ),  # merging changes it; the shard itself names the owners of its pages
        "row": unchecked("INTEGER"),
        "picture": Column("INTEGER"),  # crc32 of its page image's file; NULL where format 1 wrote it
        "text": Column("INTEGER"),  # crc32 of its text in `page_text`; NULL for none
        "notes": Column("TEXT NOT NULL DEFAULT '[]'"),  # JSON, see `core.health`
        "tried": Column("TEXT"),  # when it failed, UTC in ISO 8601; NULL for a stored page
        "words": Column("INTEGER"),  # crc32 of its words in `page_words`; NULL for none
        "reader": Column(
            "TEXT NOT NULL DEFAULT ''"
        ),  # of its text: an OCR engine; '' for the PDF itself, and for nobody
    },
    "UNIQUE (document, number)",
)
PAGE_WORDS = Table(
    "page_words",
    {
        "key": unchecked("INTEGER PRIMARY KEY"),  # of the page
        "words": unchecked("BLOB NOT NULL"),  # see `rows.words`
    },
)
JOBS = Table(
    "jobs",
    {
        "key": unchecked("INTEGER PRIMARY KEY AUTOINCREMENT"),
        "kind": unchecked("TEXT NOT NULL DEFAULT 'file'"),  # or 'resume', 'reencode'
        "path": unchecked("TEXT NOT NULL"),  # of a file, relative where it lies in the library
        "name": unchecked("TEXT NOT NULL"),
        "collection": unchecked("TEXT NOT NULL"),
        "metadata": unchecked("TEXT"),  # JSON object, NULL where none was given
        "replaces": unchecked("INTEGER NOT NULL"),
        "state": unchecked("TEXT NOT NULL DEFAULT 'queued'"),
        "reason": unchecked("TEXT NOT NULL DEFAULT ''"),
        "document": unchecked("TEXT NOT NULL DEFAULT ''"),
        "page": unchecked("INTEGER NOT NULL DEFAULT 0"),
        "pages": unchecked("INTEGER NOT NULL DEFAULT 0"),
        "failed_pages": unchecked("INTEGER NOT NULL DEFAULT 0"),
        "pages_per_second": unchecked("REAL NOT NULL DEFAULT 0"),
        "cancel": unchecked("INTEGER NOT NULL DEFAULT 0"),
        "dismissed": unchecked("INTEGER NOT NULL DEFAULT 0"),  # the row is removed when the job has ended
        "worker": unchecked("TEXT NOT NULL DEFAULT ''"),
        "queued": unchecked("TEXT NOT NULL"),
        "heartbeat": unchecked("REAL NOT NULL DEFAULT 0"),
        "finished": unchecked("TEXT NOT NULL DEFAULT ''"),
    },
)
JUDGEMENTS = Table(
    "judgements",
    {
        "key": unchecked("INTEGER PRIMARY KEY"),
        "text": unchecked("TEXT NOT NULL"),  # the question
        "document": unchecked("TEXT NOT NULL"),  # its id, which stays when it is encoded again
        "page": unchecked("INTEGER NOT NULL"),
        "verdict": unchecked("TEXT NOT NULL"),
    },
    "UNIQUE (text, document, page)",
)
_CHECKED_TABLES = (COLLECTIONS, DOCUMENTS, SHARDS, PAGES, CENTROIDS)

_INDEXES = """
CREATE UNIQUE INDEX documents_name ON documents (collection, name) WHERE visible;
CREATE INDEX documents_sha256 ON documents (sha256);
CREATE INDEX documents_source ON documents (source);
CREATE INDEX pages_shard ON pages (shard, row);
CREATE INDEX pages_failed ON pages (document) WHERE reason IS NOT NULL;
CREATE INDEX pages_noted ON pages (document) WHERE notes <> '[]';
"""
# `text` is shown, `words` (its `page_form`) are what it is found by; marks such as vowel signs are parts of words.
_PAGE_TEXT = (
    "CREATE VIRTUAL TABLE page_text USING fts5 (text UNINDEXED, words, "
    """tokenize = "porter unicode61 remove_diacritics 2 categories 'L* N* Co M*'");"""
)
SCHEMA = (
    "".join(table.create_sql for table in (*_CHECKED_TABLES, JOBS, JUDGEMENTS, PAGE_WORDS))
    + _INDEXES
    + """
"""
    + _PAGE_TEXT
    + """
CREATE TABLE schema_seal (sum INTEGER);
INSERT INTO schema_seal VALUES (NULL);
INSERT INTO collections (name) VALUES ('default');
"""
)

_SCHEMA_CHECKSUM = (
    "(SELECT row_checksum(CAST(group_concat(sql) AS BLOB)) FROM (SELECT sql FROM sqlite_master ORDER BY name))"
)
IS_SCHEMA_INTACT = f"SELECT (SELECT sum FROM schema_seal) IS {_SCHEMA_CHECKSUM}"
# The last step of making and of upgrading. An upgrade sets the checksum of a row to NULL only where it was right.
SET_CHECKSUMS = "".join(f"{table.set_checksum_sql} WHERE {CHECKSUM} IS NULL;\n" for table in _CHECKED_TABLES)
SET_CHECKSUMS += f"UPDATE schema_seal SET sum = {_SCHEMA_CHECKSUM};\n"

_COLLECTIONS_3 = """
UPDATE collections SET seal = NULL
WHERE seal IS row_checksum(CAST(name AS BLOB), refills, CAST(encoder AS BLOB), CAST(keep AS BLOB));
ALTER TABLE collections DROP COLUMN keep;
"""
# In format 2 a re-encoding was a job without a path, and a resumed document one that read its kept file.
_JOBS_3 = """
ALTER TABLE jobs ADD COLUMN kind TEXT NOT NULL DEFAULT 'file';
ALTER TABLE jobs ADD COLUMN metadata TEXT;
ALTER TABLE jobs ADD COLUMN dismissed INTEGER NOT NULL DEFAULT 0;
UPDATE jobs SET kind = 'reencode' WHERE path = '';
UPDATE jobs SET document = coalesce((
    SELECT documents.id FROM documents JOIN collections ON collections.key = documents.collection
    WHERE documents.visible AND collections.name = jobs.collection
    AND jobs.path LIKE '%files_' || documents.sha256 || '.' || documents.extension
), '') WHERE state IN ('queued', 'running');
UPDATE jobs SET kind = 'resume', path = '' WHERE document <> '' AND state IN ('queued', 'running');
UPDATE jobs SET metadata = upload_metadata(path), path = upload_path(path) WHERE path <> '';
"""
_NOTES_4 = """
UPDATE documents SET seal = NULL WHERE seal IS row_checksum(
    CAST(id AS BLOB), collection, CAST(name AS BLOB), CAST(source AS BLOB), upload, CAST(sha256 AS BLOB),
    CAST(extension AS BLOB), bytes, pages, CAST(renderer AS BLOB), visible, replaces, CAST(added AS BLOB),
    CAST(metadata AS BLOB));
ALTER TABLE documents ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';
UPDATE pages SET seal = NULL WHERE seal IS row_checksum(
    document, number, CAST(reason AS BLOB), height, width, CAST(geometry AS BLOB), picture, text);
ALTER TABLE pages ADD COLUMN notes TEXT NOT NULL DEFAULT '[]';
ALTER TABLE pages ADD COLUMN tried TEXT;
CREATE INDEX pages_noted ON pages (document) WHERE notes <> '[]';
"""
_TEXT_4 = f"""
CREATE TABLE texts_3 AS SELECT rowid AS key, text FROM page_text;
DROP TABLE page_text;
{_PAGE_TEXT}
INSERT INTO page_text (rowid, text, words) SELECT key, text, page_form(CAST(text AS BLOB)) FROM texts_3;
DROP TABLE texts_3;
"""
# Names in their normal form, where no other has that already.
_NAMES_4 = """
ALTER TABLE documents ADD COLUMN copies TEXT NOT NULL DEFAULT '[]';
UPDATE collections SET seal = NULL WHERE seal IS row_checksum(CAST(name AS BLOB), refills, CAST(encoder AS BLOB));
UPDATE OR IGNORE collections SET name = normal_name(CAST(name AS BLOB)) WHERE seal IS NULL;
UPDATE jobs SET collection = normal_name(CAST(collection AS BLOB))
WHERE collection NOT IN (SELECT name FROM collections WHERE name IS NOT NULL);
UPDATE OR IGNORE documents SET name = normal_name(CAST(name AS BLOB)) WHERE seal IS NULL;
UPDATE documents SET metadata = normal_name(CAST(metadata AS BLOB)) WHERE seal IS NULL;
"""
_JUDGEMENTS_4 = JUDGEMENTS.create_sql
_WORDS_5 = f"""
UPDATE pages SET seal = NULL WHERE seal IS row_checksum(
    document, number, CAST(reason AS BLOB), height, width, CAST(geometry AS BLOB), picture, text, CAST(notes AS BLOB),
    CAST(tried AS BLOB));
ALTER TABLE pages ADD COLUMN words INTEGER;
ALTER TABLE pages ADD COLUMN reader TEXT NOT NULL DEFAULT '';
{PAGE_WORDS.create_sql}"""
# Libraries have companion collections since format 5.
_COMPANIONS_5 = """
UPDATE collections SET seal = NULL WHERE seal IS row_checksum(CAST(name AS BLOB), refills, CAST(encoder AS BLOB));
ALTER TABLE collections ADD COLUMN accompanies INTEGER;
ALTER TABLE collections ADD COLUMN encoder_name TEXT;
"""
_LISTS_6 = f"""
UPDATE shards SET seal = NULL WHERE seal IS row_checksum(
    key, collection, pages, vectors, bytes, CAST(checksum AS BLOB), typeof(damage), CAST(damage AS BLOB), format);
ALTER TABLE shards ADD COLUMN centroids INTEGER NOT NULL DEFAULT 0;
{CENTROIDS.create_sql}"""
# From the format before to each format; `SET_CHECKSUMS` comes after the last.
UPGRADES: Mapping[int, str] = {
    2: """
ALTER TABLE collections ADD COLUMN keep TEXT NOT NULL DEFAULT 'codes';
ALTER TABLE collections ADD COLUMN seal INTEGER;
ALTER TABLE documents ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE documents ADD COLUMN seal INTEGER;
ALTER TABLE shards ADD COLUMN format INTEGER NOT NULL DEFAULT 1;
ALTER TABLE shards ADD COLUMN seal INTEGER;
ALTER TABLE pages ADD COLUMN picture INTEGER;
ALTER TABLE pages ADD COLUMN text INTEGER;
UPDATE pages SET text = text_checksum((SELECT CAST(text AS BLOB) FROM page_text WHERE rowid = pages.key));
ALTER TABLE pages ADD COLUMN seal INTEGER;
CREATE INDEX pages_failed ON pages (document) WHERE reason IS NOT NULL;
CREATE TABLE schema_seal (sum INTEGER);
INSERT INTO schema_seal VALUES (NULL);
""",
    3: _COLLECTIONS_3 + _JOBS_3,
    4: _NOTES_4 + _NAMES_4 + _JUDGEMENTS_4 + _TEXT_4,
    5: _WORDS_5 + _COMPANIONS_5,
    6: _LISTS_6,
}
