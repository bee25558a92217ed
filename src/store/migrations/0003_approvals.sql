-- A run whose plan waits for approval, is approved, or was.
ALTER TABLE runs ADD COLUMN plan TEXT;
ALTER TABLE runs ADD COLUMN approved_by TEXT;
CREATE UNIQUE INDEX runs_one_waiting ON runs (repository, environment) WHERE state = 'waiting';
