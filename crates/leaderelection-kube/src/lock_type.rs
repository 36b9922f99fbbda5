//! The public type of a lock, which is the same for every kind of object.

/// Makes the type of the locks that one method of `KubeConnection` opens.
macro_rules! lock_type {
    ($(#[$documentation:meta])* $Lock:ident, opened by $open:ident) => {
        $(#[$documentation])*
        #[derive(Clone)]
        pub struct $Lock {
            object: $crate::object::ObjectLock,
        }

        impl $Lock {
            /// A lock on a client that you made. For several locks on one client see [`KubeConnection::from_client`], too.
            ///
            /// [`KubeConnection::from_client`]: crate::KubeConnection::from_client
            ///
            /// # Errors
            /// When Kubernetes does not allow such a name.
            pub fn new(
                client: kube::Client,
                namespace: impl Into<String>,
                name: impl Into<String>,
            ) -> Result<Self, $crate::SetupError> {
                $crate::KubeConnection::from_client(client).$open(namespace, name)
            }

            /// Adds labels that the object is created with. One that exists keeps its own.
            ///
            /// # Errors
            /// When Kubernetes does not allow such a label.
            pub fn with_labels<K: Into<String>, V: Into<String>>(
                mut self,
                labels: impl IntoIterator<Item = (K, V)>,
            ) -> Result<Self, $crate::SetupError> {
                for (key, value) in labels {
                    self.object.creation().add_label(key.into(), value.into())?;
                }
                Ok(self)
            }

            /// Adds an owner that the object is created with, so that Kubernetes deletes it when the last of its owners is
            /// gone. It has to be in the same namespace, or in none. An object that exists keeps its own owners.
            ///
            /// Only an owner that outlives every candidate, such as a ConfigMap or an object of your own: never a candidate's
            /// pod, nor their ReplicaSet, Deployment or StatefulSet. Kubernetes deletes the record as soon as the owner is gone,
            /// also while a candidate leads, and then two may lead (SAFETY 18). An owner whose uid no longer exists, or that is
            /// in another namespace, counts as gone from the start. Where it says `blockOwnerDeletion`, a cluster may ask for the
            /// permission to update the owner's finalizers, and refuse to create the object without it.
            ///
            /// # Errors
            /// When a field that a reference needs is empty, or a second one is to be the controller.
            pub fn with_owner_reference(
                mut self,
                owner: k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference,
            ) -> Result<Self, $crate::SetupError> {
                self.object.creation().add_owner(owner)?;
                Ok(self)
            }

            /// In whose name the record is written (`managedFields`); `leaderelection` unless said.
            ///
            /// # Errors
            /// When it is empty, longer than 128 bytes, or has characters that cannot be printed.
            pub fn with_field_manager(
                mut self,
                name: impl Into<String>,
            ) -> Result<Self, $crate::SetupError> {
                self.object.creation().set_field_manager(name.into())?;
                Ok(self)
            }

            pub(crate) fn on(
                connection: $crate::KubeConnection,
                reference: $crate::LockRef,
            ) -> Self {
                Self {
                    object: $crate::object::ObjectLock::new(&connection, reference),
                }
            }

            /// The namespace of the object.
            pub fn namespace(&self) -> &str {
                self.object.reference().namespace()
            }

            /// The name of the object.
            pub fn name(&self) -> &str {
                self.object.reference().name()
            }
        }

        #[async_trait::async_trait]
        impl leaderelection::ResourceLock for $Lock {
            async fn get(&self) -> Result<leaderelection::Observation, leaderelection::LockError> {
                self.object.get().await
            }

            async fn compare_and_swap(
                &self,
                expected: leaderelection::Expected,
                record: &leaderelection::LeaderElectionRecord,
            ) -> Result<leaderelection::Swap, leaderelection::LockError> {
                self.object.swap(expected, record).await
            }

            async fn watch(
                &self,
            ) -> Result<Option<leaderelection::ObservationStream>, leaderelection::LockError> {
                $crate::watch::open(&self.object).await.map(Some)
            }

            fn describe(&self) -> String {
                self.object.reference().to_string()
            }

            fn capabilities(&self) -> leaderelection::Capabilities {
                leaderelection::Capabilities::LEAST
                    .with_watch()
                    .with_equal_write_is_noop()
                    .with_empty_object()
            }
        }

        impl std::fmt::Debug for $Lock {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let reference = self.object.reference().to_string();
                f.debug_tuple(stringify!($Lock)).field(&reference).finish()
            }
        }
    };
}
pub(crate) use lock_type;
