-- When a repository's last run began: the queue takes turns by it.
CREATE INDEX runs_of_repository ON runs (repository, started);
