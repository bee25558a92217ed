-- One text for SQLite and Postgres: BIGINT for numbers and for times (milliseconds since 1970), TEXT for all else.

-- Whoever changes runs counts it up first, and holds its row until the end of the transaction: so changes of runs happen
-- one after the other on Postgres as on SQLite. Identities of runs and fencing numbers come from it.
CREATE TABLE counter (value BIGINT NOT NULL);
INSERT INTO counter (value) VALUES (0);

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    -- Of the signed body: GitHub's id is not signed, and a replay may come with another one.
    digest TEXT NOT NULL UNIQUE,
    event TEXT NOT NULL,
    repository TEXT,
    branch TEXT,
    received BIGINT NOT NULL,
    -- NULL until it is settled what follows from it.
    outcome TEXT
);
CREATE INDEX deliveries_waiting ON deliveries (received) WHERE outcome IS NULL;

CREATE TABLE runs (
    id BIGINT PRIMARY KEY,
    repository TEXT NOT NULL,
    environment TEXT NOT NULL,
    branch TEXT NOT NULL,
    commit_id TEXT NOT NULL,
    cause TEXT NOT NULL,
    priority BIGINT NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    reason TEXT,
    superseded_by BIGINT,
    created BIGINT NOT NULL,
    started BIGINT,
    ended BIGINT,
    -- The lease of a run that is carried out.
    holder TEXT,
    fence BIGINT,
    expires BIGINT
);
CREATE UNIQUE INDEX runs_one_queued ON runs (repository, environment) WHERE state = 'queued';
CREATE UNIQUE INDEX runs_one_running ON runs (repository, environment) WHERE state = 'running';
CREATE INDEX runs_of_environment ON runs (repository, environment, id);

CREATE TABLE events (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    sequence BIGINT NOT NULL,
    line TEXT NOT NULL,
    PRIMARY KEY (run, sequence)
);
