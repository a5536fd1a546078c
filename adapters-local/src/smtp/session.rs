use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use lettre::transport::smtp::Error as LettreError;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use lettre::transport::smtp::response::{Response, Severity};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::SmtpCredentials;
use super::fault::{Fault, Step};
use super::letter::Letter;
use super::line_stream::LineStream;

/// LOGIN comes last: it is obsolete, and Office 365 knows nothing else.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// The server and how to get to the point where it takes mails.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) hello: ClientId,
    pub(super) credentials: Option<SmtpCredentials>,
    pub(super) answer_timeout: Duration,
}

pub(super) enum Encryption {
    Implicit(TlsParameters),
    Never,
    StartTls(TlsParameters),
}

/// A connection that takes mails. To drop it, at whatever point, is safe: it is closed, and nobody
/// else reads an answer that was meant for somebody before.
pub(super) struct Session {
    connection: AsyncSmtpConnection,
    answer_timeout: Duration,
}

impl Relay {
    pub(super) async fn connect(&self) -> Result<Session, Fault> {
        let mut session =
            Session { connection: self.greet().await?, answer_timeout: self.answer_timeout };
        if let Encryption::StartTls(tls) = &self.encryption {
            session.start_tls(tls.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            session.log_in(credentials).await?;
        }
        Ok(session)
    }

    async fn greet(&self) -> Result<AsyncSmtpConnection, Fault> {
        let found =
            timeout(self.answer_timeout, lookup_host((self.host.as_str(), self.port))).await;
        let step = Step::Connect;
        let addresses = found.map_err(|_| Fault::Silent { step })?.map_err(Fault::Unreachable)?;
        self.greet_any(addresses).await
    }

    /// Tries the server's addresses in turn, each with a timeout of its own, so that one address that
    /// swallows packets does not hide one that answers.
    async fn greet_any(
        &self,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> Result<AsyncSmtpConnection, Fault> {
        let mut last = Fault::Unresolved;
        for address in addresses {
            match timeout(self.answer_timeout, self.greet_at(address)).await {
                Ok(Ok(connection)) => return Ok(connection),
                Ok(Err(fault)) => last = fault,
                Err(_) => {
                    last = Fault::Silent { step: Step::Connect };
                }
            }
        }
        Err(last)
    }

    async fn greet_at(&self, address: SocketAddr) -> Result<AsyncSmtpConnection, Fault> {
        let greeted = if let Encryption::Implicit(tls) = &self.encryption {
            AsyncSmtpConnection::connect_tokio1(address, None, &self.hello, Some(tls.clone()), None)
                .await
        } else {
            let stream = TcpStream::connect(address).await.map_err(Fault::Unreachable)?;
            let stream = Box::new(LineStream::new(stream));
            AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await
        };
        greeted.map_err(|error| Fault::new(Step::Connect, error))
    }
}

impl Session {
    /// Whether the connection is alive and has no mail half-told.
    pub(super) async fn is_ready(&mut self) -> bool {
        self.command(Step::Rset, Rset).await.is_ok()
    }

    /// Hands one mail over. `Ok` means that the server took responsibility for it
    /// (RFC 5321 section 6.1).
    pub(super) async fn deliver(&mut self, letter: &Letter) -> Result<(), Fault> {
        let parameters = self.parameters(letter)?;
        let sender = Mail::new(Some(letter.from.clone()), parameters);
        self.command(Step::Mail, sender).await?;
        let recipient = Rcpt::new(letter.to.clone(), Vec::new());
        self.command(Step::Rcpt, recipient).await?;
        self.command(Step::Data, Data).await?;
        let sent = timeout(self.answer_timeout, self.connection.message(&letter.text)).await;
        expect(Step::Content, sent.ok())
    }

    fn parameters(&self, letter: &Letter) -> Result<Vec<MailParameter>, Fault> {
        let to: &str = letter.to.as_ref();
        if to.is_ascii() {
            return Ok(Vec::new());
        }
        let server = self.connection.server_info();
        if !server.supports_feature(Extension::SmtpUtfEight) {
            return Err(Fault::NoSmtpUtf8);
        }
        // RFC 6531 section 3.1: who has SMTPUTF8 has 8BITMIME, and the To header needs both.
        Ok(vec![MailParameter::SmtpUtfEight, MailParameter::Body(MailBodyParameter::EightBitMime)])
    }

    async fn start_tls(&mut self, tls: TlsParameters, hello: &ClientId) -> Result<(), Fault> {
        if !self.connection.can_starttls() {
            return Err(Fault::NoStartTls);
        }
        let step = Step::StartTls;
        timeout(self.answer_timeout, self.connection.starttls(tls, hello))
            .await
            .map_err(|_| Fault::Silent { step })?
            .map_err(|error| Fault::new(step, error))
    }

    async fn log_in(&mut self, credentials: &SmtpCredentials) -> Result<(), Fault> {
        let offered = self.connection.server_info().get_auth_mechanism(MECHANISMS);
        if offered.is_none() {
            return Err(Fault::NoAuth);
        }
        let credentials = credentials.to_lettre();
        let answer =
            timeout(self.answer_timeout, self.connection.auth(MECHANISMS, &credentials)).await;
        expect(Step::Auth, answer.ok())
    }

    async fn command(&mut self, step: Step, command: impl Display) -> Result<(), Fault> {
        let answer = timeout(self.answer_timeout, self.connection.command(command)).await;
        expect(step, answer.ok())
    }
}

/// Takes the answer that a step must get: lettre takes 2xx and 3xx for the same. `None` is silence.
fn expect(step: Step, answer: Option<Result<Response, LettreError>>) -> Result<(), Fault> {
    let answer = answer.ok_or(Fault::Silent { step })?;
    let code = answer.map_err(|error| Fault::new(step, error))?.code();
    let wanted = if step == Step::Data {
        Severity::PositiveIntermediate
    } else {
        Severity::PositiveCompletion
    };
    if code.severity == wanted { Ok(()) } else { Err(Fault::Senseless { step }) }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_answers_is_found_behind_those_that_do_not() {
        let relay = Relay {
            host: "localhost".into(),
            port: 0,
            encryption: Encryption::Never,
            hello: ClientId::default(),
            credentials: None,
            answer_timeout: Duration::from_millis(500),
        };
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let answering = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [&refusing, &silent, &answering].map(|l| l.local_addr().unwrap());
        drop(refusing);
        let _server = tokio::spawn(async move {
            let (mut stream, _) = answering.accept().await.unwrap();
            stream.write_all(b"220 test\r\n250 test\r\n").await.unwrap();
            stream
        });
        assert!(relay.greet_any(addresses.into_iter()).await.is_ok());
    }
}
