from confluent_kafka import Consumer, KafkaError

consumer = Consumer({
    'bootstrap.servers': 'task-events-kafka-bootstrap.kafka.svc.cluster.local:9092',
    'group.id': 'task-audit-service',
    'auto.offset.reset': 'earliest',
    'enable.auto.commit': False  # Disable auto-commit
})

consumer.subscribe(['task-created'])

try:
    while running:
        msg = consumer.poll(timeout=1.0)

        if msg is None:
            continue

        if msg.error():
            if msg.error().code() == KafkaError._PARTITION_EOF:
                continue
            print(f"Error: {msg.error()}")
            continue

        # Process the message
        try:
            value = json.loads(msg.value().decode('utf-8'))

            # Your business logic (e.g., write to database)
            save_to_audit_log(value)

            # Commit AFTER successful processing
            consumer.commit(message=msg)
            print(f"Processed and committed offset {msg.offset()}")

        except Exception as e:
            print(f"Processing failed: {e}")
            # Don't commit - message will be reprocessed on restart

finally:
    consumer.close()
