//! What is refused over HTTP.

use std::collections::BTreeSet;

use crate::wire::HttpError;

#[test]
fn errors_have_the_words_and_the_status_of_the_contract() {
    let all = [
        (
            HttpError::MissingAuthenticationHeaders,
            401,
            "Missing authentication headers",
            "missing_authentication_headers",
        ),
        (
            HttpError::UnknownConnectorToken,
            401,
            "Connector token does not exist",
            "connector_token_does_not_exist",
        ),
        (
            HttpError::NoHostRegistered,
            401,
            "Connector missing host domain",
            "connector_missing_host_domain",
        ),
        (
            HttpError::HostMismatch,
            401,
            "Failed to validate connector",
            "failed_to_validate_connector",
        ),
        (
            HttpError::TokenNotCreated,
            500,
            "Failed to create access token",
            "failed_to_create_access_token",
        ),
        (HttpError::MissingAccessToken, 400, "Missing access token", "missing_access_token"),
        (HttpError::InvalidAccessToken, 401, "Invalid access token", "invalid_access_token"),
        (HttpError::UnreadableRequest, 400, "Error parsing request", "error_parsing_request"),
        (HttpError::SessionNotCreated, 500, "Failed to create session", "failed_to_create_session"),
        (HttpError::TurnNotStopped, 500, "Failed to stop turn", "failed_to_stop_turn"),
        (HttpError::RateLimited { retry_after_ms: 1 }, 429, "Rate limit exceeded", "rate_limited"),
        (
            HttpError::MissingParameters,
            400,
            "invalid connection parameters",
            "invalid_connection_parameters",
        ),
        (HttpError::NotAuthenticated, 401, "authentication failed", "authentication_failed"),
        (HttpError::UnknownSession, 404, "session not found", "session_not_found"),
        (
            HttpError::TooManyConnections { retry_after_ms: 1 },
            429,
            "connection limit exceeded for session",
            "connection_limit_exceeded",
        ),
        (HttpError::UnknownPath, 404, "not found", "not_found"),
        (HttpError::WrongMethod, 405, "method not allowed", "method_not_allowed"),
    ];
    let codes: BTreeSet<&str> = all.iter().map(|(error, ..)| error.code()).collect();
    assert_eq!(codes, HttpError::CODES.iter().copied().collect());
    for (error, status, text, code) in all {
        assert_eq!(error.status(), status, "{text}");
        let body = format!(
            r#"{{"error":"{text}","message":"{text}","code":"{code}","correlation_id":"a\"b"}}"#
        );
        assert_eq!(error.body("a\"b"), body);
        assert_eq!(error.retry_after_seconds().is_some(), status == 429, "{text}");
    }
}

#[test]
fn retry_after_is_in_whole_seconds_up_to_thirty() {
    for (ms, seconds) in
        [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (29_001, 30), (31_000, 30), (u64::MAX, 30)]
    {
        for error in [
            HttpError::RateLimited { retry_after_ms: ms },
            HttpError::TooManyConnections { retry_after_ms: ms },
        ] {
            assert_eq!(error.retry_after_seconds(), Some(seconds), "{ms} ms");
        }
    }
}
