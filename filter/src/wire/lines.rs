//! Newline-delimited documents (NDJSON, JSON Lines): hands each line on as it comes, without its line ending.
//!
//! Invariant: the bytes of all `data` calls between two `end` calls are the same however the input is cut.

/// Receives lines piece by piece.
pub trait Lines {
    /// The next bytes of the current line.
    fn data(&mut self, bytes: &[u8]);
    /// The current line is complete. Not called for lines without a byte.
    fn end(&mut self);
}

/// The incremental splitter. A CR before the LF is handed on: it is white space to JSON.
#[derive(Debug, Default)]
pub struct Splitter {
    in_line: bool,
}

impl Splitter {
    pub fn feed(&mut self, bytes: &[u8], lines: &mut dyn Lines) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let end = super::find(b'\n', rest);
            let line = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
            if !line.is_empty() {
                self.in_line = true;
                lines.data(line);
            }
            let Some(end) = end else { return };
            self.finish(lines);
            rest = rest.get(end.saturating_add(1)..).unwrap_or_default();
        }
    }

    /// The last line needs no line ending.
    pub fn finish(&mut self, lines: &mut dyn Lines) {
        if std::mem::take(&mut self.in_line) {
            lines.end();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Vec<String>, Vec<u8>);

    impl Lines for Log {
        fn data(&mut self, bytes: &[u8]) {
            self.1.extend_from_slice(bytes);
        }
        fn end(&mut self) {
            self.0.push(String::from_utf8_lossy(&std::mem::take(&mut self.1)).into_owned());
        }
    }

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut log = Log::default();
        let mut splitter = Splitter::default();
        for piece in pieces {
            splitter.feed(piece, &mut log);
        }
        splitter.finish(&mut log);
        log.0
    }

    fn check(input: &str, expected: &[&str]) {
        let input = input.as_bytes();
        assert_eq!(read(&[input]), expected);
        for cut in 0..input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(read(&[head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(read(&input.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn lines_with_and_without_an_ending() {
        check("a\nbc\n", &["a", "bc"]);
        check("a\nbc", &["a", "bc"]);
        check("a\r\n\r\nb\r\n", &["a\r", "\r", "b\r"]);
        check("\n\n{}\n\n", &["{}"]);
        check("é😀\n", &["é😀"]);
        check("", &[]);
    }
}
