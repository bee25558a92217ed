-- What was last found out about what somebody changed by hand in an environment.
CREATE TABLE drift (
    repository TEXT NOT NULL,
    environment TEXT NOT NULL,
    -- What it was compared with.
    commit_id TEXT NOT NULL,
    -- When the last look began, and which one of several servers has it.
    begun BIGINT NOT NULL,
    -- What came of the last look that ended, NULL before the first one.
    looked BIGINT,
    state TEXT,
    -- What `pipeline drift --output json` says, or why it says nothing.
    report TEXT,
    failure TEXT,
    PRIMARY KEY (repository, environment)
);
