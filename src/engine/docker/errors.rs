//! bollard's errors as ours.

use bollard::errors::Error;

use super::NO_LIMIT_SECONDS;
use crate::engine::{EngineError, Performed};

pub(super) fn translate(address: &str, error: Error) -> EngineError {
    let away = |reason: String| EngineError::Away {
        address: address.to_owned(),
        reason,
    };
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => match status_code {
            404 => EngineError::NotFound(message),
            409 => EngineError::Conflict(message),
            403 if message.contains("active endpoints") || message.contains("overlaps") => {
                EngineError::Conflict(message)
            }
            _ => EngineError::Other(message),
        },
        Error::HyperLegacyError { err } => match io_cause(&err) {
            Some(io) if io.kind() == std::io::ErrorKind::PermissionDenied => EngineError::Denied {
                address: address.to_owned(),
            },
            Some(io) => away(io.to_string()),
            None => away(innermost(&err)),
        },
        Error::HyperResponseError { err } => away(innermost(&err)),
        Error::IOError { err } => away(innermost(&err)),
        Error::SocketNotFoundError(reason) => away(reason),
        Error::RequestTimeoutError => EngineError::Slow {
            what: "a request".to_owned(),
            seconds: NO_LIMIT_SECONDS,
        },
        Error::DockerStreamError { error } => EngineError::Other(error),
        other => EngineError::Other(other.to_string()),
    }
}

pub(super) fn io_cause<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> Option<&'a std::io::Error> {
    std::iter::successors(Some(error), |error| error.source())
        .find_map(|error| error.downcast_ref::<std::io::Error>())
}

pub(super) fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |error| error.source())
        .last()
        .map_or_else(String::new, ToString::to_string)
}

/// A thing that is not there is an answer, not an error.
pub(super) fn found<T>(answer: Result<T, EngineError>) -> Result<Option<T>, EngineError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(EngineError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removing what is gone is done.
pub(super) fn gone(answer: Result<(), EngineError>) -> Result<Performed, EngineError> {
    found(answer).map(|_| Performed::Done)
}
