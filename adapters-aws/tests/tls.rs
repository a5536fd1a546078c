//! Whom the clients trust.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use adapters_aws::dynamodb::DynamoUsers;
use adapters_aws::{AwsFault, AwsSettings, clients};
use auth_domain::ports::UserStore;
use auth_domain::{Email, PortErrorKind};
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A server for `localhost` whose certificate nobody signed but itself; counts finished handshakes.
async fn impostor() -> (SocketAddr, Arc<AtomicUsize>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let trusted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&trusted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if acceptor.accept(stream).await.is_ok() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    (address, trusted)
}

#[tokio::test]
async fn nobody_but_amazon_is_taken_for_aws() {
    let (address, trusted) = impostor().await;
    let config = AwsSettings::default().load().await.unwrap().into_builder();
    let config = config
        .endpoint_url(format!("https://localhost:{}", address.port()))
        .region(Region::from_static("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .build();
    let users = DynamoUsers::new(clients::dynamodb(&config), "users");
    let error = users.find_by_email(&Email::parse("ann@example.com").unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable);
    let cause = error.source().unwrap().downcast_ref::<AwsFault>().unwrap();
    assert!(matches!(cause, AwsFault::NoConnection(why) if why.contains("certificate")), "{cause}");
    assert_eq!(trusted.load(Ordering::SeqCst), 0);
}
