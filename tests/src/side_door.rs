//! A plain client of etcd: what other programs, operators and mistakes do to the key of a lock.

use etcd_client::{Client, Error};

/// The key of a lock, without the lock.
#[derive(Clone)]
pub struct SideDoor {
    client: Client,
    key: String,
}

impl SideDoor {
    /// A client of its own for this key.
    ///
    /// # Errors
    /// Not when etcd is down, but as etcd's client.
    pub async fn open(endpoint: impl AsRef<str>, key: impl Into<String>) -> Result<Self, Error> {
        Ok(Self {
            client: Client::connect([endpoint.as_ref()], None).await?,
            key: key.into(),
        })
    }

    /// Overwrites the value, and returns its revision.
    ///
    /// # Errors
    /// When etcd fails, as all methods here.
    pub async fn put(&self, value: impl Into<Vec<u8>>) -> Result<u64, Error> {
        let put = self
            .client
            .kv_client()
            .put(self.key.as_str(), value, None)
            .await?;
        Ok(put.header().map_or(0, |header| header.revision().unsigned_abs()))
    }

    /// Writes a value of another key, and returns its revision.
    ///
    /// # Errors
    /// When etcd fails.
    pub async fn put_elsewhere(&self) -> Result<u64, Error> {
        let put = self
            .client
            .kv_client()
            .put(format!("{}-elsewhere", self.key), "", None)
            .await?;
        Ok(put.header().map_or(0, |header| header.revision().unsigned_abs()))
    }

    /// The value and its revision.
    ///
    /// # Errors
    /// When etcd fails.
    pub async fn get(&self) -> Result<Option<(Vec<u8>, u64)>, Error> {
        let read = self.client.kv_client().get(self.key.as_str(), None).await?;
        Ok(read
            .kvs()
            .first()
            .map(|pair| (pair.value().to_vec(), pair.mod_revision().unsigned_abs())))
    }

    /// Writes the value that is there: a new revision of an equal record.
    ///
    /// # Errors
    /// When etcd fails.
    pub async fn touch(&self) -> Result<Option<u64>, Error> {
        match self.get().await? {
            Some((value, _)) => self.put(value).await.map(Some),
            None => Ok(None),
        }
    }

    /// Deletes the key, and returns the revision of that.
    ///
    /// # Errors
    /// When etcd fails.
    pub async fn delete(&self) -> Result<u64, Error> {
        let deleted = self.client.kv_client().delete(self.key.as_str(), None).await?;
        Ok(deleted
            .header()
            .map_or(0, |header| header.revision().unsigned_abs()))
    }

    /// Forgets what was before this revision.
    ///
    /// # Errors
    /// When etcd fails.
    pub async fn compact(&self, revision: u64) -> Result<(), Error> {
        let revision = i64::try_from(revision).unwrap_or(i64::MAX);
        self.client.kv_client().compact(revision, None).await.map(drop)
    }
}
