-- What each running clock of a contact is held against, told as instants: who counts them needs no policy, no calendar.
-- A row from before is held against nothing until its contact's next event.
ALTER TABLE contacts_rows
    ADD COLUMN IF NOT EXISTS inbound Bool DEFAULT true COMMENT 'It came from the customer.',
    ADD COLUMN IF NOT EXISTS first_response_policy LowCardinality(String) COMMENT 'Held against now; empty: by none.',
    ADD COLUMN IF NOT EXISTS first_response_warns_at Nullable(DateTime64(3, 'UTC')) COMMENT 'At risk from then on.',
    ADD COLUMN IF NOT EXISTS first_response_breached_at Nullable(DateTime64(3, 'UTC')) COMMENT 'Beyond the target from then on.',
    ADD COLUMN IF NOT EXISTS next_response_policy LowCardinality(String),
    ADD COLUMN IF NOT EXISTS next_response_warns_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS next_response_breached_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS resolution_policy LowCardinality(String),
    ADD COLUMN IF NOT EXISTS resolution_warns_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS resolution_breached_at Nullable(DateTime64(3, 'UTC')),
    ADD COLUMN IF NOT EXISTS leaves_at DateTime64(3, 'UTC') DEFAULT addDays(last_at, 30) COMMENT 'Stale from then on.';
