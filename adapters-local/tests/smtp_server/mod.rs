//! An SMTP server over real sockets that does what a test tells it, and a certificate authority for
//! it. Needs `tokio`, `tokio-rustls` and `rcgen`, nothing of the crate under test.
#![expect(clippy::unwrap_used, reason = "a test server may fail its test")]

use std::collections::HashMap;
use std::future::pending;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The one account, and how it looks in AUTH PLAIN and in AUTH LOGIN.
pub(crate) const USER: &str = "relay-user";
pub(crate) const PASSWORD: &str = "correct horse";
pub(crate) const PLAIN: &str = "AHJlbGF5LXVzZXIAY29ycmVjdCBob3JzZQ==";
const LOGIN_USER: &str = "cmVsYXktdXNlcg==";
const LOGIN_PASSWORD: &str = "Y29ycmVjdCBob3JzZQ==";

/// What the server offers.
pub(crate) struct Offer {
    pub(crate) protection: Protection,
    /// The mechanisms of AUTH, such as `"PLAIN LOGIN"`; mails are then taken only after log-in.
    pub(crate) auth: Option<&'static str>,
    pub(crate) smtputf8: bool,
}

pub(crate) enum Protection {
    Implicit(Arc<ServerConfig>),
    None,
    StartTls(Arc<ServerConfig>),
}

/// The places where a session can be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    Greeting,
    Ehlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    Content,
    Rset,
}

/// What to do at a stage instead of the usual.
#[derive(Clone)]
pub(crate) enum Act {
    /// Answers as usual and adds this in the same breath.
    Also(String),
    /// Closes the connection without an answer.
    Cut,
    /// Never answers.
    Hang,
    /// Answers this; what was asked is not done.
    Say(String),
}

/// A mail as it came. One whose answer was cut off or held back was taken all the same.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) sender: String,
    /// What follows the address in MAIL.
    pub(crate) parameters: String,
    pub(crate) recipients: Vec<String>,
    pub(crate) encrypted: bool,
    pub(crate) logged_in: bool,
    pub(crate) text: Vec<u8>,
}

pub(crate) struct SmtpServer {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    offer: Offer,
    acts: Mutex<HashMap<Stage, Act>>,
    mails: Mutex<Vec<Received>>,
    connections: AtomicUsize,
    /// Every stage that was reached, in order.
    reached: watch::Sender<Vec<Stage>>,
    /// Counts the calls that end all connections.
    ends: watch::Sender<usize>,
}

impl SmtpServer {
    pub(crate) async fn start(offer: Offer) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            offer,
            acts: Mutex::default(),
            mails: Mutex::default(),
            connections: AtomicUsize::new(0),
            reached: watch::Sender::default(),
            ends: watch::Sender::default(),
        });
        tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared }
    }

    pub(crate) fn disturb(&self, stage: Stage, act: Act) {
        self.shared.acts.lock().unwrap().insert(stage, act);
    }

    pub(crate) fn calm(&self) {
        self.shared.acts.lock().unwrap().clear();
    }

    /// Ends every open connection, as a restart does.
    pub(crate) fn end_connections(&self) {
        self.shared.ends.send_modify(|ends| *ends += 1);
    }

    pub(crate) fn mails(&self) -> Vec<Received> {
        self.shared.mails.lock().unwrap().clone()
    }

    /// How many connections there have been.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn reached(&self) -> Vec<Stage> {
        self.shared.reached.borrow().clone()
    }

    /// Waits until a session has come to `stage`.
    pub(crate) async fn until(&self, stage: Stage) {
        let mut reached = self.shared.reached.subscribe();
        reached.wait_for(|reached| reached.contains(&stage)).await.unwrap();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut ends = shared.ends.subscribe();
            tokio::select! {
                // An error is a connection that ended, by either side's will.
                _ = serve(stream, &shared) => {}
                _ = ends.changed() => {}
            }
        });
    }
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

struct Session<'a> {
    socket: BufReader<Box<dyn Socket>>,
    shared: &'a Shared,
    encrypted: bool,
    logged_in: bool,
    mail: Option<Received>,
}

async fn serve(stream: TcpStream, shared: &Shared) -> io::Result<()> {
    let socket: Box<dyn Socket> = match &shared.offer.protection {
        Protection::Implicit(tls) => {
            Box::new(TlsAcceptor::from(Arc::clone(tls)).accept(stream).await?)
        }
        _ => Box::new(stream),
    };
    let mut session = Session {
        socket: BufReader::new(socket),
        shared,
        encrypted: matches!(shared.offer.protection, Protection::Implicit(_)),
        logged_in: false,
        mail: None,
    };
    session.answer(Stage::Greeting, "220 test ESMTP").await?;
    loop {
        let line = session.line().await?;
        let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => session.ehlo().await?,
            "STARTTLS" => session = session.start_tls().await?,
            "AUTH" => session.auth(rest).await?,
            "MAIL" => session.mail(rest).await?,
            "RCPT" => session.rcpt(rest).await?,
            "DATA" => session.data().await?,
            "RSET" => {
                session.mail = None;
                session.answer(Stage::Rset, "250 ok").await?;
            }
            "QUIT" => return session.write("221 bye\r\n").await,
            _ => session.write("502 what?\r\n").await?,
        }
    }
}

impl<'a> Session<'a> {
    async fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.socket.read_line(&mut line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.socket.write_all(text.as_bytes()).await?;
        self.socket.flush().await
    }

