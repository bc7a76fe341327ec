//! Time is linear in the text, whatever the text is.

use std::{fs, time::Duration};

use super::scan;

/// What this thread has had of a core: other work on the machine is not counted.
fn spent() -> Duration {
    let told = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(told.split(' ').next().unwrap().parse().unwrap())
}

/// Of so many runs together: a single one is shorter than what the kernel tells.
fn time(text: &[u8], runs: u32) -> Duration {
    let begin = spent();
    for _ in 0..runs {
        std::hint::black_box(scan(text));
    }
    spent() - begin
}

fn ten_megabytes(pattern: &str) -> Vec<u8> {
    pattern.bytes().cycle().take(10_000_000).collect()
}

#[test]
fn ten_megabytes_take_less_than_a_second_and_ten_times_one() {
    let talk =
        "Of course, Mrs. Brown. Prof. Patel has time on Tuesday, or Prefer you a Friday? By the way: 10:00 is free. ";
    let extraction =
        "BOOKING_CONFIRMATION: {\"dentist\": \"Dr. Smith\", \"date\": \"2027-01-15\", \"time\": \"10:00\"}\n";
    let text = ten_megabytes(&format!("{}{extraction}", talk.repeat(20)));
    let ones = time(&text[..1_000_000], 100);
    let tens = time(&text, 10);
    assert!(tens / 10 < Duration::from_secs(1), "10 MB took {:?}", tens / 10);
    assert!(tens < ones * 3, "100 times 1 MB took {ones:?}, 10 times 10 MB {tens:?}");
}

#[test]
fn no_pattern_makes_it_slow() {
    for (name, pattern) in [
        ("markers only", "PATIENT_CREATION: ".to_owned()),
        ("openings in a string", "PATIENT_CREATION: {\"a\":\"".to_owned()),
        ("openings and blanks", format!("{{\"a\":\"PATIENT_CREATION: {{{}", " ".repeat(5000))),
        (
            "two that see every quote differently",
            format!("PATIENT_CREATION: {{\"BOOKING_CONFIRMATION: {{{}", "\" : \" : \" , \" , ".repeat(6000)),
        ),
        ("never closed", format!("PATIENT_CREATION: {{\"a\":\"{} ", "x".repeat(70_000))),
        ("nearly too deep", format!("PATIENT_CREATION: {}", "{\"a\":".repeat(64))),
        ("half a marker", "PATIENT_CREATIO ".to_owned()),
        ("small objects", "PATIENT_CREATION: {}".to_owned()),
        ("words that lead nowhere", format!("PATIENT_CREATION {}", "so ".repeat(30))),
        ("values without an end", format!("\"name\": \"patient_creation\", \"a\": \"{}", "x".repeat(900))),
        ("objects around", "{\"type\": \"PATIENT_CREATION\", \"a\": {\"b\": 1}".to_owned()),
        ("objects of nobody", "PATIENT_CREATION: {\"name\": 1} {\"name\": 1, \"a\": 2}".to_owned()),
        ("tags", "<a <a <a [b [b &lt;".to_owned()),
        ("letters of other scripts", "ＰＡＴＩＥＮＴ＿ＣＲＥＡＴＩＯ 🦷 𝐏 Р ".to_owned()),
    ] {
        let text = ten_megabytes(&pattern);
        let one = time(&text[..1_000_000], 1);
        let ten = time(&text, 1);
        // 16 readings of a byte at 50 ns would still be linear; a quadratic one takes minutes.
        assert!(ten < Duration::from_secs(8), "{name}: 10 MB took {ten:?}, 1 MB {one:?}");
    }
}
