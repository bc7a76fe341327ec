-- Every change of a patient or an appointment is published by itself, in the transaction of whoever makes it: this
-- service, another application, or a person with psql. Who caused it is told by
-- set_config('switchboard.correlation_id' | 'switchboard.causation_id' | 'switchboard.actor', ..., true); the trace that it
-- belongs to by 'switchboard.traceparent'.

-- Writes an event into the outbox. The path is fixed because the writer's own may be any; the owner's rights are used
-- because a writer needs none on the outbox.
CREATE FUNCTION publish_event(topic text, event_type text, key text, data jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  id          text := uuid_v7()::text;
  happened_at text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"');
  correlation text := nullif(current_setting('switchboard.correlation_id', true), '');
  causation   text := nullif(current_setting('switchboard.causation_id', true), '');
  source      text := 'healthcore-publisher';
BEGIN
  INSERT INTO outbox (topic, key, headers, payload) VALUES (
    topic,
    key,
    json_strip_nulls(json_build_object(
      'ce_specversion', '1.0', 'ce_id', id, 'ce_type', event_type, 'ce_source', source, 'ce_time', happened_at,
      'ce_subject', key, 'ce_dataschema', topic || '-' || event_type || ':v1', 'content-type', 'application/json',
      'correlation_id', correlation, 'causation_id', causation,
      'traceparent', nullif(current_setting('switchboard.traceparent', true), ''))),
    convert_to(json_build_object(
      'event_id', id, 'event_type', event_type, 'timestamp', happened_at, 'data', jsonb_strip_nulls(data),
      'metadata', json_strip_nulls(json_build_object(
        'source', source, 'version', '1.0', 'correlation_id', correlation, 'causation_id', causation)))::text, 'UTF8'));
END
$$;

CREATE FUNCTION patient_data(p patients) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_object('patient_id', p.id, 'name', p.name, 'email', p.email, 'phone', p.phone,
                            'date_of_birth', p.date_of_birth)
$$;

-- AFTER and FOR EACH ROW: the row's lock is held while the event's place in the order is drawn.
CREATE FUNCTION publish_patient() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  changed jsonb;
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM publish_event('healthcore.patient.created', 'patient.created', NEW.id::text, patient_data(NEW));
  ELSIF TG_OP = 'UPDATE' THEN
    SELECT jsonb_agg(n.key ORDER BY n.key) INTO changed
    FROM jsonb_each(to_jsonb(NEW)) n JOIN jsonb_each(to_jsonb(OLD)) o USING (key)
    WHERE n.value <> o.value AND n.key NOT IN ('updated_at', 'created_at');
    IF changed IS NOT NULL THEN
      PERFORM publish_event('healthcore.patient.updated', 'patient.updated', NEW.id::text,
                            patient_data(NEW) || jsonb_build_object('changed', changed));
    END IF;
  ELSE
    PERFORM publish_event('healthcore.patient.deleted', 'patient.deleted', OLD.id::text,
                          jsonb_build_object('patient_id', OLD.id));
  END IF;
  RETURN NULL;
END
$$;

CREATE FUNCTION announce_appointment(a appointments, happened text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
BEGIN
  PERFORM publish_event(
    'healthcore.appointment.' || happened, 'appointment.' || happened,
    coalesce(a.patient_id::text, 'appointment-' || a.id),
    jsonb_build_object(
      'appointment_id', a.id, 'patient_id', a.patient_id, 'patient_name', a.patient_name, 'dentist', a.dentist,
      'date', a.date, 'time', to_char(a.time, 'HH24:MI'),
      'starts_at', to_char(a.starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
      'status', happened, 'reason', a.reason));
END
$$;

-- What needs review is nobody's appointment yet and is not announced. A booked one that is moved is announced again.
CREATE FUNCTION publish_appointment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.status = 'booked' THEN
      OLD.reason := coalesce(OLD.reason, 'deleted');
      PERFORM announce_appointment(OLD, 'cancelled');
    END IF;
  ELSIF TG_OP = 'UPDATE' AND OLD.status = 'booked' AND NEW.status = 'needs_review' THEN
    PERFORM announce_appointment(NEW, 'cancelled');
  ELSIF NEW.status <> 'needs_review' AND (
      TG_OP = 'INSERT'
      OR NEW.status <> OLD.status
      OR (NEW.status = 'booked' AND (NEW.dentist, NEW.starts_at, NEW.patient_name, NEW.patient_id)
                                    IS DISTINCT FROM (OLD.dentist, OLD.starts_at, OLD.patient_name, OLD.patient_id))) THEN
    PERFORM announce_appointment(NEW, NEW.status);
  END IF;
  RETURN NULL;
END
$$;

CREATE TRIGGER publish AFTER INSERT OR UPDATE OR DELETE ON patients
  FOR EACH ROW EXECUTE FUNCTION publish_patient();
CREATE TRIGGER publish AFTER INSERT OR UPDATE OR DELETE ON appointments
  FOR EACH ROW EXECUTE FUNCTION publish_appointment();

-- TRUNCATE fires no row trigger: what it removed would never be told.
CREATE FUNCTION refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'TRUNCATE on % would not be published', TG_TABLE_NAME USING HINT = 'Use DELETE.';
END
$$;
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON patients EXECUTE FUNCTION refuse_truncate();
CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON appointments EXECUTE FUNCTION refuse_truncate();

-- They run with the owner's rights, and a function is everybody's to call unless that is taken back.
REVOKE EXECUTE ON FUNCTION publish_event(text, text, text, jsonb), announce_appointment(appointments, text),
                           publish_patient(), publish_appointment() FROM PUBLIC;
