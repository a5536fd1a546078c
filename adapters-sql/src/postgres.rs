use std::sync::Arc;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{
    PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow, PgSslMode, Postgres,
};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{Instant, timeout, timeout_at};

use crate::SqlSettings;
use crate::fault::SqlFault;
use crate::statement::{Row, Statement};
use crate::store::SqlStoreError;

pub(crate) struct PostgresDatabase {
    pub(crate) pool: PgPool,
    transaction_pooler: bool,
}

impl PostgresDatabase {
    /// The first connection is made at once, and by itself: a pool would hide why there is none.
    pub(crate) async fn connect(url: &str, settings: &SqlSettings) -> Result<Self, SqlStoreError> {
        let options = postgres_options(url, settings)?;
        let first = timeout(settings.deadline, options.connect()).await;
        let first = first.map_err(|_| SqlFault::NoAnswer)?.map_err(SqlFault::from)?;
        first.close().await.map_err(SqlFault::from)?;
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections.max(1))
            .acquire_timeout(settings.deadline)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self::over(pool, settings))
    }

    pub(crate) fn over(pool: PgPool, settings: &SqlSettings) -> Self {
        Self { pool, transaction_pooler: settings.transaction_pooler }
    }

    /// Over one connection after the other: after a restart of the server every one of the pool is dead, and
    /// each is found out by using it.
    pub(crate) async fn run(
        &self,
        statement: &Arc<Statement>,
        end: Instant,
    ) -> Result<Vec<Row>, SqlFault> {
        let mut dead = 0;
        loop {
            let acquired = timeout_at(end, self.pool.acquire()).await;
            let connection = acquired.map_err(|_| SqlFault::NoneFree)??;
            // In a task of its own: a caller who goes away would leave a connection behind that is in the
            // middle of an answer. What is sent goes on; it is not sent again.
            let sent = send(connection, Arc::clone(statement), self.transaction_pooler, end);
            let ended = |_| SqlFault::NoConnection("the runtime has ended".to_owned());
            match tokio::spawn(sent).await.map_err(ended)? {
                Err(SqlFault::NoConnection(_))
                    if dead < self.pool.options().get_max_connections() =>
                {
                    dead += 1;
                }
                answer => return answer,
            }
        }
    }
}

/// A connection that breaks, or gives no answer in time, is not used again.
async fn send(
    mut connection: PoolConnection<Postgres>,
    statement: Arc<Statement>,
    transaction_pooler: bool,
    end: Instant,
) -> Result<Vec<Row>, SqlFault> {
    let answer = async {
        if transaction_pooler {
            in_transaction(&statement, &mut connection).await
        } else {
            Ok(statement.to_postgres().fetch_all(&mut *connection).await?)
        }
    };
    let answer = timeout_at(end, answer).await.unwrap_or(Err(SqlFault::NoAnswer));
    if let Err(SqlFault::NoAnswer | SqlFault::NoConnection(_)) = answer {
        drop(connection.detach());
    }
    Ok(answer?.into_iter().map(Row::Postgres).collect())
}

/// Everything on one connection of the server, and nothing left there for a next time.
async fn in_transaction(
    statement: &Statement,
    connection: &mut PgConnection,
) -> Result<Vec<PgRow>, SqlFault> {
    let mut transaction = connection.begin().await?;
    let query = statement.to_postgres().persistent(false);
    let rows = query.fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(rows)
}

/// Settings of a connection that keeps what [`SqlStore`](crate::SqlStore) promises, for a pool of your own.
///
/// A server on another machine is reached by TLS and its name is verified (`sslmode=verify-full`, against the
/// roots of browsers or those of `sslrootcert`), unless the URL says `sslmode=disable`, `require` or
/// `verify-ca`. No statement is logged. The server gives a statement up that takes longer than
/// [`SqlSettings::deadline`], so that nothing is written much later than its caller was told that it failed
/// (but not behind a [`SqlSettings::transaction_pooler`], which passes no such setting on: set
/// `statement_timeout` for the role there).
///
/// A pool over it needs no `test_before_acquire`: a statement that meets a dead connection is sent again.
///
/// # Errors
/// [`SqlStoreError::Url`], which does not show it, or [`SqlStoreError::Deadline`].
pub fn postgres_options(
    url: &str,
    settings: &SqlSettings,
) -> Result<PgConnectOptions, SqlStoreError> {
    settings.check()?;
    let options: PgConnectOptions =
        url.parse().map_err(|_| SqlStoreError::Url("postgres://user:password@host/database"))?;
    let options = match options.get_application_name() {
        None => options.application_name("auth"),
        Some(_) => options,
    };
    let options = options.disable_statement_logging();
    let options = if settings.transaction_pooler {
        // Poolers refuse parameters that they do not know.
        options.statement_cache_capacity(0).extra_float_digits(None)
    } else {
        let deadline = settings.deadline.as_millis().to_string();
        options.options([("statement_timeout", &deadline)])
    };
    let is_here = options.get_socket().is_some() || is_this_machine(options.get_host());
    // The two modes that would speak in the clear to whoever asks for it.
    Ok(match options.get_ssl_mode() {
        PgSslMode::Allow | PgSslMode::Prefer if !is_here => options.ssl_mode(PgSslMode::VerifyFull),
        _ => options,
    })
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || host.starts_with('/') || address.is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(url: &str, mode: &str) -> bool {
        let options = postgres_options(url, &SqlSettings::default()).unwrap();
        format!("{:?}", options.get_ssl_mode()) == mode
    }

    #[test]
    fn a_server_elsewhere_is_reached_by_tls_or_not_at_all() {
        for host in ["db.example.com", "10.0.0.7", "localhost.example.com", "[2001:db8::1]"] {
            assert!(is_in(&format!("postgres://auth@{host}/auth"), "VerifyFull"), "{host}");
            for weak in ["prefer", "allow"] {
                let url = format!("postgres://auth@{host}/auth?sslmode={weak}");
                assert!(is_in(&url, "VerifyFull"), "{url}");
            }
        }
        assert!(is_in("postgres://auth@db.example.com/auth?sslmode=disable", "Disable"));
        assert!(is_in("postgres://auth@db.example.com/auth?sslmode=verify-ca", "VerifyCa"));
        for here in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"] {
            assert!(is_in(&format!("postgres://auth@{here}/auth"), "Prefer"), "{here}");
        }
        assert!(is_in("postgres://auth@localhost/auth?host=/run/postgresql", "Prefer"));
    }
}
