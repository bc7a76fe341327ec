//! The words that stand for nothing, by what they are.
//!
//! In small letters and without marks, as [`crate::placeholder`] compares them; the function `words_of` in the database has the
//! same lists. What one language writes with several words stands here as one.

/// What stands for nothing in any field; also of several words, written as one.
pub const WORDS: &str = "
    unknown none null nil nan na undefined unspecified undisclosed withheld missing empty blank false notprovided
    notgiven notsaid notstated notspecified notavailable notapplicable notmentioned notknown notdisclosed notset
    notsupplied notrecorded notcollected notcaptured notasked notshared notlisted notindicated notyetprovided
    notyetknown nonegiven noneprovided noneonfile notonfile nodata noinfo noinformation noinformationprovided
    nullvalue novalue tbd tba tbc tobedetermined tobeannounced tobeconfirmed tobeprovided tobefilled placeholder
    string unbekannt unbekannte unbekannter unbekanntes unbekannten keineangabe keineangaben nichtangegeben
    nichtbekannt nichtgenannt nichtverfugbar nichtvorhanden ohneangabe platzhalter fehlt entfallt nv inconnu inconnue
    nonrenseigne nonrenseignee nonfourni nonfournie noncommunique noncommuniquee nonprecise nonprecisee nonindique
    nonindiquee nonspecifie nonspecifiee aucun aucune neant desconocido desconocida noproporcionado noproporcionada
    noindicado noindicada noespecificado noespecificada nodisponible noinformado sinespecificar sindatos ninguno
    ninguna desconhecido desconhecida naoinformado naoinformada naofornecido naofornecida naodisponivel nenhum nenhuma
    sconosciuto sconosciuta nonfornito nonfornita nondisponibile nonspecificato nonspecificata nonindicato nessuno
    nessuna onbekend onbekende nietopgegeven nietbekend nietbeschikbaar nietvantoepassing geen okand okant ejangivet
    ejangiven saknas ukjent ikkeoppgitt ikkeoppgitte ukendt ikkeoplyst ikkeangivet ingen inget tuntematon eitiedossa
    nieznany nieznana nieznane niepodano niedotyczy brakdanych brak neznamy neznama nezname neuvedeno ismeretlen
    necunoscut necunoscuta αγνωστο αγνωστοσ αγνωστη неизвестно неизвестныи неизвестная неуказано нет невідомо
    невідомии невідома невказано bilinmiyor bilinmeyen belirtilmedi belirtilmemis verilmedi verilmemis girilmedi yok
    未知 不明 不详 不詳 无 無 暂无 未提供 未填写 未填寫 不知道 没有 沒有 無し なし ナシ 未定 未記入 未入力 わからない 分からない 特になし 未回答 無回答 未透露 不愿透露 不願透露 未说明 未說明 알수없음
    알려지지않음 미상 없음 모름 미정 미제공 غيرمعروف غيرمحدد غيرمتوفر مجهول لايوجد לאידוע אין अज्ञात ไม่ทราบ ไม่ระบุ ไม่มี khongro
    khongco khongroten khongcoten tanpanama tidakadanama khongbiet tidakdiketahui tidakada hindialam";

/// The same, in a name alone.
pub const NAMES: &str = "
    name fullname yourname yourfullname myname thename patientname nameofpatient nameofthepatient callername
    customername dentistname doctorname clientname username firstname lastname surname givenname familyname middlename
    first last firstnamelastname noname nonamegiven unnamed nobody anonymous anonym anonyme anonymer anonimo anonima
    anoniem anonieme anonymt anonimowy анонимно аноним ανωνυμοσ 匿名 익명 namenlos namenlose naamloos namnlos navnløs
    isimsiz adsız безымянныи nadie personne niemand ninguem nikt никто patient thepatient newpatient caller thecaller
    dentist thedentist anydentist user customer client guest someone somebody anyone anybody whoever whomever ihrname
    vorname nachname vollstandigername namedespatienten patientenname neuerpatient unidentified unavailable unsure
    notsure dunno idk dontknow idontknow self myself declined refused redacted masked hidden private confidential
    pending awaiting todo fixme later willprovidelater willbeprovided wirdnachgereicht nochoffen offen verweigert
    samepatient sameasabove sameasbefore sameasname sameaspatient sameascaller asabove seeabove seenotes ditto same
    unk fnu lnu nfn nmn nln fnulnu nn nd nomennescio noanswer noresponse nopreference nopref any anyavailable
    firstavailable nextavailable earliestavailable firstfree nose nosabe nolose nodice nolosabe jenesaispas nesaitpas
    nonlo nonloso nonsa naosei naosabe weißnicht weissnicht weetniet yes str text value varchar object objectobject
    integer boolean walkin existingpatient either egal beliebig cualquiera qualsiasi qualcuno nimporte nimportequi
    elprimerodisponible nimeton ななし 無記名 未命名 没有名字 沒有名字 신원미상 익명의 אלמוני 名無し 名前なし 無名 无名 无名氏 無名氏 佚名 某人 某某 患者 病人 来电者 本人
    이름없음 무명 환자 성명불상 ไม่มีชื่อ ไม่ทราบชื่อ khongten faranume بدوناسم بلااسم ללאשם";

/// The same, in a value that has a form of its own.
pub const VALUES: &str = "
    no noemail nomail noemailaddress nophone nonumber nophonenumber nodate notime email mail emailaddress youremail
    youremailaddress phone phonenumber yourphone yourphonenumber telephone mobile number date time dateofbirth
    birthdate birthday dob hhmm hhmmss mmddyyyy ddmmyyyy yyyymmdd ttmmjjjj kein keine keinen keinetelefonnummer
    keinemail keineemail keinemailadresse geburtsdatum telefonnummer telefon";

