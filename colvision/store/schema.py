"""The tables of the catalogue, and the steps from an older format to this one.

Rows that an answer is made of carry a seal, a checksum of their columns: SQLite finds a page of its file that lost its
shape, never a letter that has changed in a name.
"""

import zlib
from collections.abc import Mapping

FORMAT = 3  # raise it when an older colvision would misread the library
APPLICATION = 0x434F4C56  # "COLV", SQLite's own place for telling one program's files from another's

SCHEMA = """
CREATE TABLE collections (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,                       -- NULL while it is being filled to replace `refills`
    refills INTEGER,
    generation INTEGER NOT NULL DEFAULT 0,  -- one more with every change that a search can see
    encoder TEXT,                           -- JSON, NULL before the first commit
    components INTEGER NOT NULL DEFAULT 0,  -- vector components quantised, and those beyond the code range
    clipped INTEGER NOT NULL DEFAULT 0,
    keep TEXT NOT NULL DEFAULT 'codes',     -- or 'float16': the vectors are kept beside their codes
    seal INTEGER
);
CREATE TABLE documents (
    key INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used again: shards name their pages' documents by it
    id TEXT NOT NULL UNIQUE,
    collection INTEGER NOT NULL REFERENCES collections (key),
    name TEXT NOT NULL,
    source TEXT NOT NULL,                   -- absolute path, or the name of an upload
    upload INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    extension TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    pages INTEGER NOT NULL,                 -- of the file; how many are stored is counted in `pages`
    renderer TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    visible INTEGER NOT NULL,
    replaces INTEGER,                       -- key of the document that this one takes the place of when complete
    worker TEXT NOT NULL,
    added TEXT NOT NULL,
    metadata TEXT NOT NULL DEFAULT '{}',    -- JSON object, see `metadata`
    seal INTEGER
);
CREATE UNIQUE INDEX documents_name ON documents (collection, name) WHERE visible;
CREATE INDEX documents_sha256 ON documents (sha256);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE shards (
    key INTEGER PRIMARY KEY AUTOINCREMENT,  -- also the file's name: never used again, so a name never changes its bytes
    collection INTEGER NOT NULL REFERENCES collections (key),
    pages INTEGER NOT NULL,
    vectors INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    checksum TEXT NOT NULL,
    damage TEXT NOT NULL DEFAULT '',        -- why it is quarantined
    format INTEGER NOT NULL DEFAULT 1,
    seal INTEGER
);
CREATE TABLE pages (
    key INTEGER PRIMARY KEY,
    document INTEGER NOT NULL REFERENCES documents (key),
    number INTEGER NOT NULL,
    reason TEXT,                            -- why it failed; NULL for a stored page
    height INTEGER,
    width INTEGER,
    geometry TEXT,                          -- JSON [left, bottom, right, top, rotation], NULL for an image file
    shard INTEGER REFERENCES shards (key),
    row INTEGER,
    picture INTEGER,                        -- crc32 of its picture's file; NULL where an older colvision drew it
    text INTEGER,                           -- crc32 of its text in `page_text`; NULL for none
    seal INTEGER,                           -- of the page, not of its place: merging moves it
    UNIQUE (document, number)
);
CREATE INDEX pages_shard ON pages (shard, row);
CREATE INDEX pages_failed ON pages (document) WHERE reason IS NOT NULL;
CREATE VIRTUAL TABLE page_text USING fts5 (text, tokenize = 'porter unicode61 remove_diacritics 2');
CREATE TABLE jobs (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL DEFAULT 'file',      -- or 'resume', 'reencode'
    path TEXT NOT NULL,                     -- of a file, relative where it lies in the library
    name TEXT NOT NULL,
    collection TEXT NOT NULL,
    metadata TEXT,                          -- JSON object, NULL where none was given
    replaces INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued',
    reason TEXT NOT NULL DEFAULT '',
    document TEXT NOT NULL DEFAULT '',
    page INTEGER NOT NULL DEFAULT 0,
    pages INTEGER NOT NULL DEFAULT 0,
    failed_pages INTEGER NOT NULL DEFAULT 0,
    pages_per_second REAL NOT NULL DEFAULT 0,
    cancel INTEGER NOT NULL DEFAULT 0,
    dismissed INTEGER NOT NULL DEFAULT 0,   -- the row is removed when the job has ended
    worker TEXT NOT NULL DEFAULT '',
    queued TEXT NOT NULL,
    heartbeat REAL NOT NULL DEFAULT 0,
    finished TEXT NOT NULL DEFAULT ''
);
INSERT INTO collections (name) VALUES ('default');
"""

