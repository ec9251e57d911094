-- Who has a contact in hand: what slots in use are counted by.
ALTER TABLE contacts_rows
    ADD COLUMN IF NOT EXISTS handling_agents Array(LowCardinality(String)) COMMENT 'Agents with an open handle segment.';
