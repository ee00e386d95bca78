//! Is a JPEG file whole? Decoders return a picture of a cut file silently, with the rest in grey.

/// True if an end-of-image marker follows the last scan of a JPEG file.
///
/// Walks the segments (ITU-T T.81, annex B): those with a length are skipped by it, so that a thumbnail
/// in the metadata does not count, and the coded data of a scan is searched for the marker after it.
/// Bytes after the end of the image are allowed. Files that do not start as a JPEG give `false`.
pub fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let Some(mut rest) = bytes.strip_prefix(&[MARK, START_OF_IMAGE]) else {
        return false;
    };
    let mut scans = 0;
    while let Some((marker, after)) = next_marker(rest) {
        match marker {
            END_OF_IMAGE => return scans > 0,
            TEMPORARY | FIRST_RESTART..=LAST_RESTART => rest = after,
            _ => {
                let Some(segment) = skip_segment(after) else {
                    return false;
                };
                scans += usize::from(marker == START_OF_SCAN);
                rest = segment;
            }
        }
    }
    false
}

const MARK: u8 = 0xFF;
const STUFFED: u8 = 0x00;
const TEMPORARY: u8 = 0x01;
const FIRST_RESTART: u8 = 0xD0;
const LAST_RESTART: u8 = 0xD7;
const START_OF_IMAGE: u8 = 0xD8;
const END_OF_IMAGE: u8 = 0xD9;
const START_OF_SCAN: u8 = 0xDA;

/// The next marker and what follows it.
///
/// Skips coded data: there a stuffed zero after the mark stands for a byte of data, and any number of
/// marks may precede a marker as filling.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut rest = bytes;
    loop {
        let at = rest.iter().position(|&byte| byte == MARK)?;
        rest = &rest[at..];
        let at = rest.iter().position(|&byte| byte != MARK)?;
        let marker = rest[at];
        rest = &rest[at + 1..];
        if marker != STUFFED {
            return Some((marker, rest));
        }
    }
}

/// What follows a segment that starts with its length, which counts itself.
fn skip_segment(bytes: &[u8]) -> Option<&[u8]> {
    let length = u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]);
    bytes.get(usize::from(length).max(2)..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: [u8; 2] = [0xFF, 0xD8];
    /// A metadata segment with a whole thumbnail inside.
    const THUMBNAIL: [u8; 8] = [0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
    /// Scan header, then coded data with a stuffed byte, a restart marker and a filling mark.
    const SCAN: [u8; 14] = [
        0xFF, 0xDA, 0, 3, 7, 1, 0xFF, 0x00, 0xD9, 0xFF, 0xD3, 9, 0xFF, 0xFF,
    ];
    const END: [u8; 2] = [0xFF, 0xD9];

    fn check(parts: &[&[u8]], complete: bool) {
        assert_eq!(jpeg_is_complete(&parts.concat()), complete, "{parts:x?}");
    }

    #[test]
    fn end_marker_must_follow_the_last_scan() {
        check(&[&HEAD, &THUMBNAIL, &SCAN, &END], true);
        check(&[&HEAD, &SCAN, &SCAN, &END, b"trailing"], true);
        check(&[&HEAD, &THUMBNAIL, &SCAN], false);
        check(&[&HEAD, &THUMBNAIL, &END], false);
        check(&[&HEAD, &SCAN, &THUMBNAIL[..3]], false);
        check(&[&SCAN, &END], false);
        check(&[], false);
    }
}
