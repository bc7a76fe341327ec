-- What has been answered to which Idempotency-Key, so that a caller may safely ask again.
-- A row without status is a request under way; it belongs to `claim` until `claimed_until`.
-- Answers may hold personal data and are therefore removed after a day.
CREATE TABLE idempotency_keys (
    caller        text        NOT NULL,
    key           text        NOT NULL,
    request_hash  bytea       NOT NULL,
    claim         uuid        NOT NULL,
    claimed_until timestamptz NOT NULL,
    carried_out   boolean     NOT NULL DEFAULT false,
    status        smallint,
    content_type  text,
    location      text,
    body          bytea,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, key)
);

-- For the removal of old rows.
CREATE INDEX idempotency_keys_created_at ON idempotency_keys (created_at);
