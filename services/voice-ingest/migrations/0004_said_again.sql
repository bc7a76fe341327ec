-- The text that an extraction was found in, by its bytes, so that a text that comes again is known from one that says the same
-- anew; NULL for what came in pieces or as data.
ALTER TABLE extractions ADD COLUMN text_id uuid;
