//! What is published names the token that it was said with, never the token.

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{LONG, Voice, command, header, payload, text};

#[tokio::test]
async fn an_event_names_the_token_that_it_was_said_with() {
    let secret = "a-token-of-the-front-desk";
    let hash: String = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
    let file = std::env::temp_dir().join(format!("tokens-{}", uuid::Uuid::now_v7()));
    std::fs::write(&file, format!("operator front-desk {hash}\n")).unwrap();
    let voice = Voice::with(&[("API_TOKENS_FILE", file.to_str().unwrap())]).await;
    let send = async |path: &str, body: String, kind: &str| {
        let request = voice.client.post(voice.url(path)).bearer_auth(secret).header("content-type", kind).body(body);
        assert_eq!(voice.send(request).await.status, 202);
    };
    let said = r#"PATIENT_CREATION: {"name": "Ada Byron"}"#.to_owned();
    send("/api/v1/calls/call-1/output", said, "text/plain").await;
    let data = json!({ "call_id": "call-2", "response_type": "PATIENT_CREATION", "data": { "name": "Grace Hopper" } });
    send("/api/v1/ai-responses", data.to_string(), "application/json").await;
    let records = voice.responses().await;
    assert_eq!(records.len(), 2);
    for record in &records {
        let event = payload(record);
        assert_eq!(
            (&event["metadata"]["actor"], &event["metadata"]["version"]),
            (&json!("token:front-desk"), &json!("1.1"))
        );
        assert!(header(record, "ce_dataschema").ends_with(":v1.1"));
        assert!(!event.to_string().contains(secret));
    }
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn without_tokens_it_is_whoever_is_on_the_machine_and_a_command_names_itself() {
    let voice = Voice::start().await;
    voice.say("call-1", r#"PATIENT_CREATION: {"name": "Ada Byron"}"#).await.extractions();
    let servers = test_kit::stack::kafka();
    let variables = [
        ("KAFKA_BOOTSTRAP_SERVERS", servers.as_str()),
        ("KAFKA_TOPIC_NAMESPACE", voice.names.namespace.as_str()),
        ("DATABASE_URL", voice.database.url()),
    ];
    let arguments =
        ["send", "--call-id", "call-2", "--type", "PATIENT_CREATION", "--data", r#"{"name": "Grace Hopper"}"#];
    let sent = command(&arguments, &variables);
    assert!(sent.status.success(), "{}", text(&sent.stderr));
    let actors = test_kit::wait::wait_for("both are there", LONG, || async {
        let records = voice.responses().await;
        let mut actors: Vec<_> =
            records.iter().map(|record| payload(record)["metadata"]["actor"].as_str().unwrap().to_owned()).collect();
        actors.sort();
        (actors.len() == 2).then_some(actors)
    })
    .await;
    assert_eq!(actors, ["command:send", "token:local"]);
}
