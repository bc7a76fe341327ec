"""Clients of another language with a schema registry of their own accord: Confluent's JSON serializer and deserializer.

    registry_clients.py consume SERVERS REGISTRY TOPIC COUNT              prints each value, checked against its writer's schema
    registry_clients.py produce SERVERS REGISTRY TOPIC SUBJECT < VALUES   a value a line, each in the schema that SUBJECT has
    registry_clients.py produce SERVERS REGISTRY TOPIC < VALUES           the same in a schema of the client's own
"""

import json
import sys
import time

from confluent_kafka import Consumer, Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

LIMIT = 30  # seconds
OWN = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": "Anything", "type": "object"})


def consume(servers, registry, topic, count):
    read = JSONDeserializer(None, schema_registry_client=registry)
    consumer = Consumer({"bootstrap.servers": servers, "group.id": f"{topic}-foreign", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    left, deadline = int(count), time.monotonic() + LIMIT
    while left and time.monotonic() < deadline:
        record = consumer.poll(1)
        if record is not None and not record.error():
            print(json.dumps(read(record.value(), SerializationContext(topic, MessageField.VALUE))))
            left -= 1
    consumer.close()
    if left:
        sys.exit(f"{topic}: {left} of {count} records are missing after {LIMIT} s")


def produce(servers, registry, topic, subject=None):
    if subject:
        schema = registry.get_latest_version(subject).schema
        settings = {"auto.register.schemas": False, "use.latest.version": True, "subject.name.strategy": lambda *_: subject}
    else:
        schema, settings = OWN, {}
    write = JSONSerializer(schema, registry, conf=settings)
    producer = Producer({"bootstrap.servers": servers})
    for line in sys.stdin:
        value = json.loads(line)
        framed = write(value, SerializationContext(topic, MessageField.VALUE))
        producer.produce(topic, key=value["data"]["call_id"], value=framed)
    if producer.flush(LIMIT):
        sys.exit(f"{topic}: not delivered within {LIMIT} s")


command, servers, registry, *rest = sys.argv[1:]
{"consume": consume, "produce": produce}[command](servers, SchemaRegistryClient({"url": registry}), *rest)