# What a seal covers. Text is taken as bytes: a flipped bit may leave it without a meaning.
_SEALED = {
    "collections": ("CAST(name AS BLOB)", "refills", "CAST(encoder AS BLOB)", "CAST(keep AS BLOB)"),
    "documents": (
        "CAST(id AS BLOB)", "collection", "CAST(name AS BLOB)", "CAST(source AS BLOB)", "upload",
        "CAST(sha256 AS BLOB)", "CAST(extension AS BLOB)", "bytes", "pages", "CAST(renderer AS BLOB)",
        "visible", "replaces", "CAST(added AS BLOB)", "CAST(metadata AS BLOB)",
    ),
    "shards": (
        "key", "collection", "pages", "vectors", "bytes", "CAST(checksum AS BLOB)", "typeof(damage)",
        "CAST(damage AS BLOB)", "format",
    ),
    "pages": (
        "pages.document", "pages.number", "CAST(pages.reason AS BLOB)", "pages.height", "pages.width",
        "CAST(pages.geometry AS BLOB)", "pages.picture",
        "pages.text",
    ),
}  # fmt: skip
SEALS: Mapping[str, str] = {table: f"row_seal({', '.join(columns)})" for table, columns in _SEALED.items()}

_SEAL_ALL = "".join(f"UPDATE {table} SET seal = {seal};\n" for table, seal in SEALS.items())
_SEAL_SCHEMA = """
CREATE TABLE schema_seal (sum INTEGER);
INSERT INTO schema_seal
SELECT row_seal(CAST(group_concat(sql) AS BLOB)) FROM (SELECT sql FROM sqlite_master ORDER BY name);
"""
SCHEMA += _SEAL_ALL + _SEAL_SCHEMA
IS_SCHEMA_WHOLE = """
SELECT (SELECT sum FROM schema_seal) IS row_seal(CAST(group_concat(sql) AS BLOB))
FROM (SELECT sql FROM sqlite_master ORDER BY name)"""

# A re-encoding was a job without a path, and going on with a document one that read its kept file.
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
_SEAL_SCHEMA_AGAIN = """
UPDATE schema_seal SET sum =
(SELECT row_seal(CAST(group_concat(sql) AS BLOB)) FROM (SELECT sql FROM sqlite_master ORDER BY name));
"""

# From the format before to each format.
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
UPDATE pages SET text = text_sum((SELECT CAST(text AS BLOB) FROM page_text WHERE rowid = pages.key));
ALTER TABLE pages ADD COLUMN seal INTEGER;
CREATE INDEX pages_failed ON pages (document) WHERE reason IS NOT NULL;
"""
    + _SEAL_ALL
    + _SEAL_SCHEMA,
    3: _JOBS_3 + _SEAL_SCHEMA_AGAIN,
}


def text_sum(text: str | bytes | None) -> int | None:
    """A checksum of a page's text; the SQL function of the same name, which is given text as bytes."""
    if not text:
        return None
    return zlib.crc32(text.encode() if isinstance(text, str) else text)


def row_seal(*values: str | int | float | bytes | None) -> int:
    """A checksum of a row's columns; the SQL function of the same name, which is given text as bytes."""
    plain = tuple(value.encode() if isinstance(value, str) else value for value in values)
    return zlib.crc32(repr(plain).encode())
