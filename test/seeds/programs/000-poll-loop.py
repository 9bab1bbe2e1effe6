from confluent_kafka import Consumer, KafkaError, KafkaException
import sys

conf = {
    'bootstrap.servers': 'kafka-broker1:9092',
    'group.id': 'my-transaction-processor-group',
    'auto.offset.reset': 'earliest',
    
    # Data Safety: Disable auto-commit
    'enable.auto.commit': False
}

consumer = Consumer(conf)

def process_records(msg):
    # Your processing logic here
    pass

try:
    consumer.subscribe(['InputTopicName'])

    while True:
        msg = consumer.poll(timeout=1.0)
        if msg is None: continue

        if msg.error():
            if msg.error().code() == KafkaError._PARTITION_EOF:
                continue
            else:
                raise KafkaException(msg.error())
        
        # Process first
        process_records(msg)
        
        # Commit offsets explicitly after successful processing
        consumer.commit(asynchronous=True)

finally:
    consumer.close()
