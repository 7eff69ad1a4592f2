-- schema.sql - the ledger: an index over journal/, carried/ and books/
--
-- All of it can be made from them anew, so a schema that a program does not
-- know is no loss: it is dropped and rebuilt (doc/FORMAT-BOOKS, 6).  Whoever
-- changes a table, or what fold.c writes there, raises HF_LEDGER_VERSION; that
-- is the migration.  Times are milliseconds since
-- 1970, UTC.  Words in state, outcome and copy are those of doc/DESIGN.

CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- one row a message of the journal
CREATE TABLE envelope (
  n INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
  at INTEGER NOT NULL,
  queue TEXT, instance TEXT, daemon TEXT, client TEXT, sender TEXT,
  bytes INTEGER,
  fault TEXT,               -- not NULL: it was not whole when it was read
  void_reason TEXT,         -- not NULL: the filter tempfailed it
  mail INTEGER,             -- what the log calls it
  copy TEXT NOT NULL DEFAULT 'whole',
  copy_fault TEXT,          -- of a damaged one: what is wrong with it
  copy_since INTEGER,       -- when that was found; NULL: found by its absence
  journaled INTEGER,        -- the segment it was journaled in, where it was carried forward since
  carried INTEGER           -- when that was, the last time
);
CREATE INDEX envelope_at ON envelope (at);
CREATE INDEX envelope_queue ON envelope (queue) WHERE mail IS NULL; -- of others mail knows it
CREATE INDEX envelope_segment ON envelope (segment, offset);
CREATE INDEX envelope_copy ON envelope (copy) WHERE copy NOT IN ('whole', 'trimmed');
CREATE INDEX envelope_sender ON envelope (sender COLLATE NOCASE);

-- one row an envelope recipient, in their order
CREATE TABLE recipient (
  envelope INTEGER NOT NULL, position INTEGER NOT NULL,
  address TEXT NOT NULL,
  state TEXT NOT NULL, outcome TEXT, detail TEXT,
  silent INTEGER NOT NULL DEFAULT 0, -- settled, and nobody told the sender
  since INTEGER,
  PRIMARY KEY (envelope, position)
) WITHOUT ROWID;
CREATE INDEX recipient_address ON recipient (address COLLATE NOCASE);
CREATE INDEX recipient_unsettled ON recipient (state) WHERE state NOT IN ('void', 'settled');

-- one row a message of the MTA's log: an id's generation
CREATE TABLE mail (
  n INTEGER PRIMARY KEY,
  queue TEXT NOT NULL, host TEXT, instance TEXT,
  at INTEGER,
  sender TEXT, message_id TEXT,
  parent TEXT, link TEXT,   -- the queue id it came from, and how
  accepted INTEGER NOT NULL DEFAULT 0,
  envelope INTEGER,         -- NULL: not in the journal
  closed INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX mail_queue ON mail (queue);
CREATE INDEX mail_message_id ON mail (message_id) WHERE message_id IS NOT NULL;
CREATE INDEX mail_parent ON mail (parent) WHERE parent IS NOT NULL;
CREATE INDEX mail_live ON mail (n) WHERE closed = 0;

-- deliveries of mail that is not in the journal
CREATE TABLE leg (
  mail INTEGER NOT NULL, address TEXT NOT NULL, orig TEXT NOT NULL,
  number INTEGER NOT NULL,  -- of recipients; more than one only for those never named
  state TEXT NOT NULL, outcome TEXT, detail TEXT,
  silent INTEGER NOT NULL DEFAULT 0,
  since INTEGER,
  PRIMARY KEY (mail, address, orig)
) WITHOUT ROWID;
CREATE INDEX leg_address ON leg (address COLLATE NOCASE);

-- the lines behind it all: SEQ SOURCE OFFSET NUMBER TEXT LF, by group of the books
CREATE TABLE evidence (
  mail INTEGER NOT NULL, seq INTEGER NOT NULL, lines BLOB NOT NULL
); -- with rowids: rows of an index this long would take a page each
CREATE UNIQUE INDEX evidence_of ON evidence (mail, seq);

CREATE TABLE source (n INTEGER PRIMARY KEY, path TEXT, device INTEGER, inode INTEGER);
CREATE TABLE incident (
  n INTEGER PRIMARY KEY, kind TEXT NOT NULL, at INTEGER, seq INTEGER,
  text TEXT, line TEXT
);
CREATE TABLE act (id TEXT PRIMARY KEY, at INTEGER, outcome TEXT, reason TEXT, who TEXT) WITHOUT ROWID;

-- what stands in the journal, or is gone from it, is no whole record, and was settled by an act
CREATE TABLE place (
  segment INTEGER NOT NULL, offset INTEGER NOT NULL, act TEXT NOT NULL,
  PRIMARY KEY (segment, offset)
) WITHOUT ROWID;

-- what stands in the journal, no longer verifies, and is no message that the books know
CREATE TABLE breach (
  segment INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER, fault TEXT, at INTEGER,
  PRIMARY KEY (segment, offset)
) WITHOUT ROWID;

-- segments that were trimmed, and what was in them
CREATE TABLE trimmed (
  segment INTEGER PRIMARY KEY, at INTEGER, octets INTEGER, records INTEGER, recipients INTEGER
);

-- how far what is followed was read
CREATE TABLE position (source TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE snapshot (n INTEGER PRIMARY KEY, at INTEGER NOT NULL, messages INTEGER NOT NULL, missing INTEGER NOT NULL);
