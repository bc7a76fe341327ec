-- Calls and what the voice AI said in them. The AI's text is not kept: only what was found in it.

CREATE TABLE calls (
  call_id        text        PRIMARY KEY,
  -- Where the scanner stands; spans count over all that was said in the call.
  scanner        jsonb,
  -- More of a text is to come.
  unfinished     boolean     NOT NULL DEFAULT false,
  first_heard_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_heard_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE extractions (
  -- Derived from call, kind and normalised data: what is said twice is one extraction.
  id             uuid        PRIMARY KEY,
  position       bigserial   NOT NULL,
  call_id        text        NOT NULL REFERENCES calls,
  kind           text        NOT NULL CHECK (kind IN ('PATIENT_CREATION', 'BOOKING_CONFIRMATION')),
  -- Where in the text it stood, in bytes; NULL for what came as data.
  span           int8range,
  -- The normal form of what was accepted.
  data           jsonb,
  -- What was rejected: as it was said, and why.
  raw            text,
  problems       jsonb,
  event_id       uuid        NOT NULL,
  -- The writing transaction: once the relay's cursor sees it, the event is in Kafka.
  xid            xid8        NOT NULL DEFAULT pg_current_xact_id(),
  -- What became of it, by the events of the record system.
  patient_id     bigint,
  appointment_id bigint,
  applied_at     timestamptz,
  created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((data IS NULL) = (problems IS NOT NULL)),
  CHECK ((raw IS NULL) = (problems IS NULL))
);
CREATE INDEX extractions_call ON extractions (call_id, position);
CREATE INDEX extractions_event ON extractions (event_id);
