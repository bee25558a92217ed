-- Of an ended run: when it was settled who is told of it. NULL until then.
ALTER TABLE runs ADD COLUMN noticed BIGINT;
-- Nobody is told of what ended before.
UPDATE runs SET noticed = ended WHERE state = 'ended';
CREATE INDEX runs_unnoticed ON runs (id) WHERE state = 'ended' AND noticed IS NULL;

-- When the commit was made that a run deploys.
ALTER TABLE runs ADD COLUMN committed BIGINT;

-- What a delivery is about that tells of no push: an environment that is to be deployed to again, or the pull request with
-- this number, from the delivery's branch to `base`.
ALTER TABLE deliveries ADD COLUMN environment TEXT;
ALTER TABLE deliveries ADD COLUMN pull_request BIGINT;
ALTER TABLE deliveries ADD COLUMN base TEXT;

-- What is still to be told, and to whom.
CREATE TABLE notices (
    run BIGINT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    -- `failed`, `recovered`.
    occasion TEXT NOT NULL,
    -- Which receiver, without its address: that is a secret.
    receiver TEXT NOT NULL,
    made BIGINT NOT NULL,
    -- When it is tried next, and how often it was.
    due BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    PRIMARY KEY (run, occasion, receiver)
);
