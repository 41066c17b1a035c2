-- Backups that were made or failed, whoever asked for them.
CREATE TABLE backups (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    why TEXT NOT NULL,
    who TEXT NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER,
    sealed INTEGER NOT NULL,
    error TEXT
) STRICT;
