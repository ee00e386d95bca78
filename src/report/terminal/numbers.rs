//! Numbers for people: rounded, and never taken for what a record holds.

/// Smallest figure that is written without an exponent, unless it is 0.
const SMALLEST_PLAIN: f64 = 1e-4;

/// Figures from here on are written with an exponent.
const LARGEST_PLAIN: f64 = 1e7;

/// A figure with so many decimals; very small and very large ones with an exponent.
pub fn figure(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size != 0.0 && !(SMALLEST_PLAIN..LARGEST_PLAIN).contains(&size) {
        return format!("{value:.2e}");
    }
    format!("{value:.decimals$}")
}

/// A difference with its sign; one too small for the decimals with an exponent, so that it is never
/// rounded to nothing.
pub fn difference(value: f64, decimals: usize) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let mut last = 1.0_f64;
    for _ in 0..decimals {
        last /= 10.0;
    }
    if value.abs() < last || value.abs() >= LARGEST_PLAIN {
        return format!("{value:+.1e}");
    }
    format!("{value:+.decimals$}")
}

/// A count with commas: `2,257,984`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of bytes: `68.6 MB`.
pub fn bytes(value: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (unit, word) in UNITS {
        if value >= unit {
            return format!("{:.1} {word}", value as f64 / unit as f64);
        }
    }
    format!("{value} B")
}

/// A number of bytes as people write it: `500MB`, `1.5 GB`, `2GiB`, `4096`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 9] = [
        ("", 1.0),
        ("b", 1.0),
        ("kb", 1e3),
        ("mb", 1e6),
        ("gb", 1e9),
        ("tb", 1e12),
        ("kib", 1024.0),
        ("mib", 1_048_576.0),
        ("gib", 1_073_741_824.0),
    ];
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim().to_lowercase();
    let factor = UNITS.iter().find(|(word, _)| *word == unit);
    match (number.parse::<f64>(), factor) {
        (Ok(number), Some((_, factor))) if number.is_finite() => Ok((number * factor) as u64),
        _ => Err("expected a size, such as 500MB or 2GB".to_owned()),
    }
}

/// A time: `1.9 s`, `40 s`, `3 min 20 s`, `1 h 05 min`.
pub fn seconds(value: f64) -> String {
    /// Below this, tenths of seconds are shown.
    const TENTHS_BELOW: f64 = 9.95;
    if value < TENTHS_BELOW {
        return format!("{value:.1} s");
    }
    let whole = value.round() as u64;
    let (minutes, seconds) = (whole / 60, whole % 60);
    let (hours, minutes_over) = (minutes / 60, minutes % 60);
    match (hours, minutes) {
        (0, 0) => format!("{whole} s"),
        (0, _) => format!("{minutes} min {seconds:02} s"),
        _ => format!("{hours} h {minutes_over:02} min"),
    }
}

/// A time in at most seven columns: `1.9 s`, `40 s`, `12 min`, `1.5 h`.
pub fn roughly(value: f64) -> String {
    let minutes = value / 60.0;
    match value {
        _ if value < 59.5 => seconds(value),
        _ if minutes < 59.5 => format!("{minutes:.0} min"),
        _ => format!("{:.1} h", minutes / 60.0),
    }
}

/// How long ago something was that many seconds ago: `3 days ago`; what lies ahead, by another machine's
/// clock, is `a moment ago`.
pub fn ago(seconds: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (7 * 86_400, "week"),
        (86_400, "day"),
        (3600, "hour"),
        (60, "minute"),
    ];
    // Two of a unit at least, so that `1 week ago` is not 13 days.
    let unit = UNITS.iter().find(|(unit, _)| seconds >= 2 * unit);
    match unit {
        Some((unit, noun)) => format!("{} ago", counted((seconds / unit) as u64, noun)),
        None if seconds >= 60 => "1 minute ago".to_owned(),
        None => "a moment ago".to_owned(),
    }
}

/// A number and its noun in the right form: `1 file`, `2,000 files`.
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_and_differences() {
        assert_eq!(figure(0.949_319, 4), "0.9493");
        assert_eq!(figure(1.0, 4), "1.0000");
        assert_eq!(figure(0.0, 4), "0.0000");
        assert_eq!(figure(0.000_012_34, 6), "1.23e-5");
        assert_eq!(figure(-3e9, 6), "-3.00e9");
        assert_eq!(figure(f64::NAN, 4), "NaN");
        assert_eq!(difference(0.0, 4), "0");
        assert_eq!(difference(-0.012_34, 4), "-0.0123");
        assert_eq!(difference(0.25, 6), "+0.250000");
        assert_eq!(difference(1.2e-16, 6), "+1.2e-16");
        assert_eq!(difference(-0.000_09, 4), "-9.0e-5");
    }

    #[test]
    fn counts_bytes_and_times() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(2_257_984), "2,257,984");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(68_606_236), "68.6 MB");
        assert_eq!(parse_bytes("4096"), Ok(4096));
        assert_eq!(parse_bytes("1.5 GB"), Ok(1_500_000_000));
        assert_eq!(parse_bytes("500mb"), Ok(500_000_000));
        assert_eq!(parse_bytes("2GiB"), Ok(2 << 30));
        for wrong in ["", "GB", "-1", "1.2.3", "5 parsecs", "1e3"] {
            assert!(parse_bytes(wrong).is_err(), "{wrong}");
        }
        assert_eq!(seconds(1.94), "1.9 s");
        assert_eq!(seconds(9.96), "10 s");
        assert_eq!(seconds(59.6), "1 min 00 s");
        assert_eq!(seconds(200.0), "3 min 20 s");
        assert_eq!(seconds(3900.0), "1 h 05 min");
        assert_eq!(roughly(9.94), "9.9 s");
        assert_eq!(roughly(59.4), "59 s");
        assert_eq!(roughly(59.6), "1 min");
        assert_eq!(roughly(3500.0), "58 min");
        assert_eq!(roughly(3590.0), "1.0 h");
        assert_eq!(ago(-5), "a moment ago");
        assert_eq!(ago(59), "a moment ago");
        assert_eq!(ago(60), "1 minute ago");
        assert_eq!(ago(7100), "118 minutes ago");
        assert_eq!(ago(7200), "2 hours ago");
        assert_eq!(ago(3 * 86_400 + 5), "3 days ago");
        assert_eq!(ago(800 * 86_400), "2 years ago");
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(2000, "file"), "2,000 files");
    }
}
