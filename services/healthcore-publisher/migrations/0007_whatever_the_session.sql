-- What is written is read, told and kept by the same rules whatever the writer's session says; a booking that its call gives to
-- the right patient stays that call's; numbers are read again by another country's rules piece by piece.

-- As before, but for a booking that the call which announced it gives to another: it stays what that call announced.
CREATE OR REPLACE FUNCTION keep_appointment() RETURNS trigger
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
    IF is_of_another(OLD, NEW) AND current_setting('switchboard.same_booking', true) IS DISTINCT FROM 'on' THEN
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

-- As before, but for the order of what is told when an appointment gets another patient.
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
      IF NEW.cause = OLD.cause THEN
        -- Both are news of one booking. They come by two topics, and the later stands: a millisecond tells which that is.
        PERFORM pg_sleep(0.002);
      END IF;
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

-- After which patient the numbers are still to be read by this country's rules; NULL when all are.
ALTER TABLE phone_reading ADD again_after bigint;

-- What a backslash in a text means is a setting of the session, and the texts of a function are read when it runs: a writer
-- with standard_conforming_strings = off would make other patterns of them. SQL functions have it from those that call them, and
-- are not made slow; those with settings of their own are slow anyway.
DO $do$
DECLARE
  f regprocedure;
BEGIN
  FOR f IN SELECT p.oid FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
           WHERE p.pronamespace = 'healthcore'::regnamespace AND p.prokind = 'f'
             AND (l.lanname = 'plpgsql' OR l.lanname = 'sql' AND p.proconfig IS NOT NULL) LOOP
    EXECUTE format('ALTER FUNCTION %s SET standard_conforming_strings = on', f);
  END LOOP;
END
$do$;
