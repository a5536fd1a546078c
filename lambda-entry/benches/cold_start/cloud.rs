//! A Secrets Manager with two secrets and a DynamoDB, bare and behind TLS.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener as AsyncListener, TcpStream as AsyncStream};
use tokio::runtime::Runtime;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::dynamo::Dynamo;
use crate::requests::{Account, login, register};
use crate::run::{Lambda, read_request, respond};

const COMPATIBILITY_ARN: &str =
    "arn:aws:secretsmanager:us-east-1:123456789012:secret:shared-GhIjKl";
const AMAZON_ROOTS: &str = include_str!("../../../adapters-aws/src/amazon-roots.pem");

pub(crate) struct Cloud {
    runtime: Runtime,
    dynamo: Dynamo,
    plain: Vec<(&'static str, String)>,
    secured: Vec<(&'static str, String)>,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let dynamo = runtime.block_on(Dynamo::start("alcolook-"));
        let secrets = serve_secrets();
        let (acceptor, roots) = authority();
        let held_back = std::env::var("AUTH_BENCH_AWS_MS").map_or(0, |text| text.parse().unwrap());
        let secured = |endpoint: &str| {
            let wire = Wire {
                acceptor: acceptor.clone(),
                server: endpoint.strip_prefix("http://").unwrap().to_owned(),
                held_back: Duration::from_millis(held_back),
            };
            runtime.block_on(wire.start())
        };
        Self {
            plain: endpoints(&dynamo.endpoint, &secrets).to_vec(),
            secured: endpoints(&secured(&dynamo.endpoint), &secured(&secrets))
                .into_iter()
                .chain([
                    ("AUTH_AWS_ROOTS", "system".to_owned()),
                    ("AUTH_COMPATIBILITY_SECRET_ARN", COMPATIBILITY_ARN.to_owned()),
                    ("SSL_CERT_FILE", roots.to_str().unwrap().to_owned()),
                ])
                .collect(),
            dynamo,
            runtime,
        }
    }

    /// Where a program finds them.
    pub(crate) fn plain(&self) -> &[(&'static str, String)] {
        &self.plain
    }

    /// Where a program finds them behind TLS, as AWS is, whom it trusts there, and that it needs both secrets.
    pub(crate) fn secured(&self) -> &[(&'static str, String)] {
        &self.secured
    }

    /// Accounts that have never logged in, but the one that all of them are copies of and whose token they share.
    pub(crate) fn accounts(&self, lambda: &Lambda, program: &Path, count: usize) -> Vec<Account> {
        let mut run = lambda.run(Command::new(program), self.plain());
        run.answer(&register("ann@example.com"));
        let (_, answer) = run.answer(&login("ann@example.com"));
        let token = answer["access_token"].as_str().unwrap();
        let copy = |number| {
            let email = format!("ann{number}@example.com");
            self.runtime.block_on(self.copy_of_ann(number, &email));
            Account { email, token: token.to_owned() }
        };
        (0..count).map(copy).collect()
    }

    async fn copy_of_ann(&self, number: usize, email: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let users = "alcolook-users";
        let ann = self.dynamo.client.get_item().table_name(users);
        let ann = ann.key("email", text("ann@example.com")).send().await.unwrap().item.unwrap();
        self.dynamo
            .client
            .put_item()
            .table_name(users)
            .set_item(Some(ann))
            .item("email", text(email))
            .item("user_id", text(&format!("00000000-0000-4000-8000-{number:012}")))
            .send()
            .await
            .unwrap();
    }
}

fn endpoints(dynamo: &str, secrets: &str) -> [(&'static str, String); 2] {
    [
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamo.to_owned()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", secrets.to_owned()),
    ]
}

/// A server of an authority of its own for `localhost`, and a file with Amazon's roots and that authority's.
fn authority() -> (TlsAcceptor, PathBuf) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let roots = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cold-start-roots.pem");
    fs::write(&roots, format!("{AMAZON_ROOTS}{}", issuer.pem())).unwrap();
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

/// What stands between a program and a server that speaks no TLS.
#[derive(Clone)]
struct Wire {
    acceptor: TlsAcceptor,
    server: String,
    held_back: Duration,
}

impl Wire {
    async fn start(self) -> String {
        let listener = AsyncListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(self.clone().carry(client));
            }
        });
        format!("https://localhost:{port}")
    }

    async fn carry(self, client: AsyncStream) {
        client.set_nodelay(true).unwrap();
        self.hold_back().await;
        // A program that is killed ends its connections in the middle.
        let Ok(client) = self.acceptor.accept(client).await else { return };
        let server = AsyncStream::connect(&self.server).await.unwrap();
        server.set_nodelay(true).unwrap();
        let (mut from_client, mut to_client) = tokio::io::split(client);
        let (mut from_server, mut to_server) = server.into_split();
        let asked = async { copy(&mut from_client, &mut to_server).await.map(drop) };
        let answered = async {
            let mut part = [0; 16 * 1024];
            loop {
                let length = from_server.read(&mut part).await?;
                if length == 0 {
                    return std::io::Result::Ok(());
                }
                self.hold_back().await;
                to_client.write_all(&part[..length]).await?;
                to_client.flush().await?;
            }
        };
        tokio::select! { _ = asked => {}, _ = answered => {} }
    }

    async fn hold_back(&self) {
        if !self.held_back.is_zero() {
            sleep(self.held_back).await;
        }
    }
}

fn serve_secrets() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut byte = [0];
                while stream.peek(&mut byte).is_ok_and(|read| read > 0) {
                    let request = read_request(&mut stream);
                    respond(&mut stream, "", &secret(request.contains(COMPATIBILITY_ARN)));
                }
            });
        }
    });
    endpoint
}

fn secret(is_shared: bool) -> String {
    let text = if is_shared { "fedcba9876543210" } else { "0123456789abcdef" }.repeat(2);
    format!(r#"{{"ARN":"arn","Name":"secret","VersionId":"1","SecretString":"{text}"}}"#)
}
