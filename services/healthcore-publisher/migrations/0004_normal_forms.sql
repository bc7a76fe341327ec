-- Names, numbers, days and times have one form, whoever writes them: this service, another application, or a person with
-- psql. What has a form is brought to it when it is written; what has none, or is a placeholder for what nobody said, is
-- refused where a row needs it and dropped where it does not. The rules are those of crates/forms; a test holds the two
-- beside each other.
--
-- Triggers and no CHECK: a CHECK tells the whole row in its error, which is a person's, cannot bring anything to a form, and
-- would refuse every change of a row that was there before. Here only the columns that a statement changes are looked at, so
-- that an old row can be corrected field by field. No trigger names columns: a type could not be altered any more.

CREATE FUNCTION refuse(problem text, remedy text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', problem USING ERRCODE = 'check_violation', HINT = remedy;
END
$$;

-- Without what is invisible and without white space at the ends; control characters are still in it.
CREATE FUNCTION visible(said text, shapes boolean) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT btrim(
    regexp_replace(
      CASE WHEN shapes THEN said ELSE regexp_replace(said, '[\u200c\u200d\ufe00-\ufe0f]', '', 'g') END,
      '[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164'
      '\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]', '', 'g'),
    E'\t\n\u000b\u000c\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029'
    '\u202f\u205f\u3000')
$$;

-- NFKC, on one line with single spaces.
CREATE FUNCTION form_line(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  seen text := visible(said, false);
BEGIN
  IF seen ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]' THEN
    PERFORM refuse(field || ' contains control characters', 'Remove them.');
  END IF;
  RETURN btrim(regexp_replace(normalize(seen, NFKC), '[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+', ' ', 'g'));
END
$$;

-- In small letters, letters and digits alone. The collation decides what a letter is, whatever the database's is.
CREATE FUNCTION squeezed(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT lower(regexp_replace(said COLLATE "und-x-icu", '[^[:alnum:]]', '', 'g') COLLATE "und-x-icu")
$$;

-- Whether a word or more stand for nothing; kind: name, words, value.
CREATE FUNCTION is_nothing(said text, kind text, titled boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    WHEN kind = 'name' AND said IN ('Na', 'Nan', 'Nil') THEN false
    WHEN kind = 'name' AND titled AND said IN (
         'Na', 'Nan', 'Nil', 'Null', 'None', 'Unbekannt', 'Blank', 'Missing', 'Last', 'First') THEN false
    ELSE squeezed(said) ~ '^x{2,20}$'
      OR squeezed(said) IN (
         'unknown', 'none', 'null', 'nil', 'nan', 'na', 'undefined', 'unspecified', 'undisclosed', 'withheld',
         'missing', 'empty', 'blank', 'notprovided', 'notgiven', 'notsaid', 'notstated', 'notspecified',
         'notavailable', 'notapplicable', 'notmentioned', 'notknown', 'notdisclosed', 'notset', 'nonegiven',
         'noneprovided', 'nodata', 'tbd', 'tba', 'tbc', 'tobedetermined', 'tobeannounced', 'tobeconfirmed',
         'placeholder', 'string', 'unbekannt', 'keineangabe', 'keineangaben', 'nichtangegeben', 'nichtbekannt',
         'nichtgenannt', 'nichtverfügbar', 'nichtvorhanden', 'ohneangabe', 'platzhalter', 'fehlt', 'entfällt', 'nv',
         'inconnu', 'nonrenseigné', 'desconocido', 'sconosciuto')
      OR kind = 'name' AND squeezed(said) IN (
         'name', 'fullname', 'yourname', 'yourfullname', 'myname', 'thename', 'patientname', 'nameofpatient',
         'nameofthepatient', 'callername', 'customername', 'dentistname', 'doctorname', 'firstname', 'lastname',
         'surname', 'givenname', 'familyname', 'first', 'last', 'noname', 'nonamegiven', 'unnamed', 'anonymous',
         'anonym', 'nobody', 'patient', 'thepatient', 'newpatient', 'caller', 'thecaller', 'dentist', 'thedentist',
         'anydentist', 'ihrname', 'vorname', 'nachname', 'vollständigername', 'namedespatienten', 'patientenname',
         'neuerpatient')
      OR kind = 'value' AND squeezed(said) IN (
         'no', 'noemail', 'nomail', 'noemailaddress', 'nophone', 'nonumber', 'nophonenumber', 'nodate', 'notime',
         'email', 'mail', 'emailaddress', 'youremail', 'youremailaddress', 'phone', 'phonenumber', 'yourphone',
         'yourphonenumber', 'telephone', 'mobile', 'number', 'date', 'time', 'dateofbirth', 'birthdate', 'birthday',
         'dob', 'hhmm', 'hhmmss', 'mmddyyyy', 'ddmmyyyy', 'yyyymmdd', 'ttmmjjjj', 'kein', 'keine', 'keinen',
         'keinetelefonnummer', 'keinemail', 'keineemail', 'keinemailadresse', 'geburtsdatum', 'telefonnummer',
         'telefon')
  END
$$;

-- Whether a line says nothing: crates/forms/src/placeholder.rs.
CREATE FUNCTION says_nothing(said text, kind text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  named  text := said;
  titled boolean;
BEGIN
  IF squeezed(said) = '' OR said ~ '\{\{|\$\{|%\(' OR lower(replace(said, ' ', '')) ~ '^(k|o)[./]a\.?$' THEN
    RETURN true;
  END IF;
  IF kind = 'name' THEN
    WHILE named <> '' AND squeezed(split_part(named, ' ', 1)) IN (
          'dr', 'prof', 'doctor', 'doktor', 'mr', 'mrs', 'ms', 'miss', 'herr', 'frau') LOOP
      named := ltrim(substr(named, length(split_part(named, ' ', 1)) + 1));
    END LOOP;
  END IF;
  titled := named <> said;
  IF kind <> 'words' AND named !~ '@' AND named !~ '[[:digit:]]' AND named ~ '^[<\[{].*[>\]}]$'
     AND named ~ '^([<\[{]+[^][<>{}]*[]>}]+ *)+$' THEN
    RETURN true;
  END IF;
  IF is_nothing(named, kind, titled) OR titled AND squeezed(named) = '' THEN
    RETURN true;
  END IF;
  IF kind = 'name' THEN
    RETURN NOT EXISTS (SELECT FROM regexp_split_to_table(named, ' ') word WHERE NOT is_nothing(word, kind, titled));
  END IF;
  RETURN kind = 'value' AND said !~ ':' AND length(regexp_replace(said, '[^0-9]', '', 'g')) >= 6
         AND squeezed(said) ~ '^0+$';
END
$$;

CREATE FUNCTION form_name(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  name text := form_line(said, field);
BEGIN
  IF name = '' OR says_nothing(name, 'name') THEN
    PERFORM refuse(field || ' was not said: what is there stands for nothing', 'Write the name, or no row.');
  ELSIF name COLLATE "und-x-icu" !~ '[[:alpha:]]' THEN
    PERFORM refuse(field || ' contains no letter', 'Write the name.');
  ELSIF length(name) > 200 THEN
    PERFORM refuse(field || ' is longer than 200 characters', 'Shorten it.');
  END IF;
  RETURN name;
END
$$;

-- A service: as a name, and it may be missing.
CREATE FUNCTION form_service(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  name text := form_line(said, field);
BEGIN
  IF name = '' OR says_nothing(name, 'words') THEN
    RETURN NULL;
  ELSIF name COLLATE "und-x-icu" !~ '[[:alpha:]]' THEN
    PERFORM refuse(field || ' contains no letter', 'Write the name, or NULL.');
  ELSIF length(name) > 200 THEN
    PERFORM refuse(field || ' is longer than 200 characters', 'Shorten it.');
  END IF;
  RETURN name;
END
$$;

-- NFC, with its lines.
CREATE FUNCTION form_notes(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  notes text := normalize(visible(replace(said, E'\r\n', E'\n'), true), NFC);
BEGIN
  IF notes ~ '[\u0001-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]' THEN
    PERFORM refuse(field || ' contains control characters', 'Remove them.');
  ELSIF length(notes) > 2000 THEN
    PERFORM refuse(field || ' is longer than 2000 characters', 'Shorten it.');
  END IF;
  IF notes = '' OR notes !~ '[\n\t]' AND says_nothing(form_line(notes, field), 'words') THEN
    RETURN NULL;
  END IF;
  RETURN notes;
END
$$;

CREATE FUNCTION form_email(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  address text := form_line(said, 'email');
  local   text := split_part(address, '@', 1);
  domain  text := lower(substr(address, strpos(address, '@') + 1) COLLATE "und-x-icu");
  host    text := split_part(domain, '.', 1);
BEGIN
  IF address = '' OR says_nothing(address, 'value') THEN
    RETURN NULL;
  END IF;
  IF octet_length(address) > 254 OR octet_length(local) > 64 OR strpos(address, '@') = 0
     OR local !~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*$'
     OR domain COLLATE "und-x-icu" !~ '^[[:alnum:]]([[:alnum:]-]*[[:alnum:]])?(\.[[:alnum:]]([[:alnum:]-]*[[:alnum:]])?)+$'
     OR domain COLLATE "und-x-icu" !~ '[[:alpha:]][^.]*$'
     OR EXISTS (SELECT FROM regexp_split_to_table(domain, '\.') label WHERE octet_length(label) > 63) THEN
    PERFORM refuse('email is no e-mail address', 'Write it as name@example.com, or NULL.');
  END IF;
  IF is_nothing(local, 'value', false) AND (host IN ('example', 'test') OR is_nothing(host, 'value', false)) THEN
    RETURN NULL;
  END IF;
  RETURN local || '@' || domain;
END
$$;

CREATE FUNCTION form_phone(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  number   text := form_line(said, 'phone');
  digits   text := regexp_replace(number, '[^0-9]', '', 'g');
  counted text := CASE WHEN length(digits) = 11 THEN regexp_replace(digits, '^1', '') ELSE digits END;
BEGIN
  IF number = '' OR says_nothing(number, 'value') THEN
    RETURN NULL;
  ELSIF length(digits) < 3 THEN
    PERFORM refuse('phone contains no phone number', 'Write its digits, or NULL.');
  ELSIF length(number) > 64 THEN
    PERFORM refuse('phone is longer than 64 characters', 'Write only the number, or NULL.');
  END IF;
  IF length(counted) >= 7 AND (counted ~ '^(.)\1*$' OR starts_with('1234567890', counted)
                                OR starts_with('0123456789', counted)) THEN
    RETURN NULL;
  END IF;
  RETURN number;
END
$$;

CREATE FUNCTION check_moment(given timestamptz, field text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF NOT (given >= '1900-01-01' AND given < '2200-01-01') THEN
    PERFORM refuse(field || ' is not in the years 1900 to 2199', 'Write when it happened, or NULL.');
  END IF;
END
$$;

-- From which text phone_e164 was read. Where it is another than phone, the number has still to be read: by the service's
-- worker, which knows the practice's country.
ALTER TABLE patients ADD phone_e164_of text;
CREATE TABLE phone_reading (
  -- There is one row.
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  -- By the rules of which country the numbers were read.
  region text
);
INSERT INTO phone_reading DEFAULT VALUES;
-- What this service wrote was read when it was said; its updated_at and its events are not touched.
ALTER TABLE patients DISABLE TRIGGER USER;
UPDATE patients SET phone_e164_of = phone WHERE phone_e164 IS NOT NULL;
ALTER TABLE patients ENABLE TRIGGER USER;
-- That made them all ordinary ones again.
ALTER TABLE patients ENABLE ALWAYS TRIGGER keep;
ALTER TABLE patients ENABLE ALWAYS TRIGGER publish;
ALTER TABLE patients ENABLE ALWAYS TRIGGER refuse_truncate;
-- The last digits are those of the E.164, too: what a caller's number may belong to is found among those not read yet.
CREATE INDEX patients_phone_unread ON patients (right(regexp_replace(phone, '[^0-9]', '', 'g'), 6), id)
  WHERE phone IS DISTINCT FROM phone_e164_of;

CREATE FUNCTION form_patient() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  new_row boolean := TG_OP = 'INSERT';
BEGIN
  IF new_row OR NEW.name IS DISTINCT FROM OLD.name THEN
    NEW.name := form_name(NEW.name, 'name');
  END IF;
  IF NEW.email IS NOT NULL AND (new_row OR NEW.email IS DISTINCT FROM OLD.email) THEN
    NEW.email := form_email(NEW.email);
    -- A placeholder is not said: it takes no address away.
    IF NEW.email IS NULL AND NOT new_row THEN
      NEW.email := OLD.email;
    END IF;
  END IF;
  IF NEW.date_of_birth IS NOT NULL AND (new_row OR NEW.date_of_birth IS DISTINCT FROM OLD.date_of_birth)
     -- Where it is tomorrow first, somebody may be born on that day.
     AND NOT (NEW.date_of_birth >= '1900-01-01'
              AND NEW.date_of_birth <= ((clock_timestamp() AT TIME ZONE 'UTC') + interval '14 hours')::date) THEN
    PERFORM refuse('date_of_birth is not between 1900 and today', 'Write the right date of birth, or NULL.');
  END IF;
  IF new_row OR NEW.last_contact_at IS DISTINCT FROM OLD.last_contact_at THEN
    PERFORM check_moment(NEW.last_contact_at, 'last_contact_at');
  END IF;
  IF new_row OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN
    PERFORM check_moment(NEW.created_at, 'created_at');
  END IF;
  IF new_row OR NEW.updated_at IS DISTINCT FROM OLD.updated_at THEN
    PERFORM check_moment(NEW.updated_at, 'updated_at');
  END IF;

  IF NEW.phone_e164 IS NOT NULL AND (new_row OR NEW.phone_e164 IS DISTINCT FROM OLD.phone_e164)
     AND NEW.phone_e164 !~ '^\+[1-9][0-9]{7,14}$' THEN
    PERFORM refuse('phone_e164 is no number in E.164', 'Write phone alone: phone_e164 is read from it.');
  END IF;
  IF NEW.phone IS NOT NULL AND (new_row OR NEW.phone IS DISTINCT FROM OLD.phone) THEN
    NEW.phone := form_phone(NEW.phone);
    -- Nor a number.
    IF NEW.phone IS NULL AND NOT new_row THEN
      NEW.phone := OLD.phone;
    END IF;
  ELSIF NEW.phone IS NULL AND NOT new_row AND OLD.phone IS NOT NULL THEN
    NEW.phone_e164 := NULL;
  END IF;
  IF NEW.phone IS NULL THEN
    NEW.phone := NEW.phone_e164;
  ELSIF NOT new_row AND NEW.phone_e164 IS NULL THEN
    -- A number that cannot be read takes away none that could.
    NEW.phone_e164 := OLD.phone_e164;
  END IF;
  IF new_row OR (NEW.phone, NEW.phone_e164) IS DISTINCT FROM (OLD.phone, OLD.phone_e164) THEN
    NEW.phone_e164_of := CASE WHEN current_setting('switchboard.numbers_read', true) = 'on' THEN NEW.phone END;
  END IF;
  RETURN NEW;
END
$$;

CREATE FUNCTION form_appointment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  new_row boolean := TG_OP = 'INSERT';
BEGIN
  IF new_row OR NEW.patient_name IS DISTINCT FROM OLD.patient_name THEN
    NEW.patient_name := form_name(NEW.patient_name, 'patient_name');
  END IF;
  IF new_row OR NEW.dentist IS DISTINCT FROM OLD.dentist THEN
    NEW.dentist := form_name(NEW.dentist, 'dentist');
  END IF;
  IF (new_row OR NEW.date IS DISTINCT FROM OLD.date) AND NOT (NEW.date >= '2000-01-01' AND NEW.date < '2100-01-01') THEN
    PERFORM refuse('date is not in the years 2000 to 2099', 'Write the right day.');
  END IF;
  IF new_row OR NEW.time IS DISTINCT FROM OLD.time THEN
    IF NEW.time = '24:00' THEN
      PERFORM refuse('time is 24:00, which no clock shows', 'Write 00:00 of the next day.');
    END IF;
    NEW.time := date_trunc('minute', NEW.time);
  END IF;
  IF NEW.service IS NOT NULL AND (new_row OR NEW.service IS DISTINCT FROM OLD.service) THEN
    NEW.service := form_service(NEW.service, 'service');
  END IF;
  IF NEW.notes IS NOT NULL AND (new_row OR NEW.notes IS DISTINCT FROM OLD.notes) THEN
    NEW.notes := form_notes(NEW.notes, 'notes');
  END IF;
  IF NEW.reason IS NOT NULL AND (new_row OR NEW.reason IS DISTINCT FROM OLD.reason) THEN
    NEW.reason := form_notes(NEW.reason, 'reason');
  END IF;
  IF new_row OR NEW.created_at IS DISTINCT FROM OLD.created_at THEN
    PERFORM check_moment(NEW.created_at, 'created_at');
  END IF;
  IF new_row OR NEW.updated_at IS DISTINCT FROM OLD.updated_at THEN
    PERFORM check_moment(NEW.updated_at, 'updated_at');
  END IF;
  RETURN NEW;
END
$$;

CREATE TRIGGER form BEFORE INSERT OR UPDATE ON patients FOR EACH ROW EXECUTE FUNCTION form_patient();
CREATE TRIGGER form BEFORE INSERT OR UPDATE ON appointments FOR EACH ROW EXECUTE FUNCTION form_appointment();

-- A row may be there nevertheless: from before, or written where triggers do not fire. It makes no list unreadable: what
-- nobody can read is NULL, and named.
CREATE FUNCTION readable(given date) RETURNS date LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN given >= '0001-01-01' AND given <= '9999-12-31' THEN given END
$$;
CREATE FUNCTION readable(given time) RETURNS time LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN given < '24:00' THEN given END
$$;
CREATE FUNCTION readable(given timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN given >= '0001-01-02' AND given < '9999-12-31' THEN given END
$$;
CREATE FUNCTION unreadable(p patients) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_remove(ARRAY[
    CASE WHEN p.date_of_birth IS NOT NULL AND healthcore.readable(p.date_of_birth) IS NULL THEN 'date_of_birth' END,
    CASE WHEN p.last_contact_at IS NOT NULL AND healthcore.readable(p.last_contact_at) IS NULL THEN 'last_contact_at' END,
    CASE WHEN healthcore.readable(p.created_at) IS NULL THEN 'created_at' END,
    CASE WHEN healthcore.readable(p.updated_at) IS NULL THEN 'updated_at' END], NULL)
$$;
CREATE FUNCTION unreadable(a appointments) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_remove(ARRAY[
    CASE WHEN healthcore.readable(a.date) IS NULL THEN 'date' END,
    CASE WHEN healthcore.readable(a.time) IS NULL THEN 'time' END,
    CASE WHEN healthcore.readable(a.starts_at) IS NULL THEN 'starts_at' END,
    CASE WHEN healthcore.readable(a.created_at) IS NULL THEN 'created_at' END,
    CASE WHEN healthcore.readable(a.updated_at) IS NULL THEN 'updated_at' END], NULL)
$$;

-- The last gate before the outbox: no event tells what its schema does not allow. A day of birth that is none is left out;
-- of an appointment on no day nobody can be told, and the list shows it: NULL. That a number was read changes no patient.
CREATE FUNCTION tellable(event_type text, data jsonb) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF event_type = 'patient.updated' THEN
    data := jsonb_set(data, '{changed}', (data->'changed') - ARRAY['phone_e164', 'phone_e164_of']);
    IF data->'changed' = '[]' THEN
      RETURN NULL;
    END IF;
  END IF;
  IF data->>'date_of_birth' !~ '^\d{4}-\d\d-\d\d$' THEN
    data := data - 'date_of_birth';
  END IF;
  IF data ? 'date' AND NOT coalesce(data->>'date' ~ '^\d{4}-\d\d-\d\d$' AND data->>'time' ~ '^([01]\d|2[0-3]):[0-5]\d$'
                                    AND data->>'starts_at' ~ '^\d{4}-', false) THEN
    RETURN NULL;
  END IF;
  RETURN data;
END
$$;

ALTER FUNCTION publish_event(text, text, text, jsonb, text, text) RENAME TO write_event;
CREATE FUNCTION publish_event(topic text, event_type text, key text, data jsonb, cause text, journey text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = healthcore, pg_temp AS $$
DECLARE
  told jsonb := tellable(event_type, data);
BEGIN
  IF told IS NOT NULL THEN
    PERFORM write_event(topic, event_type, key, told, cause, journey);
  END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION publish_event(text, text, text, jsonb, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION form_patient(), form_appointment() FROM PUBLIC;
