from confluent_kafka import Consumer, KafkaError
import json
import signal
import sys

# Graceful shutdown handling
running = True

def signal_handler(sig, frame):
    global running
    print("Shutdown signal received...")
    running = False

signal.signal(signal.SIGINT, signal_handler)
signal.signal(signal.SIGTERM, signal_handler)

# Consumer configuration
consumer = Consumer({
    'bootstrap.servers': 'task-events-kafka-bootstrap.kafka.svc.cluster.local:9092',
    'group.id': 'task-notification-service',
    'auto.offset.reset': 'earliest',
    'enable.auto.commit': True,
    'auto.commit.interval.ms': 5000
})

# Subscribe to topic(s)
consumer.subscribe(['task-created'])
print("Subscribed to topic: task-created")

try:
    while running:
        # Poll for messages (1 second timeout)
        msg = consumer.poll(timeout=1.0)

        if msg is None:
            # No message available within timeout
            continue

        if msg.error():
            # Handle specific errors
            if msg.error().code() == KafkaError._PARTITION_EOF:
                # Reached end of partition (not an error, just informational)
                print(f"Reached end of partition {msg.partition()}")
                continue
            else:
                # Actual error
                print(f"Consumer error: {msg.error()}")
                continue

        # Process the message
        key = msg.key().decode('utf-8') if msg.key() else None
        value = json.loads(msg.value().decode('utf-8'))

        print(f"Received task: {value.get('title', 'unknown')}")
        print(f"  Key: {key}")
        print(f"  Partition: {msg.partition()}, Offset: {msg.offset()}")

        # Your business logic here
        # send_notification(value)

finally:
    # Clean shutdown
    print("Closing consumer...")
    consumer.close()
    print("Consumer closed.")
