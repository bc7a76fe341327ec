//! Time is linear in the text, whatever the text is.

use std::time::{Duration, Instant};

use super::scan;

/// The shortest of some runs, since the machine has other work.
fn time(text: &[u8], runs: u32) -> Duration {
    (0..runs)
        .map(|_| {
            let begin = Instant::now();
            std::hint::black_box(scan(text));
            begin.elapsed()
        })
        .min()
        .unwrap_or_default()
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
    let one = time(&text[..1_000_000], 5);
    let ten = time(&text, 3);
    assert!(ten < Duration::from_secs(1), "10 MB took {ten:?}");
    assert!(ten < one * 20, "1 MB took {one:?}, 10 MB {ten:?}");
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
    ] {
        let text = ten_megabytes(&pattern);
        let one = time(&text[..1_000_000], 2);
        let ten = time(&text, 1);
        // 16 readings of a byte at 50 ns would still be linear; a quadratic one takes minutes.
        assert!(ten < Duration::from_secs(8), "{name}: 10 MB took {ten:?}, 1 MB {one:?}");
    }
}
