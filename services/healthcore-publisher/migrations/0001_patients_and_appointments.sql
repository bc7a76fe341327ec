-- The record of patients and appointments.

CREATE TABLE patients (
  id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name            text        NOT NULL CHECK (name <> ''),
  email           text,
  phone           text,
  phone_e164      text,
  date_of_birth   date,
  -- When the voice AI last heard of this patient. A returning caller changes nothing else, and is a fact all the same.
  last_contact_at timestamptz,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A returning patient is found by address or number.
CREATE INDEX patients_email ON patients (lower(email));
CREATE INDEX patients_phone ON patients (phone);
CREATE INDEX patients_phone_e164 ON patients (phone_e164);
CREATE INDEX patients_name ON patients (lower(name));

-- Which calls spoke of which patients.
CREATE TABLE patient_calls (
  call_id    text   NOT NULL,
  patient_id bigint NOT NULL REFERENCES patients ON DELETE CASCADE,
  PRIMARY KEY (call_id, patient_id)
);
CREATE INDEX patient_calls_patient ON patient_calls (patient_id);

CREATE TABLE appointments (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- A patient with appointments is not removed unnoticed.
  patient_id   bigint      REFERENCES patients ON DELETE RESTRICT,
  patient_name text        NOT NULL,
  dentist      text        NOT NULL,
  date         date        NOT NULL,
  time         time        NOT NULL,
  time_zone    text        NOT NULL DEFAULT 'UTC',
  starts_at    timestamptz NOT NULL GENERATED ALWAYS AS ((date + time) AT TIME ZONE time_zone) STORED,
  service      text,
  notes        text,
  status       text        NOT NULL DEFAULT 'booked'
               CHECK (status IN ('booked', 'needs_review', 'cancelled', 'completed')),
  -- Why it needs review, or was cancelled.
  reason       text,
  call_id      text,
  created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  updated_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
-- A slot is given once.
CREATE UNIQUE INDEX appointments_slot ON appointments (lower(dentist), date, time) WHERE status = 'booked';
CREATE INDEX appointments_patient ON appointments (patient_id);
CREATE INDEX appointments_call ON appointments (call_id);
CREATE INDEX appointments_status ON appointments (status, id);
