"""The Kafka side of an earlier Python system: a plain producer and a plain consumer that know nothing of this one.

    plain_clients.py produce SERVERS TOPIC
    plain_clients.py consume SERVERS TOPIC EVENT_TYPE SOURCE COUNT
"""

import json
import sys
import time
import uuid
from datetime import datetime

from kafka import KafkaConsumer, KafkaProducer

LIMIT = 30  # seconds


def produce(servers, topic):
    producer = KafkaProducer(
        bootstrap_servers=servers.split(","),
        value_serializer=lambda value: json.dumps(value).encode("utf-8"),
        key_serializer=lambda key: key.encode("utf-8"),
    )
    message = {
        "call_id": "test-123",
        "response_type": "PATIENT_CREATION",
        "data": {
            "name": "Test User",
            "email": "test@example.com",
            "phone": "555-1234",
            "date_of_birth": "01/01/1990",
        },
    }
    sent = producer.send(topic, value=message, key=message["call_id"]).get(timeout=LIMIT)
    producer.close()
    print(f"produced to {sent.topic}, partition {sent.partition}, offset {sent.offset}")


def consume(servers, topic, event_type, source, count):
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=servers.split(","),
        group_id=f"{topic}-plain-consumer",
        auto_offset_reset="earliest",
        enable_auto_commit=True,
        value_deserializer=lambda value: json.loads(value.decode("utf-8")),
        consumer_timeout_ms=1000,
    )
    wanted, seen, deadline = int(count), {}, time.monotonic() + LIMIT
    while len(seen) < wanted and time.monotonic() < deadline:
        for record in consumer:
            # What another producer wrote in its own shape carries no event id.
            if "event_id" in record.value:
                check(record, event_type, source)
                seen[record.value["event_id"]] = record
            if len(seen) >= wanted:
                break
    consumer.close()
    if len(seen) < wanted:
        sys.exit(f"{topic}: {len(seen)} of {wanted} events within {LIMIT} s")
    print(f"consumed {len(seen)} {event_type} from {topic}")


def check(record, event_type, source):
    value, headers = record.value, {name: text.decode("utf-8") for name, text in record.headers}
    expect(set(value) == {"event_id", "event_type", "timestamp", "data", "metadata"}, "the envelope's members", value)
    uuid.UUID(value["event_id"])
    expect(value["event_type"] == event_type, "event_type", value)
    happened = datetime.fromisoformat(value["timestamp"].replace("Z", "+00:00"))
    expect(happened.utcoffset().total_seconds() == 0, "timestamp is UTC", value)
    expect(value["data"]["name"], "data", value)
    expect(value["metadata"]["source"] == source, "metadata.source", value)
    expect(value["metadata"]["version"].split(".")[0] == "1", "metadata.version", value)
    for name, wanted in {
        "ce_specversion": "1.0",
        "ce_id": value["event_id"],
        "ce_type": event_type,
        "ce_source": source,
        "ce_time": value["timestamp"],
        "content-type": "application/json",
    }.items():
        expect(headers.get(name) == wanted, f"header {name} is {wanted}", headers)


def expect(holds, what, seen):
    if not holds:
        sys.exit(f"expected: {what}; seen: {seen}")


if __name__ == "__main__":
    {"produce": produce, "consume": consume}[sys.argv[1]](*sys.argv[2:])
