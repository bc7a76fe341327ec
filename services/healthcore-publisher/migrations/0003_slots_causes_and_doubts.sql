-- One slot is given once whatever the dentist is called; each appointment knows what announced it; whatever changes a field
-- that an event carries is told, and by whom.

-- ---------------------------------------------------------------------------------------------------------------------
-- Names

-- The normal form of a person's name. Two spellings of one name have the same: letters without marks and case, no dots and
-- apostrophes, "Doe, John" as "John Doe", no titles and degrees.
CREATE FUNCTION name_key(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  plain text := lower(normalize(said, NFKD));
  bare  text;
BEGIN
  -- Marks, and what is seen by nobody.
  plain := regexp_replace(plain, '[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]', '', 'g');
  -- Letters that Unicode does not take apart.
  plain := replace(replace(replace(plain, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
  plain := translate(plain, 'øłđðıħŧ', 'olddiht');
  plain := regexp_replace(plain, '[''`´ʼ‘’]', '', 'g');
  plain := regexp_replace(plain, '^([^,]*),(.*)$', '\2 \1');
  plain := btrim(regexp_replace(plain, '[[:space:][:cntrl:]!-/:-@\[-`{-~‐-―·•„“”«»…]+', ' ', 'g'));
  -- Initials in a row are one word: "J. R." as "JR", "D.D.S." as "DDS".
  plain := regexp_replace(plain, '(?<![^ ])([a-z]) (?=[a-z](?![^ ]))', '\1', 'g');
  bare := regexp_replace(plain, '(?<![^ ])(ph d|med dent|med(?= [^ ]))(?![^ ])', '', 'g');
  bare := regexp_replace(
    bare,
    '(?<![^ ])(dr|drs|doctor|doktor|prof|professor|mr|mrs|ms|miss|mx|mister|herr|frau|sir|dds|dmd|bds|md|phd|msc)(?![^ ])',
    '', 'g');
  bare := btrim(regexp_replace(bare, ' +', ' ', 'g'));
  -- Somebody of whom nothing but a title is said is called by it.
  RETURN coalesce(nullif(bare, ''), nullif(plain, ''), lower(said));
END
$$;

CREATE INDEX patients_name_key ON patients (name_key(name));
DROP INDEX patients_name;

-- A record that may be of the same person as an earlier one, which only a person can tell; NULL once that is settled.
ALTER TABLE patients
  ADD COLUMN possible_duplicate_of bigint REFERENCES patients ON DELETE SET NULL,
  -- Why: other_given_name, other_birth_date, name_in_part.
  ADD COLUMN doubt text;
CREATE INDEX patients_possible_duplicate ON patients (possible_duplicate_of) WHERE possible_duplicate_of IS NOT NULL;

-- ---------------------------------------------------------------------------------------------------------------------
-- Appointments

ALTER TABLE appointments
  -- The event that announced it and its journey: whatever becomes of it later is told as theirs.
  ADD COLUMN cause text,
  ADD COLUMN correlation text,
  -- When a caller confirmed it again.
  ADD COLUMN confirmed_at timestamptz;
-- Those that the voice AI announced before are known by their call.
UPDATE appointments SET correlation = call_id WHERE call_id IS NOT NULL;

-- What is wrong with a local time: it is skipped when clocks go forward, or comes twice when they go back. NULL if nothing is, or
-- if it is no time at all (infinity).
CREATE FUNCTION local_time_problem(local_time timestamp, zone text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
  -- The offsets a day before and a day after: a change of the clocks lies between them, or none does.
  SELECT CASE count(DISTINCT instant)
    WHEN 0 THEN CASE WHEN isfinite(local_time) THEN 'time_does_not_exist' END
    WHEN 1 THEN NULL
    ELSE 'time_exists_twice' END
  FROM (
    SELECT (local_time - (near.instant AT TIME ZONE zone - near.instant AT TIME ZONE 'UTC')) AT TIME ZONE 'UTC' AS instant
    FROM (VALUES ((local_time AT TIME ZONE zone) - interval '1 day'),
                 ((local_time AT TIME ZONE zone) + interval '1 day')) near (instant)
    WHERE isfinite(local_time)
  ) candidate
  WHERE instant AT TIME ZONE zone = local_time
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Before a row is written

-- Keeps `updated_at`: whoever writes, it is the moment of the last change.
CREATE FUNCTION keep_patient() RETURNS trigger
LANGUAGE plpgsql SET search_path = healthcore, pg_temp AS $$
BEGIN
  IF NEW.id <> OLD.id THEN
    RAISE EXCEPTION 'the id of a patient does not change: its events would be another patient''s'
      USING ERRCODE = 'check_violation', HINT = 'Insert another row.';
  END IF;
  IF NEW.possible_duplicate_of IS NULL THEN
    NEW.doubt := NULL;
  END IF;
  NEW.updated_at := CASE WHEN to_jsonb(NEW) - 'updated_at' = to_jsonb(OLD) - 'updated_at' THEN OLD.updated_at
                         ELSE clock_timestamp() END;
  RETURN NEW;
END
$$;

CREATE FUNCTION keep_appointment() RETURNS trigger
LANGUAGE plpgsql SET search_path = healthcore, pg_temp AS $$
DECLARE
  problem text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.cause := coalesce(NEW.cause, nullif(current_setting('switchboard.causation_id', true), ''));
    NEW.correlation := coalesce(NEW.correlation, nullif(current_setting('switchboard.correlation_id', true), ''));
  ELSE
    IF NEW.id <> OLD.id THEN
      RAISE EXCEPTION 'the id of an appointment does not change: its events would be another appointment''s'
        USING ERRCODE = 'check_violation', HINT = 'Insert another row.';
    END IF;
    -- Another person's appointment is not what that call announced.
    IF is_of_another(OLD, NEW) THEN
      NEW.cause := NULL;
      NEW.correlation := NULL;
      NEW.call_id := NULL;
    END IF;
    NEW.updated_at := CASE WHEN to_jsonb(NEW) - 'updated_at' - 'starts_at' = to_jsonb(OLD) - 'updated_at' - 'starts_at'
                           THEN OLD.updated_at ELSE clock_timestamp() END;
  END IF;
  IF NEW.status = 'booked' THEN
    problem := local_time_problem(NEW.date + NEW.time, NEW.time_zone);
    IF problem IS NOT NULL THEN
      RAISE EXCEPTION 'an appointment cannot be booked on % at %: in % that local time %',
          NEW.date, NEW.time, NEW.time_zone,
          CASE problem WHEN 'time_exists_twice' THEN 'comes twice' ELSE 'does not exist' END
        USING ERRCODE = 'check_violation', HINT = 'Book another time.';
    END IF;
  END IF;
  RETURN NEW;
END
$$;

-- Whether an appointment was given to another patient. A booking whose patient was not known belongs to whom it named.
CREATE FUNCTION is_of_another(before appointments, now appointments) RETURNS boolean
LANGUAGE sql STABLE SET search_path = healthcore, pg_temp AS $$
  SELECT CASE WHEN before.patient_id IS NULL
              THEN now.patient_id IS NULL AND name_key(now.patient_name) <> name_key(before.patient_name)
              ELSE now.patient_id IS DISTINCT FROM before.patient_id END
$$;

CREATE TRIGGER keep BEFORE UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION keep_patient();
CREATE TRIGGER keep BEFORE INSERT OR UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION keep_appointment();

-- ---------------------------------------------------------------------------------------------------------------------
-- What is told

-- Who did it: whoever says so in words that no person's data are made of, else the role that the writer has taken.
CREATE FUNCTION actor() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT coalesce(substring(current_setting('switchboard.actor', true) FROM '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$'),
                  'role:' || coalesce(nullif(current_setting('role', true), 'none'), session_user::text))
$$;

DROP FUNCTION publish_event(text, text, text, jsonb);
CREATE FUNCTION publish_event(topic text, event_type text, key text, data jsonb, cause text, journey text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  id          text := uuid_v7()::text;
  happened_at text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
  correlation text := coalesce(journey, nullif(current_setting('switchboard.correlation_id', true), ''));
  causation   text := coalesce(cause, nullif(current_setting('switchboard.causation_id', true), ''));
  source      text := 'healthcore-publisher';
BEGIN
  INSERT INTO outbox (topic, key, headers, payload) VALUES (
    topic,
    key,
    json_strip_nulls(json_build_object(
      'ce_specversion', '1.0', 'ce_id', id, 'ce_type', event_type, 'ce_source', source, 'ce_time', happened_at,
      'ce_subject', key, 'ce_dataschema', topic || '-' || event_type || ':v1.1', 'content-type', 'application/json',
      'correlation_id', correlation, 'causation_id', causation,
      'traceparent', nullif(current_setting('switchboard.traceparent', true), ''))),
    convert_to(json_build_object(
      'event_id', id, 'event_type', event_type, 'timestamp', happened_at, 'data', jsonb_strip_nulls(data),
      'metadata', json_strip_nulls(json_build_object(
        'source', source, 'version', '1.1', 'correlation_id', correlation, 'causation_id', causation,
        'actor', actor())))::text, 'UTF8'));
END
$$;

CREATE OR REPLACE FUNCTION publish_patient() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  changed jsonb;
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM publish_event('healthcore.patient.created', 'patient.created', NEW.id::text, patient_data(NEW), NULL, NULL);
  ELSIF TG_OP = 'UPDATE' THEN
    SELECT jsonb_agg(n.key ORDER BY n.key) INTO changed
    FROM jsonb_each(to_jsonb(NEW)) n JOIN jsonb_each(to_jsonb(OLD)) o USING (key)
    WHERE n.value <> o.value AND n.key NOT IN ('updated_at', 'created_at');
    IF changed IS NOT NULL THEN
      PERFORM publish_event('healthcore.patient.updated', 'patient.updated', NEW.id::text,
                            patient_data(NEW) || jsonb_build_object('changed', changed), NULL, NULL);
    END IF;
  ELSE
    PERFORM publish_event('healthcore.patient.deleted', 'patient.deleted', OLD.id::text,
                          jsonb_build_object('patient_id', OLD.id), NULL, NULL);
  END IF;
  RETURN NULL;
END
$$;

-- `cause` where it is not what announced the appointment.
DROP FUNCTION announce_appointment(appointments, text);
CREATE FUNCTION announce_appointment(a appointments, happened text, cause text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
BEGIN
  PERFORM publish_event(
    'healthcore.appointment.' || happened, 'appointment.' || happened,
    coalesce(a.patient_id::text, 'appointment-' || a.id),
    jsonb_build_object(
      'appointment_id', a.id, 'patient_id', a.patient_id, 'patient_name', a.patient_name, 'dentist', a.dentist,
      'date', a.date, 'time', to_char(a.time, 'HH24:MI'),
      'starts_at', to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'status', happened, 'reason', a.reason),
    coalesce(cause, a.cause), a.correlation);
END
$$;

-- Each event says the status that the appointment has now; it comes again when a field that it carries changes.
CREATE OR REPLACE FUNCTION publish_appointment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  happened text := CASE NEW.status WHEN 'needs_review' THEN 'held' ELSE NEW.status END;
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status IN ('booked', 'needs_review') THEN
      OLD.reason := 'deleted';
      PERFORM announce_appointment(OLD, 'cancelled');
    END IF;
  ELSIF TG_OP = 'INSERT' THEN
    PERFORM announce_appointment(NEW, happened);
  ELSIF is_of_another(OLD, NEW) THEN
    IF OLD.status IN ('booked', 'needs_review') THEN
      OLD.reason := 'other_patient';
      PERFORM announce_appointment(OLD, 'cancelled');
    END IF;
    PERFORM announce_appointment(NEW, happened);
  ELSIF (NEW.status, NEW.reason, NEW.dentist, NEW.date, NEW.time, NEW.starts_at, NEW.patient_name, NEW.patient_id)
      IS DISTINCT FROM
      (OLD.status, OLD.reason, OLD.dentist, OLD.date, OLD.time, OLD.starts_at, OLD.patient_name, OLD.patient_id) THEN
    IF OLD.status = 'booked' AND NEW.status = 'needs_review' THEN
      PERFORM announce_appointment(NEW, 'cancelled');
    END IF;
    PERFORM announce_appointment(NEW, happened);
  ELSIF NEW.confirmed_at IS DISTINCT FROM OLD.confirmed_at THEN
    PERFORM announce_appointment(NEW, happened, nullif(current_setting('switchboard.causation_id', true), ''));
  END IF;
  RETURN NULL;
END
$$;

REVOKE EXECUTE ON FUNCTION publish_event(text, text, text, jsonb, text, text),
                           announce_appointment(appointments, text, text) FROM PUBLIC;

-- What replication applies is a change as any other.
ALTER TABLE patients ENABLE ALWAYS TRIGGER keep;
ALTER TABLE patients ENABLE ALWAYS TRIGGER publish;
ALTER TABLE patients ENABLE ALWAYS TRIGGER refuse_truncate;
ALTER TABLE appointments ENABLE ALWAYS TRIGGER keep;
ALTER TABLE appointments ENABLE ALWAYS TRIGGER publish;
ALTER TABLE appointments ENABLE ALWAYS TRIGGER refuse_truncate;

-- What was booked until now and cannot stay so: a time that is none or two, and the later ones of a slot that was given more
-- than once to spellings of one dentist. A person has to call these patients; it is told as for any other change.
UPDATE appointments SET status = 'needs_review', reason = local_time_problem(date + time, time_zone)
WHERE status = 'booked' AND local_time_problem(date + time, time_zone) IS NOT NULL;
UPDATE appointments SET status = 'needs_review', reason = 'slot_taken'
WHERE id IN (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY name_key(dentist), date, time ORDER BY id) AS turn
    FROM appointments WHERE status = 'booked'
  ) booked WHERE turn > 1
);
DROP INDEX appointments_slot;
CREATE UNIQUE INDEX appointments_slot ON appointments (name_key(dentist), date, time) WHERE status = 'booked';
