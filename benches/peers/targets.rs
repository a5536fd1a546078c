//! What is measured, and how each of them is started.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::dialect::Dialect;

/// Which password hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Hash {
    /// Argon2id m=19456 KiB, t=2, p=1 on all sides.
    Equal,
    /// Each its own default.
    Default,
}

pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Its folder here; none for this project.
    pub(crate) peer: Option<&'static str>,
    pub(crate) store: Store,
    /// What it hashes with where it may choose.
    pub(crate) default_hash: &'static str,
    pub(crate) dialect: Dialect,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Memory,
    Sqlite,
}

const ARGON2ID: &str = "Argon2id m=19456 t=2 p=1";
const SCRYPT: &str = "scrypt N=16384 r=16 p=1";

pub(crate) const TARGETS: [Target; 9] = [
    Target {
        name: "this project, memory",
        peer: None,
        store: Store::Memory,
        default_hash: ARGON2ID,
        dialect: Dialect::Ours,
    },
    Target {
        name: "this project, SQLite",
        peer: None,
        store: Store::Sqlite,
        default_hash: ARGON2ID,
        dialect: Dialect::Ours,
    },
    Target {
        name: "axum-login, memory",
        peer: Some("axum-login"),
        store: Store::Memory,
        default_hash: ARGON2ID,
        dialect: Dialect::AxumLogin,
    },
    Target {
        name: "rustauth, memory",
        peer: Some("rustauth"),
        store: Store::Memory,
        default_hash: SCRYPT,
        dialect: Dialect::BetterAuth,
    },
    Target {
        name: "rustauth, SQLite",
        peer: Some("rustauth"),
        store: Store::Sqlite,
        default_hash: SCRYPT,
        dialect: Dialect::BetterAuth,
    },
    Target {
        name: "torii, SQLite",
        peer: Some("torii"),
        store: Store::Sqlite,
        default_hash: ARGON2ID,
        dialect: Dialect::Torii,
    },
    Target {
        name: "better-auth, SQLite",
        peer: Some("better-auth"),
        store: Store::Sqlite,
        default_hash: SCRYPT,
        dialect: Dialect::BetterAuth,
    },
    Target {
        name: "fastapi-users, SQLite",
        peer: Some("fastapi-users"),
        store: Store::Sqlite,
        default_hash: "Argon2id m=65536 t=3 p=4",
        dialect: Dialect::FastapiUsers,
    },
    Target {
        name: "Django + allauth, SQLite",
        peer: Some("django-allauth"),
        store: Store::Sqlite,
        default_hash: "PBKDF2-SHA256, 1,000,000 iterations",
        dialect: Dialect::Allauth,
    },
];

/// Where things are.
pub(crate) struct Places {
    /// Our server.
    pub(crate) server: PathBuf,
    /// The peers' folder.
    pub(crate) peers: PathBuf,
    /// The peers that cargo built.
    pub(crate) built: PathBuf,
    /// For databases; gone at the end.
    pub(crate) scratch: PathBuf,
}

impl Target {
    pub(crate) const fn is_ours(&self) -> bool {
        self.peer.is_none()
    }

    pub(crate) const fn hash(&self, hash: Hash) -> &'static str {
        match hash {
            Hash::Equal => ARGON2ID,
            Hash::Default => self.default_hash,
        }
    }

    /// The program that must be there.
    fn program(&self, places: &Places) -> PathBuf {
        let folder = |peer: &str| places.peers.join(peer);
        match self.peer {
            None => places.server.clone(),
            Some(peer @ "better-auth") => folder(peer).join("node_modules/.package-lock.json"),
            Some(peer @ "fastapi-users") => folder(peer).join("venv/bin/uvicorn"),
            Some(peer @ "django-allauth") => folder(peer).join("venv/bin/gunicorn"),
            Some(peer) => places.built.join("release").join(format!("{peer}-peer")),
        }
    }

    pub(crate) fn is_installed(&self, places: &Places) -> bool {
        self.program(places).exists()
    }

    /// What has to be done before it is started: its two workers would both make the tables.
    pub(crate) fn before(&self, places: &Places, hash: Hash, database: &Path) -> Option<Command> {
        let peer = self.peer.filter(|peer| matches!(*peer, "django-allauth" | "fastapi-users"))?;
        let mut command = Command::new(places.peers.join(peer).join("venv/bin/python"));
        command.args(["app.py", "migrate"]);
        self.configure(&mut command, places, hash, database, 0);
        Some(command)
    }

    pub(crate) fn command(
        &self,
        places: &Places,
        hash: Hash,
        database: &Path,
        port: u16,
    ) -> Command {
        let program = self.program(places);
        let mut command = match self.peer {
            Some("better-auth") => Command::new("node"),
            _ => Command::new(program),
        };
        let address = format!("127.0.0.1:{port}");
        match self.peer {
            Some("better-auth") => command.arg("server.mjs"),
            Some("fastapi-users") => command
                .args(["app:app", "--host", "127.0.0.1", "--port", &port.to_string()])
                .args(["--workers", "2", "--log-level", "error", "--no-access-log"]),
            Some("django-allauth") => command
                .args(["app:application", "-b", &address, "-w", "2", "-k", "gthread"])
                .args(["--threads", "8", "--keep-alive", "60", "--log-level", "error"]),
            _ => &mut command,
        };
        self.configure(&mut command, places, hash, database, port);
        command
    }

    fn configure(
        &self,
        command: &mut Command,
        places: &Places,
        hash: Hash,
        database: &Path,
        port: u16,
    ) {
        let (memory, path) = (self.store == Store::Memory, database.display());
        match self.peer {
            None => {
                let store = if memory { "memory".to_owned() } else { format!("sqlite:{path}") };
                command
                    .current_dir(&places.scratch)
                    .env("AUTH_LISTEN", format!("127.0.0.1:{port}"))
                    .env("AUTH_STORE", store)
                    .env("AUTH_MASTER_SECRET", "c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3JlIGhlcmU=")
                    .env("AUTH_HASH_THREADS", "2")
                    // All wait, as they do with the peers, instead of half of them being told to come back.
                    .env("AUTH_HASH_QUEUE", "64")
                    .env("AUTH_RATE_LIMITS", "off");
            }
            Some(peer) => {
                let database = match peer {
                    "better-auth" => format!("sqlite:{path}"),
                    _ => path.to_string(),
                };
                command
                    .current_dir(places.peers.join(peer))
                    .env("NODE_ENV", "production")
                    .env("PORT", port.to_string())
                    .env("HASH", if hash == Hash::Equal { "equal" } else { "default" });
                if !memory {
                    command.env("DATABASE", database);
                }
            }
        }
    }
}
