-- Who may do what, who is signed in, and who did what. Secrets are stored as their SHA-256 in hexadecimal.

CREATE TABLE tokens (
    -- A name is given once, also if its token was revoked: the audit log knows people by it.
    name TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    -- As JSON.
    rights TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT,
    revoked BIGINT
);

CREATE TABLE sessions (
    hash TEXT PRIMARY KEY,
    who TEXT NOT NULL,
    -- The hash of the token that opened it and says what it may do, or else that itself as JSON.
    token TEXT,
    rights TEXT,
    created BIGINT NOT NULL,
    used BIGINT NOT NULL,
    expires BIGINT NOT NULL
);

-- Rows are added and never changed. Each has a hash of itself and of the hash before it.
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    subject TEXT NOT NULL,
    repository TEXT NOT NULL,
    origin TEXT NOT NULL,
    hash TEXT NOT NULL
);
-- The newest row, so that it is missed too.
CREATE TABLE audit_head (number BIGINT NOT NULL, hash TEXT NOT NULL);
INSERT INTO audit_head (number, hash) VALUES (0, '');
