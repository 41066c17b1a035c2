-- What the controller keeps. Times are milliseconds since 1970 in UTC, digests
-- 64 hexadecimal digits, lists JSON.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;

-- For the reconcile loop.
CREATE TABLE pins (reference TEXT PRIMARY KEY, image TEXT NOT NULL, digest TEXT) STRICT;
CREATE TABLE made (id TEXT PRIMARY KEY, role TEXT NOT NULL) STRICT;
CREATE TABLE failures (role TEXT PRIMARY KEY, spec TEXT NOT NULL, reason TEXT NOT NULL, retry_at INTEGER NOT NULL) STRICT;
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    reconcile INTEGER NOT NULL,
    lane TEXT NOT NULL,
    action TEXT NOT NULL,
    why TEXT NOT NULL,
    outcome TEXT,
    error TEXT,
    duration_ms REAL
) STRICT;
CREATE INDEX journal_by_lane ON journal (lane, id);

-- People who administer.
CREATE TABLE admins (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL COLLATE NOCASE UNIQUE,
    role TEXT NOT NULL,
    password TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE admin_sessions (
    token TEXT PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    admin TEXT NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
) STRICT;
CREATE INDEX admin_sessions_by_admin ON admin_sessions (admin);
CREATE TABLE api_tokens (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    last_used INTEGER
) STRICT;
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    room TEXT,
    detail TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_room ON audit (room, id);

-- Rooms. A deleted room is gone for good only after it was archived.
CREATE TABLE rooms (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL DEFAULT 1,
    title TEXT NOT NULL,
    slug TEXT NOT NULL UNIQUE,
    stream TEXT NOT NULL UNIQUE,
    publish_key TEXT NOT NULL UNIQUE,
    profile TEXT NOT NULL,
    passcode TEXT,
    opens_at INTEGER,
    expires_at INTEGER,
    closed INTEGER NOT NULL DEFAULT 0,
    archived INTEGER NOT NULL DEFAULT 0,
    viewer_cap INTEGER,
    allowed_addresses TEXT NOT NULL DEFAULT '[]',
    watermark INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
-- Former names of a room, followed for a while.
CREATE TABLE old_slugs (
    slug TEXT PRIMARY KEY,
    room TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    until INTEGER NOT NULL
) STRICT;
CREATE TABLE links (
    id TEXT PRIMARY KEY,
    room TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    token TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    seat TEXT NOT NULL,
    expires_at INTEGER,
    max_uses INTEGER,
    uses INTEGER NOT NULL DEFAULT 0,
    revoked INTEGER NOT NULL DEFAULT 0,
    last_seen INTEGER,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX links_by_room ON links (room, created_at);

-- Browsers of visitors, and the rooms they may be in.
CREATE TABLE visitors (
    token TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT;
CREATE TABLE grants (
    id TEXT PRIMARY KEY,
    visitor TEXT NOT NULL REFERENCES visitors (token) ON DELETE CASCADE,
    room TEXT NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
    link TEXT REFERENCES links (id) ON DELETE CASCADE,
    seat TEXT NOT NULL,
    name TEXT NOT NULL,
    named INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (visitor, room)
) STRICT;
CREATE INDEX grants_by_room ON grants (room);
