-- Where a contact came from: what links to its conversation are made by.
ALTER TABLE contacts_rows
    ADD COLUMN IF NOT EXISTS source LowCardinality(String) COMMENT 'The system that its first event names; empty where no version has told it yet.';
