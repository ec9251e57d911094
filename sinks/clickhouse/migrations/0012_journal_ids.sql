-- Which journal the progress is of: one that is recreated, and grows to the same length, would be taken for it.
ALTER TABLE progress ADD COLUMN IF NOT EXISTS journal String COMMENT 'The id that Kafka gave the journal\'s topic.';
