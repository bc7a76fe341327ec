-- What was changed in what the AI wrote to make JSON of it, such as ["quotes"]; NULL where it was JSON.
ALTER TABLE extractions ADD COLUMN repairs jsonb;