/// Words of a name that says that there is none: with one of `subjects` or `told`.
pub const DENIALS: &str = "
    no not never none without cannot cant dont doesnt didnt wont isnt wasnt hasnt havent wouldnt couldnt be declined
    declines refused refuses prefers prefer unable unwilling kein keine keiner keinen nicht ohne wird sin ninguno
    ninguna sans pas aucun aucune non senza nessun nessuno nessuna nao sem nenhum nenhuma geen niet zonder ingen inget
    ej inte utan ikke uden uten ei ilman nie bez brak nema neni ne nincs nem δεν χωρισ без не нет нема нету немає yok
    degil غير بدون بلا لا لم ללא לא אין नहीं ไม่";

/// Words for what is told or known.
pub const TOLD: &str = "
    given provided known knows know sure say saying stated specified disclosed disclose available applicable mentioned
    collected captured recorded asked shared share supplied obtained found listed indicated entered filled confirmed
    determined announced heard understood remember recall identified assigned selected file answer response data info
    information preference choice want wants wish wishes provide give record system matter angegeben bekannt genannt
    angabe angaben gesagt mitgeteilt verfugbar vorhanden hinterlegt verstanden offen sicher gemacht sagen bestimmter
    bestimmte praferenz proporcionado proporcionada indicado indicada especificado especificada informado informada
    disponible sabe dice dijo especificar datos respuesta preferencia conocido conocida registrado registrada quiso
    dar renseigne renseignee fourni fournie communique communiquee precise precisee indique indiquee specifie
    specifiee donne connu connue reponse fornito fornita specificato specificata indicato indicata disponibile detto
    comunicato comunicata preferenza fornecido fornecida disponivel conhecido conhecida informacao dados opgegeven
    bekend beschikbaar gegeven vermeld voorkeur ingevuld angivet angiven angett uppgivet uppgett kand kant oppgitt
    oplyst kjent kendt tillganglig tilgjengelig tilgængelig tiedossa ilmoitettu annettu podano podany podana podał
    podała znany znana dostepne danych uvedeno uvedene znamo znam megadva ismert specificat cunoscut cunoscuta γνωστο
    διαθεσιμο δηλωθηκε указано указан указана указаны назвал назвала известно известен известна названо данных
    предоставлено вказано відомо belirtildi belirtilmis biliniyor verilmedi mevcut bilgi معروف محدد متوفر متاح معلوم
    يوجد ידוע ידועה נמסר צוין ทราบ ระบุ";

/// Words for who or what is meant; a name of nothing else is none.
pub const SUBJECTS: &str = "
    name names fullname firstname lastname surname first last middle given family full person people patient patients
    caller callers user users customer customers client clients guest member visitor dentist dentists doctor doctors
    provider clinician hygienist appointment anyone anybody someone somebody anonymous unnamed male female individual
    party existing namen namensangabe vorname nachname anrufer anruferin patientin patienten kunde kundin zahnarzt
    zahnarztin arzt arztin nombre nombres apellido apellidos persona paciente llamante usuario usuaria cliente
    dentista medico nom prenom personne patiente appelant appelante utilisateur dentiste medecin nome cognome paziente
    chiamante utente sobrenome pessoa naam voornaam achternaam persoon beller klant gebruiker tandarts namn fornamn
    efternamn uppringare kund anvandare tandlakare navn fornavn etternavn efternavn pasient innringer opringer bruker
    bruger tannlege tandlæge nimi nimea henkilo soittaja potilas imie imienia nazwisko nazwiska osoba pacjent
    pacjentka dzwoniacy jmeno jmena pacient volajici nev szemely beteg hivo nume persoana ονομα ονοματοσ ασθενησ ατομο
    имя имени фамилия фамилии человек пациент пациентка абонент клиент імя особа пацієнт isim adı kisi hasta arayan
    musteri اسم الاسم الهوية شخص مريض المريض متصل المتصل שם אדם מטופל מתקשר नाम व्यक्ति मरीज ชื่อ";

/// Words that may stand among them.
pub const FILLERS: &str = "
    the of for this that your our his her their yet here goes enter insert type please and has have did would free
    call are was were been any available next earliest time moment example sample new with by callers patients same as
    above before noch bisher derzeit aktuell wurde mochte ihr ihre aun todavia lt gt amp s value field";

/// The same where they are in small letters; larger they are somebody's name.
pub const SMALL: &str = "
    a an i to on at in is my will man woman it he she they we you me him them self myself mother father son daughter
    child baby wife husband friend der die das des dem den mein vom zum su sus del el la los las lo le les l un une
    una uno de du d ein eine einen einer il di da do dos em en het een ett et og och y e o se no nao mi tu si al";

/// Titles, before a name.
pub const TITLES: &str = "
    dr drs dra doctor doktor doc prof professor profa mr mrs ms miss mx mister herr frau sir madam dott dottssa dottor
    dottore dottoressa drssa sig sigra signor signora senor senora srta sra mme mlle monsieur madame docteur docteure
    dokter doutor doutora zahnarzt zahnarztin tandarts tandlakare tannlege tandlæge др доктор د دكتور الدكتور دكتورة";

/// In a name written without spaces: what stands before or behind one of `words`.
pub const AROUND: &str = "
    名前 お名前 御名前 氏名 姓名 名字 患者名 患者 病人 이름 성함 성명 환자 환자명";

/// What stands for the sign in a dictated address.
pub const ATS: &str = "
    at arroba chez arobase arobas arrobase chiocciola klammeraffe apenstaartje snabela krøllalfa alfakrøll małpa
    zavinac kukac собака собачка aet アット アットマーク 골뱅이 艾特";

/// What stands for its full stop.
pub const DOTS: &str = "
    dot punkt punto ponto point punt prikk kropka tecka точка nokta ドット 닷 점";
