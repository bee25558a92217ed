-- Of a run that waits for approval: the plan of which it was settled who is told.
ALTER TABLE runs ADD COLUMN plan_noticed TEXT;
