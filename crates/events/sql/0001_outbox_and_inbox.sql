-- The outbox and the inbox of one service, in that service's own schema (the first of the search path).

-- PostgreSQL 15 has no uuidv7(); triggers that publish need one.
CREATE FUNCTION uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send((date_part('epoch', clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- What a transaction publishes. `id` is the true order within a key, because it is drawn while the lock of the row that
-- the event tells of is held; so the sequence has no cache. `xid` says when a row became visible.
-- Rows are never updated or deleted one by one: a slot takes the rows of twelve hours and is truncated as a whole before
-- its turn comes again, two days later.
CREATE TABLE outbox (
  id         bigserial   NOT NULL,
  slot       smallint    NOT NULL DEFAULT (floor(date_part('epoch', clock_timestamp()) / 43200)::bigint % 4),
  xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
  topic      text        NOT NULL,
  key        text        NOT NULL,
  headers    json        NOT NULL,
  payload    bytea       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY LIST (slot);
CREATE TABLE outbox_0 PARTITION OF outbox FOR VALUES IN (0);
CREATE TABLE outbox_1 PARTITION OF outbox FOR VALUES IN (1);
CREATE TABLE outbox_2 PARTITION OF outbox FOR VALUES IN (2);
CREATE TABLE outbox_3 PARTITION OF outbox FOR VALUES IN (3);
CREATE INDEX outbox_xid ON outbox (xid);
-- Ids grow, so this one is only ever appended to. It reads a backlog in its order.
CREATE INDEX outbox_id ON outbox (id);

-- How far the relay's acknowledged publishing has come: everything visible in `snapshot` is in Kafka. While a step is
-- under way, `step` is the snapshot that it leads to and of its rows those up to `step_id` are in Kafka too.
-- A snapshot means something within one cluster only, which `system_identifier` names.
CREATE TABLE outbox_cursor (
  one               boolean     PRIMARY KEY DEFAULT true CHECK (one),
  snapshot          pg_snapshot NOT NULL,
  step              pg_snapshot,
  step_id           bigint,
  system_identifier bigint      NOT NULL,
  saved_at          timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK ((step IS NULL) = (step_id IS NULL))
);
INSERT INTO outbox_cursor (snapshot, system_identifier)
SELECT '1:1:', system_identifier FROM pg_control_system();

-- Records that Kafka refused for good, and those of the same key that wait behind them.
CREATE TABLE outbox_held (
  id         bigint      PRIMARY KEY,
  topic      text        NOT NULL,
  key        text        NOT NULL,
  headers    json        NOT NULL,
  payload    bytea       NOT NULL,
  created_at timestamptz NOT NULL,
  reason     text        NOT NULL,
  held_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Which consumer has handled which event, claimed in the transaction of the effect. One plain table: partitioned by day
-- the day would have to be part of the key, and a copy that arrives on another day would be handled twice.
CREATE TABLE inbox (
  consumer   text        NOT NULL,
  event_id   uuid        NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, event_id)
);
-- Finds what is past the retention; rows come in the order of time, so block ranges suffice.
CREATE INDEX inbox_handled_at ON inbox USING brin (handled_at);

-- Records whose dead letters are without their bytes, since the dead letters' topic does not take them. `dlq_id` is the
-- letter's `dlq.id`, `recorded_at` the record's own time: at one place of a topic that was made anew stands another record.
CREATE TABLE dead_letter_bytes (
  dlq_id        text        NOT NULL,
  recorded_at   timestamptz NOT NULL,
  key           bytea,
  value         bytea,
  header_names  bytea[]     NOT NULL,
  header_values bytea[]     NOT NULL,
  kept_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (dlq_id, recorded_at)
);

-- Records of the dead letters' topic itself that their reader could not handle: written back they would come again for ever.
CREATE TABLE dead_letters_parked (
  consumer      text        NOT NULL,
  handler       text        NOT NULL,
  topic         text        NOT NULL,
  partition     integer     NOT NULL,
  record_offset bigint      NOT NULL,
  recorded_at   timestamptz NOT NULL,
  key           bytea,
  value         bytea,
  header_names  bytea[]     NOT NULL,
  header_values bytea[]     NOT NULL,
  category      text        NOT NULL,
  code          text        NOT NULL,
  message       text        NOT NULL,
  parked_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (consumer, handler, topic, partition, record_offset, recorded_at)
);