    /// Answers a stage, and says whether as usual. 421 and [`Act::Cut`] end the connection.
    async fn answer(&mut self, stage: Stage, usual: &str) -> io::Result<bool> {
        self.shared.reached.send_modify(|reached| reached.push(stage));
        let act = self.shared.acts.lock().unwrap().get(&stage).cloned();
        match act {
            None => self.write(&format!("{usual}\r\n")).await?,
            Some(Act::Also(more)) => self.write(&format!("{usual}\r\n{more}")).await?,
            Some(Act::Cut) => return Err(ErrorKind::ConnectionAborted.into()),
            Some(Act::Hang) => pending().await,
            Some(Act::Say(text)) => {
                self.write(&format!("{text}\r\n")).await?;
                if text.starts_with("421") {
                    return Err(ErrorKind::ConnectionAborted.into());
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn ehlo(&mut self) -> io::Result<()> {
        let offer = &self.shared.offer;
        let mut lines = vec!["250-test".to_owned(), "250-8BITMIME".to_owned()];
        if matches!(offer.protection, Protection::StartTls(_)) && !self.encrypted {
            lines.push("250-STARTTLS".to_owned());
        } else if let Some(mechanisms) = offer.auth {
            lines.push(format!("250-AUTH {mechanisms}"));
        }
        if offer.smtputf8 {
            lines.push("250-SMTPUTF8".to_owned());
        }
        lines.push("250 HELP".to_owned());
        self.answer(Stage::Ehlo, &lines.join("\r\n")).await?;
        Ok(())
    }

    async fn start_tls(mut self) -> io::Result<Self> {
        let Protection::StartTls(tls) = &self.shared.offer.protection else {
            self.write("502 not here\r\n").await?;
            return Ok(self);
        };
        if !self.answer(Stage::StartTls, "220 go ahead").await? {
            return Ok(self);
        }
        let acceptor = TlsAcceptor::from(Arc::clone(tls));
        let socket: Box<dyn Socket> = Box::new(acceptor.accept(self.socket.into_inner()).await?);
        Ok(Self { socket: BufReader::new(socket), encrypted: true, ..self })
    }

    async fn auth(&mut self, rest: &str) -> io::Result<()> {
        let right = match rest {
            "LOGIN" => {
                self.write("334 VXNlcm5hbWU6\r\n").await?;
                let user = self.line().await?;
                self.write("334 UGFzc3dvcmQ6\r\n").await?;
                user == LOGIN_USER && self.line().await? == LOGIN_PASSWORD
            }
            _ => rest == format!("PLAIN {PLAIN}"),
        };
        if right {
            self.logged_in = self.answer(Stage::Auth, "235 welcome").await?;
        } else {
            self.answer(Stage::Auth, "535 no").await?;
        }
        Ok(())
    }

    async fn mail(&mut self, rest: &str) -> io::Result<()> {
        if self.shared.offer.auth.is_some() && !self.logged_in {
            return self.write("530 log in first\r\n").await;
        }
        let (sender, parameters) = address(rest);
        if self.answer(Stage::Mail, "250 ok").await? {
            self.mail = Some(Received {
                sender,
                parameters,
                recipients: Vec::new(),
                encrypted: self.encrypted,
                logged_in: self.logged_in,
                text: Vec::new(),
            });
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> io::Result<()> {
        if self.mail.is_none() {
            return self.write("503 MAIL first\r\n").await;
        }
        if self.answer(Stage::Rcpt, "250 ok").await?
            && let Some(mail) = &mut self.mail
        {
            mail.recipients.push(address(rest).0);
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        let Some(mut mail) = self.mail.take_if(|mail| !mail.recipients.is_empty()) else {
            return self.write("503 RCPT first\r\n").await;
        };
        if !self.answer(Stage::Data, "354 go ahead").await? {
            return Ok(());
        }
        mail.text = self.content().await?;
        let refused =
            matches!(self.shared.acts.lock().unwrap().get(&Stage::Content), Some(Act::Say(_)));
        if !refused {
            self.shared.mails.lock().unwrap().push(mail);
        }
        self.answer(Stage::Content, "250 taken").await?;
        Ok(())
    }

    /// The lines up to the single dot, as they came but for the dots of RFC 5321 section 4.5.2.
    async fn content(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.socket.read_until(b'\n', &mut line).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            match line.as_slice() {
                b".\r\n" => return Ok(text),
                [b'.', rest @ ..] => text.extend_from_slice(rest),
                all => text.extend_from_slice(all),
            }
        }
    }
}

/// `FROM:<address> parameters`, taken apart.
fn address(rest: &str) -> (String, String) {
    let (_, rest) = rest.split_once('<').unwrap();
    let (address, parameters) = rest.split_once('>').unwrap();
    (address.to_owned(), parameters.trim().to_owned())
}

/// A certificate authority of its own.
pub(crate) struct TestCa {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl TestCa {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Its root certificate.
    pub(crate) fn pem(&self) -> String {
        self.pem.clone()
    }

    /// A certificate for `name` and its key, both in PEM, good until the end of `year`.
    pub(crate) fn certify(&self, name: &str, year: i32) -> (String, String) {
        let (certificate, key) = self.issue(name, year);
        (certificate.pem(), key.serialize_pem())
    }

    /// What a server called `name` needs.
    pub(crate) fn tls_until(&self, name: &str, year: i32) -> Arc<ServerConfig> {
        let (certificate, key) = self.issue(name, year);
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }

    pub(crate) fn tls(&self, name: &str) -> Arc<ServerConfig> {
        self.tls_until(name, 2999)
    }

    fn issue(&self, name: &str, year: i32) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 12, 31);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }
}
