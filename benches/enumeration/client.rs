//! One connection that is kept, and how long an answer takes on it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// Blocking, and with as little between the clock and the socket as can be.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer {
    /// Status, headers and body; but for `Date`, which is of the server's clock, and `X-Request-Id`, which is
    /// another for each request.
    pub(crate) text: String,
    /// From the first byte that went out to the last that came.
    pub(crate) time: Duration,
}

impl Client {
    pub(crate) fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        // A request goes out whole and at once.
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.buffer.clear();
        let begin = Instant::now();
        self.stream.write_all(request)?;
        self.read_answer()?;
        let time = begin.elapsed();
        let text = comparable(std::str::from_utf8(&self.buffer)?);
        Ok(Answer { text, time })
    }

    fn read_answer(&mut self) -> Result<()> {
        let mut part = [0; 4_096];
        loop {
            let read = self.stream.read(&mut part)?;
            ensure!(read > 0, "the server hung up");
            self.buffer.extend_from_slice(&part[..read]);
            if let Some(length) = length_of(&self.buffer)? {
                ensure!(self.buffer.len() <= length, "more came than one answer");
                if self.buffer.len() == length {
                    return Ok(());
                }
            }
        }
    }
}

/// Of an answer whose head is there: of its head and body.
fn length_of(begun: &[u8]) -> Result<Option<usize>> {
    let Some(end) = begun.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&begun[..end])?;
    let length = headers(head).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.context("an answer without Content-Length")?;
    Ok(Some(end + 4 + length.trim().parse::<usize>()?))
}

fn headers(head: &str) -> impl Iterator<Item = (&str, &str)> {
    head.lines().filter_map(|line| line.split_once(':'))
}

fn comparable(answer: &str) -> String {
    let is_of_the_answer = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        ["date", "x-request-id"].iter().any(|other| name.eq_ignore_ascii_case(other))
    };
    answer.split_inclusive("\r\n").filter(|line| !is_of_the_answer(line)).collect()
}
