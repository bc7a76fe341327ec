//! The database reads what other programs write as the service reads what is said.

use forms::{
    placeholder::{Of, says_nothing},
    words,
};

use crate::support::Record;

#[tokio::test]
async fn every_word_that_says_nothing_says_nothing_to_the_database_too() {
    let record = Record::without_kafka().await;
    let pool = record.database.pool_in("healthcore").await;
    for (class, words) in [
        ("words", words::WORDS),
        ("names", words::NAMES),
        ("values", words::VALUES),
        ("denials", words::DENIALS),
        ("told", words::TOLD),
        ("subjects", words::SUBJECTS),
        ("fillers", words::FILLERS),
        ("small", words::SMALL),
        ("titles", words::TITLES),
        ("around", words::AROUND),
        ("ats", words::ATS),
        ("dots", words::DOTS),
    ] {
        let listed: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let there: Vec<String> = sqlx::query_scalar("SELECT words_of($1)").bind(class).fetch_one(&pool).await.unwrap();
        assert_eq!(there, listed, "{class}");
        let folded: Vec<String> = sqlx::query_scalar(
            "SELECT array_agg(squeezed(word) ORDER BY n) FROM unnest($1) WITH ORDINALITY AS t (word, n)",
        )
        .bind(&listed)
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(folded, listed, "{class} are as they are compared");
    }
    let lists = [words::WORDS, words::NAMES, words::VALUES].into_iter().flat_map(str::split_whitespace).step_by(5);
    let mut all: Vec<String> = Vec::new();
    for text in lists.chain(SAID.iter().copied()) {
        all.extend([text.to_owned(), text.to_uppercase(), format!("({text})"), format!("{text} {text}")]);
    }
    all.extend(include_str!("../../../../crates/forms/tests/no_names.txt").lines().map(str::to_owned));
    for (of, kind) in
        [(Of::Name, "name"), (Of::Words, "words"), (Of::Value, "value"), (Of::Phone, "phone"), (Of::Address, "address")]
    {
        let told: Vec<bool> = sqlx::query_scalar(
            "SELECT array_agg(says_nothing(said, $2) ORDER BY n) FROM unnest($1) WITH ORDINALITY AS t (said, n)",
        )
        .bind(&all)
        .bind(kind)
        .fetch_one(&pool)
        .await
        .unwrap();
        for (text, told) in all.iter().zip(told) {
            assert_eq!(told, says_nothing(text, of), "{text:?} as {kind}");
        }
    }
}

/// What is on the edge of saying nothing, on both sides.
const SAID: &[&str] = &[
    "Na",
    "NA",
    "na",
    "Nil",
    "nan",
    "Dr. None",
    "Dr. none",
    "Dr. Unbekannt",
    "Dr. ?",
    "Dr.",
    "Frau Null",
    "Mr. Last",
    "k. A.",
    "o.A.",
    "K.A",
    "KA",
    "<<name>>",
    "[a] [b]",
    "[a] b",
    "<a@example.com>",
    "[555-1234]",
    "${x}",
    "%(name)s s",
    "{{x}} y",
    "Unknown Unknown",
    "First Last",
    "First Nation",
    "x",
    "xx",
    "XXX",
    "xxy",
    "00:00",
    "000000",
    "0000-00-00",
    "00000",
    "?",
    "—",
    "李",
    "Zoë",
    "no pain",
    "No",
    "N/A N/A",
    "Null Smith",
    "Anna None",
    "١٢٣",
    "Anna Brak",
    "Dr. Guest",
    "A. Guest",
    "Ada None",
    "No Min-jun",
    "Nán",
    "Dr. Or Cohen",
    "Dr. Smith or Dr. Jones",
    "Dra. García o Dra. López",
    "山田なし",
    "O\u{b4}Brien",
    "Call {{agent}} back",
    "Pays $5 or ${10}",
    "${a} - %(b)s.",
    "{{{x}}}",
    "not sure",
    "declined",
    "does not have one at the moment.",
    "john at example dot org",
    "john (at) example",
    "juan arroba example",
    "john.example",
    "john@",
    "none@none",
    "n/a@n/a.com",
    "<none@none.com>",
    "[none@none](mailto:none@none)",
    "[a@b.org](mailto:a@b.org)",
    "Email: none@none",
    "same number",
    "ext 5",
];

#[tokio::test]
async fn every_letter_that_the_service_takes_the_table_takes() {
    let record = Record::without_kafka().await;
    let pool = record.database.pool_in("healthcore").await;
    sqlx::raw_sql(
        "CREATE FUNCTION tried(field text, said text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
          RETURN CASE field WHEN 'email' THEN form_email(said) ELSE form_name(said, field) END;
        EXCEPTION WHEN check_violation THEN RETURN NULL;
        END $$",
    )
    .execute(&pool)
    .await
    .unwrap();
    let counts = |c: &char| c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(*c);
    let letters: Vec<char> = ('!'..=char::MAX).filter(counts).collect();
    // All of them by the rule for a letter; the rest of a form is the same for most, and long.
    let alone: Vec<String> = letters.iter().map(char::to_string).filter(|c| forms::name::name(c).is_ok()).collect();
    assert!(alone.len() > 130_000, "{}", alone.len());
    let refused: Vec<String> =
        sqlx::query_scalar("SELECT said FROM unnest($1) said WHERE NOT has_letter(form_line(said, 'name'))")
            .bind(&alone)
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(refused, [""; 0], "no letter");
    // Signs of music with marks among them, which the database takes for no part of a word.
    let letters: Vec<char> = letters.into_iter().filter(|c| !('\u{1d100}'..='\u{1d24f}').contains(c)).collect();
    let rare = |c: char| !c.is_alphabetic() || unicode_normalization::char::is_combining_mark(c) || "〇ↀ𐍁🅐".contains(c);
    let some = letters.iter().enumerate().filter(|(at, c)| at % if rare(**c) { 5 } else { 997 } == 0).map(|(_, c)| *c);
    let (mut fields, mut said, mut forms) = (Vec::new(), Vec::new(), Vec::new());
    for c in some {
        for (field, text) in [
            ("name", c.to_string()),
            ("dentist", format!("Dr. {c}")),
            ("email", format!("x@{c}.com")),
            ("email", format!("x@a{c}b.com")),
        ] {
            let form = match field {
                "email" => forms::email::email(&text).ok(),
                _ => {
                    let line = forms::text::line(&text).unwrap_or_default();
                    forms::name::name(&text).ok().filter(|_| !says_nothing(&line, Of::Name))
                }
            };
            if let Some(form) = form {
                // As the service writes it, which is after its own reading.
                fields.push(field);
                said.push(form.clone());
                forms.push(Some(form));
            }
        }
    }
    assert!(said.len() > 1_500, "{}", said.len());
    let kept: Vec<Option<String>> = sqlx::query_scalar("SELECT tried(field, said) FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS t (field, said, n) ORDER BY n")
        .bind(&fields)
        .bind(&said)
        .fetch_all(&pool)
        .await
        .unwrap();
    for ((field, kept), form) in fields.iter().zip(kept).zip(forms) {
        assert_eq!(kept, form, "{field}");
    }
}
