-- What carries a run out, if that is a task of ECS.
-- Whoever asks for a task shows this token: asked twice, it is the same task.
ALTER TABLE runs ADD COLUMN task_token TEXT;
-- The task's ARN, once it is known.
ALTER TABLE runs ADD COLUMN task TEXT;
-- The number of the last event from before the task.
ALTER TABLE runs ADD COLUMN task_after BIGINT;
