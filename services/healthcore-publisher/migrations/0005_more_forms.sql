-- What crates/forms reads, the table takes: letters are what Unicode calls so, with the marks that scripts write around them; an
-- address is read from what a program writes around it; what stands for nothing is known in more languages; and apostrophes
-- outlive NFKC. A test holds every letter, every word and every form beside the service's.

-- The lists of crates/forms/src/words.rs: in small letters and without marks.
CREATE FUNCTION words_of(class text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT regexp_split_to_array(btrim(CASE class
    WHEN 'words' THEN '
      unknown none null nil nan na undefined unspecified undisclosed withheld missing empty blank false notprovided
      notgiven notsaid notstated notspecified notavailable notapplicable notmentioned notknown notdisclosed notset
      notsupplied notrecorded notcollected notcaptured notasked notshared notlisted notindicated notyetprovided
      notyetknown nonegiven noneprovided noneonfile notonfile nodata noinfo noinformation noinformationprovided
      nullvalue novalue tbd tba tbc tobedetermined tobeannounced tobeconfirmed tobeprovided tobefilled placeholder
      string unbekannt unbekannte unbekannter unbekanntes unbekannten keineangabe keineangaben nichtangegeben
      nichtbekannt nichtgenannt nichtverfugbar nichtvorhanden ohneangabe platzhalter fehlt entfallt nv inconnu
      inconnue nonrenseigne nonrenseignee nonfourni nonfournie noncommunique noncommuniquee nonprecise nonprecisee
      nonindique nonindiquee nonspecifie nonspecifiee aucun aucune neant desconocido desconocida noproporcionado
      noproporcionada noindicado noindicada noespecificado noespecificada nodisponible noinformado sinespecificar
      sindatos ninguno ninguna desconhecido desconhecida naoinformado naoinformada naofornecido naofornecida
      naodisponivel nenhum nenhuma sconosciuto sconosciuta nonfornito nonfornita nondisponibile nonspecificato
      nonspecificata nonindicato nessuno nessuna onbekend onbekende nietopgegeven nietbekend nietbeschikbaar
      nietvantoepassing geen okand okant ejangivet ejangiven saknas ukjent ikkeoppgitt ikkeoppgitte ukendt ikkeoplyst
      ikkeangivet ingen inget tuntematon eitiedossa nieznany nieznana nieznane niepodano niedotyczy brakdanych brak
      neznamy neznama nezname neuvedeno ismeretlen necunoscut necunoscuta αγνωστο αγνωστοσ αγνωστη неизвестно
      неизвестныи неизвестная неуказано нет невідомо невідомии невідома невказано bilinmiyor bilinmeyen belirtilmedi
      belirtilmemis verilmedi verilmemis girilmedi yok 未知 不明 不详 不詳 无 無 暂无 未提供 未填写 未填寫 不知道 没有 沒有 無し なし ナシ 未定 未記入 未入力
      わからない 分からない 特になし 未回答 無回答 未透露 不愿透露 不願透露 未说明 未說明 알수없음 알려지지않음 미상 없음 모름 미정 미제공 غيرمعروف غيرمحدد غيرمتوفر مجهول
      لايوجد לאידוע אין अज्ञात ไม่ทราบ ไม่ระบุ ไม่มี khongro khongco khongroten khongcoten tanpanama tidakadanama
      khongbiet tidakdiketahui tidakada hindialam'
    WHEN 'names' THEN '
      name fullname yourname yourfullname myname thename patientname nameofpatient nameofthepatient callername
      customername dentistname doctorname clientname username firstname lastname surname givenname familyname
      middlename first last firstnamelastname noname nonamegiven unnamed nobody anonymous anonym anonyme anonymer
      anonimo anonima anoniem anonieme anonymt anonimowy анонимно аноним ανωνυμοσ 匿名 익명 namenlos namenlose naamloos
      namnlos navnløs isimsiz adsız безымянныи nadie personne niemand ninguem nikt никто patient thepatient newpatient
      caller thecaller dentist thedentist anydentist user customer client guest someone somebody anyone anybody
      whoever whomever ihrname vorname nachname vollstandigername namedespatienten patientenname neuerpatient
      unidentified unavailable unsure notsure dunno idk dontknow idontknow self myself declined refused redacted
      masked hidden private confidential pending awaiting todo fixme later willprovidelater willbeprovided
      wirdnachgereicht nochoffen offen verweigert samepatient sameasabove sameasbefore sameasname sameaspatient
      sameascaller asabove seeabove seenotes ditto same unk fnu lnu nfn nmn nln fnulnu nn nd nomennescio noanswer
      noresponse nopreference nopref any anyavailable firstavailable nextavailable earliestavailable firstfree nose
      nosabe nolose nodice nolosabe jenesaispas nesaitpas nonlo nonloso nonsa naosei naosabe weißnicht weissnicht
      weetniet yes str text value varchar object objectobject integer boolean walkin existingpatient either egal
      beliebig cualquiera qualsiasi qualcuno nimporte nimportequi elprimerodisponible nimeton ななし 無記名 未命名 没有名字 沒有名字
      신원미상 익명의 אלמוני 名無し 名前なし 無名 无名 无名氏 無名氏 佚名 某人 某某 患者 病人 来电者 本人 이름없음 무명 환자 성명불상 ไม่มีชื่อ ไม่ทราบชื่อ khongten
      faranume بدوناسم بلااسم ללאשם'
    WHEN 'values' THEN '
      no noemail nomail noemailaddress nophone nonumber nophonenumber nodate notime email mail emailaddress youremail
      youremailaddress phone phonenumber yourphone yourphonenumber telephone mobile number date time dateofbirth
      birthdate birthday dob hhmm hhmmss mmddyyyy ddmmyyyy yyyymmdd ttmmjjjj kein keine keinen keinetelefonnummer
      keinemail keineemail keinemailadresse geburtsdatum telefonnummer telefon'
    WHEN 'denials' THEN '
      no not never none without cannot cant dont doesnt didnt wont isnt wasnt hasnt havent wouldnt couldnt be declined
      declines refused refuses prefers prefer unable unwilling kein keine keiner keinen nicht ohne wird sin ninguno
      ninguna sans pas aucun aucune non senza nessun nessuno nessuna nao sem nenhum nenhuma geen niet zonder ingen
      inget ej inte utan ikke uden uten ei ilman nie bez brak nema neni ne nincs nem δεν χωρισ без не нет нема нету
      немає yok degil غير بدون بلا لا لم ללא לא אין नहीं ไม่'
    WHEN 'told' THEN '
      given provided known knows know sure say saying stated specified disclosed disclose available applicable
      mentioned collected captured recorded asked shared share supplied obtained found listed indicated entered filled
      confirmed determined announced heard understood remember recall identified assigned selected file answer
      response data info information preference choice want wants wish wishes provide give record system matter
      angegeben bekannt genannt angabe angaben gesagt mitgeteilt verfugbar vorhanden hinterlegt verstanden offen
      sicher gemacht sagen bestimmter bestimmte praferenz proporcionado proporcionada indicado indicada especificado
      especificada informado informada disponible sabe dice dijo especificar datos respuesta preferencia conocido
      conocida registrado registrada quiso dar renseigne renseignee fourni fournie communique communiquee precise
      precisee indique indiquee specifie specifiee donne connu connue reponse fornito fornita specificato specificata
      indicato indicata disponibile detto comunicato comunicata preferenza fornecido fornecida disponivel conhecido
      conhecida informacao dados opgegeven bekend beschikbaar gegeven vermeld voorkeur ingevuld angivet angiven angett
      uppgivet uppgett kand kant oppgitt oplyst kjent kendt tillganglig tilgjengelig tilgængelig tiedossa ilmoitettu
      annettu podano podany podana podał podała znany znana dostepne danych uvedeno uvedene znamo znam megadva ismert
      specificat cunoscut cunoscuta γνωστο διαθεσιμο δηλωθηκε указано указан указана указаны назвал назвала известно
      известен известна названо данных предоставлено вказано відомо belirtildi belirtilmis biliniyor verilmedi mevcut
      bilgi معروف محدد متوفر متاح معلوم يوجد ידוע ידועה נמסר צוין ทราบ ระบุ'
    WHEN 'subjects' THEN '
      name names fullname firstname lastname surname first last middle given family full person people patient
      patients caller callers user users customer customers client clients guest member visitor dentist dentists
      doctor doctors provider clinician hygienist appointment anyone anybody someone somebody anonymous unnamed male
      female individual party existing namen namensangabe vorname nachname anrufer anruferin patientin patienten kunde
      kundin zahnarzt zahnarztin arzt arztin nombre nombres apellido apellidos persona paciente llamante usuario
      usuaria cliente dentista medico nom prenom personne patiente appelant appelante utilisateur dentiste medecin
      nome cognome paziente chiamante utente sobrenome pessoa naam voornaam achternaam persoon beller klant gebruiker
      tandarts namn fornamn efternamn uppringare kund anvandare tandlakare navn fornavn etternavn efternavn pasient
      innringer opringer bruker bruger tannlege tandlæge nimi nimea henkilo soittaja potilas imie imienia nazwisko
      nazwiska osoba pacjent pacjentka dzwoniacy jmeno jmena pacient volajici nev szemely beteg hivo nume persoana
      ονομα ονοματοσ ασθενησ ατομο имя имени фамилия фамилии человек пациент пациентка абонент клиент імя особа
      пацієнт isim adı kisi hasta arayan musteri اسم الاسم الهوية شخص مريض المريض متصل المتصل שם אדם מטופל מתקשר नाम
      व्यक्ति मरीज ชื่อ'
    WHEN 'fillers' THEN '
      the of for this that your our his her their yet here goes enter insert type please and has have did would free
      call are was were been any available next earliest time moment example sample new with by callers patients same
      as above before noch bisher derzeit aktuell wurde mochte ihr ihre aun todavia lt gt amp s value field'
    WHEN 'small' THEN '
      a an i to on at in is my will man woman it he she they we you me him them self myself mother father son daughter
      child baby wife husband friend der die das des dem den mein vom zum su sus del el la los las lo le les l un une
      una uno de du d ein eine einen einer il di da do dos em en het een ett et og och y e o se no nao mi tu si al'
    WHEN 'titles' THEN '
      dr drs dra doctor doktor doc prof professor profa mr mrs ms miss mx mister herr frau sir madam dott dottssa
      dottor dottore dottoressa drssa sig sigra signor signora senor senora srta sra mme mlle monsieur madame docteur
      docteure dokter doutor doutora zahnarzt zahnarztin tandarts tandlakare tannlege tandlæge др доктор د دكتور
      الدكتور دكتورة'
    WHEN 'around' THEN '
      名前 お名前 御名前 氏名 姓名 名字 患者名 患者 病人 이름 성함 성명 환자 환자명'
    WHEN 'ats' THEN '
      at arroba chez arobase arobas arrobase chiocciola klammeraffe apenstaartje snabela krøllalfa alfakrøll małpa
      zavinac kukac собака собачка aet アット アットマーク 골뱅이 艾特'
    WHEN 'dots' THEN '
      dot punkt punto ponto point punt prikk kropka tecka точка nokta ドット 닷 점'
  END, E' \n'), '\s+')
$$;

-- Without marks. Letters of other scripts than Latin, Greek and Cyrillic keep what is written around them.
CREATE FUNCTION unmarked(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT normalize(regexp_replace(normalize(said, NFKD), '[\u0300-\u036f]', '', 'g'), NFC)
$$;

CREATE FUNCTION folded(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT replace(unmarked(lower(said COLLATE "und-x-icu")), 'ς', 'σ')
$$;

-- With a space for all that is no letter, mark or digit. The classes of a regular expression have no marks and no letters that
-- are numbers as well, so the signs are named: what the collation calls punctuation, and the blocks of symbols.
CREATE FUNCTION without_signs(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT regexp_replace(
    regexp_replace(said COLLATE "und-x-icu", '[[:punct:][:space:][:cntrl:]]', ' ', 'g'),
    '[$+<=>^`|~\u00a2-\u00a9\u00ac\u00ae-\u00b1\u00b4\u00b8\u00d7\u00f7\u02c2-\u02c5\u02d2-\u02df\u02e5-\u02eb\u02ed\u02ef-\u02ff'
    '\u0375\u0384\u0385\u03f6\u0482\u2000-\u20cf\u2190-\u245f\u249c-\u24b5\u2500-\u2775\u2794-\u2bff\u2e80-\u2fff\u3000-\u3004\u3012\u3013\u3020\u3036'
    '\u3037\u303e\u303f\u3190-\u319f\u31c0-\u31ef\u3200-\u3247\u3250-\u33ff\u4dc0-\u4dff\ua490-\ua4cf\ue000-\uf8ff\ufdfc\ufdfd\ufff9-\uffff'
    '\U0001d000-\U0001d24f\U0001d300-\U0001d35f\U0001f000-\U0001f0ff\U0001f10d-\U0001f12f\U0001f18a-\U0001fbef]', ' ', 'g')
$$;

-- In small letters, letters and digits alone.
CREATE OR REPLACE FUNCTION squeezed(said text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT replace(without_signs(folded(said)), ' ', '')
$$;

CREATE FUNCTION has_letter(said text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT without_signs(said) COLLATE "und-x-icu" ~ '[^[:digit:] ]'
$$;

-- "名前不明", "不明な患者".
CREATE FUNCTION is_nothing_without_spaces(plain text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT EXISTS (
    SELECT FROM unnest(words_of('around')) name,
      unnest(ARRAY[CASE WHEN starts_with(plain, name) THEN substr(plain, length(name) + 1) END,
                   CASE WHEN right(plain, length(name)) = name
                        THEN regexp_replace(left(plain, -length(name)), '[なの的의]$', '') END]) word
    WHERE word = ANY (words_of('words')) OR word = ANY (words_of('names')))
$$;

-- Whether a word or more stand for nothing; kind: name, words, value. Who is called so is asked by names_nobody.
DROP FUNCTION is_nothing(text, text, boolean);
CREATE FUNCTION is_nothing(said text, kind text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  plain text := squeezed(said);
BEGIN
  RETURN plain ~ '^x{2,20}$' OR plain = ANY (words_of('words'))
      OR kind = 'name' AND (plain = ANY (words_of('names')) OR is_nothing_without_spaces(plain))
      OR kind = 'value' AND plain = ANY (words_of('values'));
END
$$;

CREATE FUNCTION is_title(word text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT squeezed(word) = ANY (words_of('titles'))
$$;

-- What people are called is nobody's name where it is not written as one.
CREATE FUNCTION is_called(word text, titled boolean) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT unmarked(word) IN ('Na', 'Nan', 'Nil')
      OR titled AND unmarked(word) IN (
         'Na', 'Nan', 'Nil', 'Null', 'None', 'Unbekannt', 'Blank', 'Missing', 'Last', 'First', 'Brak', 'Child',
         'Client', 'Empty', 'Guest', 'Hidden', 'Later', 'Nemo', 'Offen', 'Person', 'Private', 'Self', 'Yok')
$$;

-- The words, without the apostrophes in them.
CREATE FUNCTION tokens(said text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_remove(regexp_split_to_array(without_signs(translate(said, '''’', '')), ' +'), '')
$$;

-- Words that say together that there is no name, or which name is meant.
CREATE FUNCTION tells_of_no_name(named text, titled boolean) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  word text;
  plain text;
  subject boolean;
  void boolean := false;
  denied boolean := false;
  meant boolean := false;
  told boolean := false;
BEGIN
  IF named ~ '(^| )[^ ]\.( |$)' THEN
    RETURN false;
  END IF;
  FOREACH word IN ARRAY tokens(named) LOOP
    plain := folded(word);
    subject := plain = ANY (words_of('subjects')) OR plain = ANY (words_of('names'));
    IF is_called(word, titled)
       OR NOT (subject OR plain = ANY (words_of('words')) OR plain = ANY (words_of('denials')) OR plain = ANY (words_of('told'))
               OR plain = ANY (words_of('fillers'))
               OR plain = ANY (words_of('small')) AND word = lower(word COLLATE "und-x-icu")) THEN
      RETURN false;
    END IF;
    void := void OR plain = ANY (words_of('words'));
    denied := denied OR plain = ANY (words_of('denials'));
    meant := meant OR subject;
    told := told OR NOT subject AND plain = ANY (words_of('told')) AND NOT plain = ANY (words_of('fillers'));
  END LOOP;
  RETURN void OR denied AND (meant OR told) OR meant AND NOT denied AND NOT told;
END
$$;

-- "Dr. Smith or Dr. Jones": nobody knows whose time it is.
CREATE FUNCTION one_of_two(said text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  words text[] := array_remove(string_to_array(replace(said, '/', ' / '), ' '), '');
BEGIN
  FOR at IN 2 .. coalesce(array_length(words, 1), 0) - 1 LOOP
    IF words[at] IN ('or', 'oder', 'eller', 'lub', 'или') AND (is_title(words[1]) OR is_title(words[at + 1]))
       OR words[at] IN ('/', 'o', 'ou', 'of') AND is_title(words[at + 1]) THEN
      RETURN true;
    END IF;
  END LOOP;
  RETURN false;
END
$$;

CREATE FUNCTION is_bracketed(said text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT said !~ '@' AND said COLLATE "und-x-icu" !~ '[[:digit:]]' AND said ~ '^[<\[{].*[>\]}]$'
     AND said ~ '^([<\[{]+[^][<>{}]*[]>}]+ *)+$'
$$;

CREATE FUNCTION names_nobody(said text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  named  text := said;
  titled boolean;
BEGIN
  WHILE named <> '' AND is_title(split_part(named, ' ', 1)) LOOP
    named := ltrim(substr(named, length(split_part(named, ' ', 1)) + 1));
  END LOOP;
  titled := named <> said;
  RETURN squeezed(named) = '' OR is_bracketed(named) OR NOT is_called(named, titled) AND is_nothing(named, 'name')
      OR tells_of_no_name(named, titled) OR one_of_two(said)
      OR NOT EXISTS (SELECT FROM regexp_split_to_table(named, ' ') word
                     WHERE is_called(word, titled) OR NOT is_nothing(word, 'name'));
END
$$;

CREATE FUNCTION is_no_value(said text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT is_bracketed(said) OR is_nothing(said, 'value')
      OR said !~ ':' AND length(regexp_replace(said, '[^0-9]', '', 'g')) >= 6 AND squeezed(said) ~ '^0+$'
$$;

-- The address without what a program writes around it: Markdown, mailto:, a name, brackets, quotes.
CREATE FUNCTION bare_address(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  address text := btrim(said);
  inside  text;
  label   text;
  at      integer;
BEGIN
  LOOP
    inside := address;
    at := strpos(address, '](');
    IF address LIKE '[%)' AND at > 0 THEN
      label := substr(address, 2, at - 2);
      inside := substr(address, at + 2, length(address) - at - 2);
    ELSIF address LIKE '%>' AND strpos(address, '<') > 0 THEN
      at := strpos(address, '<');
      label := left(address, at - 1);
      inside := substr(address, at + 1, length(address) - at - 1);
    ELSIF length(address) > 1 AND strpos('"''`*([{', left(address, 1)) > 0
          AND strpos('"''`*([{', left(address, 1)) = strpos('"''`*)]}', right(address, 1)) THEN
      label := '';
      inside := substr(address, 2, length(address) - 2);
    ELSIF has_letter(split_part(address, ':', 1)) AND strpos(address, ':') > 0
          AND without_signs(replace(split_part(address, ':', 1), '-', ' ')) = replace(split_part(address, ':', 1), '-', ' ')
          AND split_part(address, ':', 1) COLLATE "und-x-icu" !~ '[[:digit:]]' THEN
      label := '';
      inside := substr(address, strpos(address, ':') + 1);
    ELSE
      label := '';
      inside := regexp_replace(address, '^([^@]*@[^?]*)\?.*$', '\1');
    END IF;
    label := btrim(btrim(label), '"''');
    inside := btrim(inside);
    IF inside !~ '@' OR length(inside) = length(address)
       OR label ~ '@' AND label <> regexp_replace(inside, '^mailto:', '') THEN
      RETURN address;
    END IF;
    address := inside;
  END LOOP;
END
$$;

-- What is written as an address and stands for none: both its sides say nothing.
CREATE FUNCTION is_no_address(address text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
  SELECT strpos(address, '@') > 0 AND is_nothing(split_part(address, '@', 1), 'value')
     AND (split_part(split_part(address, '@', 2), '.', 1) IN ('example', 'test')
          OR is_nothing(split_part(split_part(address, '@', 2), '.', 1), 'value'))
$$;

-- Whether it has an @, or words or signs for one, or digits: such an address is asked for again.
CREATE FUNCTION meant_as_address(said text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  words text[] := (SELECT array_agg(folded(word) ORDER BY n) FROM unnest(tokens(said)) WITH ORDINALITY AS t (word, n));
  inner_words text[] := coalesce(words[2 : array_length(words, 1) - 1], '{}');
BEGIN
  RETURN said ~ '@' OR said COLLATE "und-x-icu" ~ '[[:digit:]]' OR said ~ '[^ .]\.[^ .]' OR inner_words && words_of('dots')
      OR inner_words && words_of('ats') AND NOT words && words_of('denials') AND NOT words && words_of('words');
END
$$;

-- Whether a line says nothing: crates/forms/src/placeholder.rs. kind: name, words, value, phone, address.
CREATE OR REPLACE FUNCTION says_nothing(said text, kind text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF squeezed(said) = '' OR lower(replace(said, ' ', '')) ~ '^(k|o)[./]a\.?$' THEN
    RETURN true;
  ELSIF kind = 'words' THEN
    -- In free text a template is what a template engine left only if it is all there is.
    RETURN is_nothing(said, kind)
        OR squeezed(regexp_replace(said, '\{\{[^}]*\}\}|\$\{[^}]*\}|%\([^)]*\)[a-z]?', '', 'g')) = '';
  ELSIF said ~ '\{\{|\$\{|%\(' THEN
    RETURN true;
  ELSIF kind = 'name' THEN
    RETURN names_nobody(said);
  END IF;
  RETURN is_no_value(said)
      OR kind = 'phone' AND said !~ '@' AND said COLLATE "und-x-icu" !~ '[[:digit:]]'
      OR kind = 'address' AND (is_no_address(bare_address(said)) OR NOT meant_as_address(said));
END
$$;

-- NFKC, on one line with single spaces; ª and º stay, and an accent that stands alone is an apostrophe.
CREATE OR REPLACE FUNCTION form_line(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  seen text := translate(visible(said, false), U&'\00b4\0384\1fbd\1fbf\1ffd\1ffe', '''''''''''''');
BEGIN
  IF seen ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]' THEN
    PERFORM refuse(field || ' contains control characters', 'Remove them.');
  END IF;
  seen := coalesce((SELECT string_agg(CASE WHEN part[1] IN ('ª', 'º') THEN part[1] ELSE normalize(part[1], NFKC) END, '' ORDER BY n)
                    FROM regexp_matches(seen, '[ªº]|[^ªº]+', 'g') WITH ORDINALITY AS t (part, n)), '');
  RETURN btrim(regexp_replace(seen, '[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+', ' ', 'g'));
END
$$;

-- What is no apostrophe, and one between letters: grave, primes, and the letters that look like them.
CREATE FUNCTION apostrophes(line text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT regexp_replace(
    line COLLATE "und-x-icu",
    '(?<=[[:alpha:]])[`\u02b9\u02bb\u02bc\u02c8\u02ca\u02cb\u055a\u2032\u2035](?=[[:alpha:]])', '''', 'g')
$$;

CREATE OR REPLACE FUNCTION form_name(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  line text := form_line(said, field);
  name text := apostrophes(line);
BEGIN
  IF line = '' OR says_nothing(line, 'name') THEN
    PERFORM refuse(field || ' was not said: what is there stands for nothing', 'Write the name, or no row.');
  ELSIF NOT has_letter(name) THEN
    PERFORM refuse(field || ' contains no letter', 'Write the name.');
  ELSIF length(name) > 200 THEN
    PERFORM refuse(field || ' is longer than 200 characters', 'Shorten it.');
  END IF;
  RETURN name;
END
$$;

-- A service: as a name, it may be a number, and it may be missing.
CREATE OR REPLACE FUNCTION form_service(said text, field text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  line text := form_line(said, field);
  name text := apostrophes(line);
BEGIN
  IF line = '' OR says_nothing(line, 'words') THEN
    RETURN NULL;
  ELSIF length(name) > 200 THEN
    PERFORM refuse(field || ' is longer than 200 characters', 'Shorten it.');
  END IF;
  RETURN name;
END
$$;

-- A domain in punycode stays in it: only the service reads it.
CREATE OR REPLACE FUNCTION form_email(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  line    text := form_line(said, 'email');
  address text := bare_address(normalize(line, NFKC));
  local   text := split_part(address, '@', 1);
  domain  text := lower(translate(substr(address, strpos(address, '@') + 1), 'Σ。', 'σ.') COLLATE "und-x-icu");
  top     text := regexp_replace(domain, '^.*\.', '');
BEGIN
  IF line = '' OR says_nothing(line, 'address') THEN
    RETURN NULL;
  END IF;
  IF octet_length(address) > 254 OR octet_length(local) > 64 OR strpos(address, '@') = 0
     OR local !~ '^[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&''*+/=?^_`{|}~-]+)*$'
     OR domain !~ '^[^.-]([^.]*[^.-])?(\.[^.-]([^.]*[^.-])?)+$'
     OR without_signs(translate(domain, '.-', '')) ~ ' ' OR NOT has_letter(top)
     OR EXISTS (SELECT FROM regexp_split_to_table(domain, '\.') label WHERE length(label) > 63) THEN
    PERFORM refuse('email is no e-mail address', 'Write it as name@example.com, or NULL.');
  END IF;
  RETURN local || '@' || domain;
END
$$;

CREATE OR REPLACE FUNCTION form_phone(said text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
  number   text := form_line(said, 'phone');
  digits   text := regexp_replace(number, '[^0-9]', '', 'g');
  counted text := CASE WHEN length(digits) = 11 THEN regexp_replace(digits, '^1', '') ELSE digits END;
BEGIN
  IF number = '' OR says_nothing(number, 'phone') THEN
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

-- ---------------------------------------------------------------------------------------------------------------------
-- One key of one name: an accent for an apostrophe, the sigma at a word's end, a degree in two parts, Jr. behind a comma, and
-- titles of other languages, before a name and behind it.

DROP INDEX appointments_slot;
DROP INDEX patients_name_key;
CREATE OR REPLACE FUNCTION name_key(said text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  plain text := translate(said, U&'\00b4\0384\02b9\02bb\02bc\02c8\02ca\02cb\055a\1fbd\1fbf\1ffd\1ffe\2032\2035', repeat('''', 15));
  bare  text;
BEGIN
  plain := lower(normalize(plain, NFKD));
  -- Marks, and what is seen by nobody.
  plain := regexp_replace(plain, '[\u0300-\u036f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]', '', 'g');
  -- Letters that Unicode does not take apart.
  plain := replace(replace(replace(plain, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe');
  plain := translate(plain, 'øłđðıħŧς', 'olddihtσ');
  plain := regexp_replace(plain, '[''`´ʼ‘’]', '', 'g');
  -- Behind a comma is a given name, or what is said of the whole.
  plain := regexp_replace(plain, ', *(jr|sr|junior|senior|ii|iii|iv)\M\.?', ' \1');
  plain := regexp_replace(plain, '^([^,]*),(.*)$', '\2 \1');
  plain := btrim(regexp_replace(plain, '[[:space:][:cntrl:]!-/:-@\[-`{-~‐-―·•„“”«»…]+', ' ', 'g'));
  -- Initials in a row are one word: "J. R." as "JR", "D.D.S." as "DDS".
  plain := regexp_replace(plain, '(?<![^ ])([a-z]) (?=[a-z](?![^ ]))', '\1', 'g');
  bare := regexp_replace(plain, '(?<![^ ])(ph d|m sc|b sc|dott ssa|dr ssa|sig ra|д р|med dent|med(?= [^ ]))(?![^ ])', '', 'g');
  bare := regexp_replace(
    bare,
    '(?<![^ ])(drs?|dra|doctora?|doktor|dokter|docteure?|doc|professora?|prof|profa|mr|mrs|ms|miss|mx|mister|herr|frau|sir|'
    'dott|dottore|dottoressa|dottor|dottssa|drssa|sig|signora?|sra|srta|senora?|mme|madame|monsieur|zahnarzt|zahnarztin|tandarts|'
    'tandlakare|tannlege|tandlæge|tandlaege|доктор|др|د|دكتور|الدكتور|دكتورة|dds|dmd|bds|mds|bdent|md|phd|msc|bsc)(?![^ ])',
    '', 'g');
  bare := btrim(regexp_replace(bare, ' +', ' ', 'g'));
  bare := regexp_replace(bare, '(?<=[^ ]) *(先生|医師|醫師|医生|醫生|선생님|원장님)$', '');
  -- Father and son are two, wherever the word for it stands.
  bare := regexp_replace(regexp_replace(bare, '(?<![^ ])junior(?![^ ])', 'jr'), '(?<![^ ])senior(?![^ ])', 'sr');
  bare := regexp_replace(bare, '^(jr|sr|ii|iii|iv) (.+)$', '\2 \1');
  -- Somebody of whom nothing but a title is said is called by it.
  RETURN coalesce(nullif(bare, ''), nullif(plain, ''), lower(said));
END
$$;

-- The later ones of a slot that was given more than once to what is one dentist now: a person has to call these patients.
UPDATE appointments SET status = 'needs_review', reason = 'slot_taken'
WHERE id IN (
  SELECT id FROM (
    SELECT id, row_number() OVER (PARTITION BY name_key(dentist), date, time ORDER BY id) AS turn
    FROM appointments WHERE status = 'booked'
  ) booked WHERE turn > 1
);
CREATE UNIQUE INDEX appointments_slot ON appointments (name_key(dentist), date, time) WHERE status = 'booked';
CREATE INDEX patients_name_key ON patients (name_key(name));
