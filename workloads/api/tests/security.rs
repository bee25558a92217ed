//! Brokers are spoken to as configured: encrypted, and with AWS credentials.

mod support;

use support::iam::{Credentials, Gate};
use support::{Api, Broker, event};

/// A certificate for `localhost`, as PEM, and its key.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// A broker that is reached through a gate only. Tests read from it without.
fn behind(gate: &Gate) -> Broker {
    Broker::behind(gate.port(), |port| gate.open(port))
}

#[test]
fn brokers_are_trusted_by_their_certificate() {
    let (certificate, key) = certificate();
    let gate = Gate::start(&certificate, &key, false);
    let broker = behind(&gate);
    let brokers = format!("localhost:{}", gate.port());
    let trusted = [("KAFKA_SECURITY", "tls"), ("KAFKA_CA_PEM", certificate.as_str())];
    let place = Api::with_brokers(&brokers, &trusted).client().post(&event("1")).places()[0].1;
    assert_eq!(place, (place.0, 0));
    // Public authorities have not signed it.
    let mut api = Api::with_brokers(&brokers, &[("KAFKA_SECURITY", "tls"), ("DELIVERY_TIMEOUT", "1")]);
    assert_eq!(api.client().get("/healthz").status, 503);
    assert_eq!(api.client().post(&event("2")).problem(), "not-acknowledged");
    assert!(api.until_logged("brokers not reached")["error"].is_string());
    drop(broker);
}

#[test]
fn brokers_get_tokens_that_are_signed_with_the_tasks_credentials() {
    let (certificate, key) = certificate();
    let gate = Gate::start(&certificate, &key, true);
    let _broker = behind(&gate);
    let credentials = Credentials::start();
    let address = credentials.address();
    let variables = [
        ("KAFKA_SECURITY", "iam"),
        ("KAFKA_CA_PEM", certificate.as_str()),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", address.as_str()),
    ];
    let api = Api::with_brokers(&format!("localhost:{}", gate.port()), &variables);
    let place = api.client().post(&event("1")).places()[0].1;
    assert_eq!(place, (place.0, 0));
    let token = gate.token();
    assert!(
        token.starts_with("https://kafka.eu-west-1.amazonaws.com/?Action=kafka-cluster%3AConnect"),
        "{token}"
    );
    assert!(token.contains("X-Amz-Credential=TESTKEY%2F"), "{token}");
    assert!(token.contains("%2Feu-west-1%2Fkafka-cluster%2Faws4_request"), "{token}");
    assert!(token.contains("X-Amz-Security-Token=TESTTOKEN"), "{token}");
}

#[test]
fn without_credentials_it_says_so() {
    let variables =
        [("KAFKA_SECURITY", "iam"), ("AWS_REGION", "eu-west-1"), ("AWS_EC2_METADATA_DISABLED", "true")];
    let mut api = Api::with_brokers("localhost:1", &variables);
    let error = api.until_logged("no token for the brokers")["error"].to_string();
    assert!(error.contains("no AWS credentials; on ECS they come from the task's role"), "{error}");
    assert_eq!(api.client().get("/healthz").status, 503);
}
