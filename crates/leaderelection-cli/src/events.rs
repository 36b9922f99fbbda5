//! `--events`: Kubernetes' Events about the election, where the lock is there.

#[cfg(feature = "kube")]
pub(crate) use leaderelection_kube::EventRecorder as Recorder;

/// Without Kubernetes nothing records.
#[cfg(not(feature = "kube"))]
pub(crate) use std::convert::Infallible as Recorder;

use std::time::Duration;

use leaderelection::LeaderElector;

/// Who is named as the source of the Events.
#[cfg(feature = "kube")]
pub(crate) const COMPONENT: &str = "leaderelect";

/// How long the end of the program may wait for the last Event, when the lease is released already.
pub(crate) const LAST: Duration = Duration::from_secs(1);

/// Events that are being written, if they are.
pub(crate) struct Recording {
    #[cfg(feature = "kube")]
    recording: Option<leaderelection_kube::EventRecording>,
}

#[cfg(feature = "kube")]
impl Recording {
    pub(crate) fn start(recorder: Option<Recorder>, elector: &LeaderElector) -> Result<Self, String> {
        let recording = recorder.map(|recorder| recorder.record(elector)).transpose();
        Ok(Self {
            recording: recording.map_err(|error| error.to_string())?,
        })
    }

    /// When the election has ended.
    pub(crate) async fn finish(self) {
        if let Some(recording) = self.recording
            && !recording.finish(LAST).await
        {
            tracing::warn!("the last Event was not written within {LAST:?}");
        }
    }
}

#[cfg(not(feature = "kube"))]
impl Recording {
    pub(crate) fn start(recorder: Option<Recorder>, _: &LeaderElector) -> Result<Self, String> {
        match recorder {
            None => Ok(Self {}),
            Some(never) => match never {},
        }
    }

    pub(crate) async fn finish(self) {}
}
