-- What the writer wrote last, one row for each key: its lock orders the writes of a key, whoever makes them.
CREATE TABLE written (
  key text PRIMARY KEY,
  seq bigint NOT NULL
);

-- What the worker did. Without a unique key on the event: a second effect must be seen, not refused.
CREATE TABLE effects (
  position bigserial PRIMARY KEY,
  event_id uuid   NOT NULL,
  run      bigint NOT NULL,
  key      text   NOT NULL,
  seq      bigint NOT NULL,
  worker   text   NOT NULL,
  answer   text   NOT NULL
);
