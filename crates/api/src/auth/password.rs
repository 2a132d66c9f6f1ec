//! Password hashing: argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane; the crate's defaults), on blocking
//! threads, a bounded number at a time.
use std::sync::Arc;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

use crate::error::{ApiError, ApiResult, Code};

/// Shortest password taken; see NIST SP 800-63B §5.1.1: length matters, composition rules do not.
pub const SHORTEST: usize = 10;
/// Hashing costs time in proportion; nobody types more.
pub const LONGEST: usize = 200;
/// Each takes 19 MiB and about 30 ms of one core.
const AT_ONCE: usize = 4;
/// Waiting longer than this means an attack or a storm; tell the client to come back.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    /// Verified when the login is unknown, so that both answers take the same time.
    decoy: Arc<str>,
}

impl Passwords {
    pub fn new() -> ApiResult<Self> {
        Ok(Self { slots: Arc::new(Semaphore::new(AT_ONCE)), decoy: hash_now("no such login")?.into() })
    }

    /// PHC text of a new password.
    pub async fn hash(&self, password: &str) -> ApiResult<String> {
        let length = password.chars().count();
        if length < SHORTEST || password.len() > LONGEST {
            return Err(Code::PasswordWeak.into());
        }
        let password = password.to_owned();
        self.run(move || hash_now(&password)).await?
    }

    /// Whether `password` is the one of `hash`; without a hash it takes as long and says no.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> ApiResult<bool> {
        if password.len() > LONGEST {
            return Ok(false);
        }
        let known = hash.is_some();
        let (password, hash) = (password.to_owned(), hash.unwrap_or(&self.decoy).to_owned());
        let matches = self
            .run(move || {
                PasswordHash::new(&hash)
                    .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
            })
            .await?;
        Ok(matches && known)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
        let slot = tokio::time::timeout(PATIENCE, self.slots.clone().acquire_owned())
            .await
            .map_err(|_| ApiError::from(Code::Overloaded).retry_after(5))?
            .map_err(|e| ApiError::internal(&e))?;
        let result = tokio::task::spawn_blocking(work).await.map_err(|e| ApiError::internal(&e));
        drop(slot);
        result
    }
}

fn hash_now(password: &str) -> ApiResult<String> {
    match Argon2::default().hash_password(password.as_bytes()) {
        Ok(hash) => Ok(hash.to_string()),
        Err(e) => {
            tracing::error!(error = %e, "a password cannot be hashed");
            Err(Code::Internal.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_login_verifies() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash("correct horse").await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify("correct horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("wrong horse", Some(&hash)).await.unwrap());
        assert!(!passwords.verify("no such login", None).await.unwrap());
        assert_eq!(passwords.hash("short").await.unwrap_err().code, "login.password_weak");
    }
}
