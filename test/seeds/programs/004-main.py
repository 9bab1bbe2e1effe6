"""The service of seed 004, whose page describes its main.py function by function but does not print it.

The page does not say when the commit of a record comes; here it comes when the record's task is done. The tests replace
that by the other reading (when it is handed over), and show what each of the two loses. The thread that polls commits:
confluent-kafka 2.16.1 lets no other thread commit while it is in poll().
"""
import json
import logging
import os
import queue
import time
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer, KafkaError
from dotenv import load_dotenv

load_dotenv()

KAFKA_BOOTSTRAP_SERVERS = os.environ['KAFKA_BOOTSTRAP_SERVERS']
KAFKA_GROUP_ID = os.environ['KAFKA_GROUP_ID']
KAFKA_TOPIC = os.environ['KAFKA_TOPIC']

logging.basicConfig(level=logging.INFO, format='%(asctime)s - %(levelname)s - %(message)s')


def process_message(message):
    try:
        logging.info(f'Processing message: {message}')
        time.sleep(5)
        logging.info(f'Finished processing message: {message}')
    except Exception as error:
        logging.error(f'Error processing message: {error}')


def create_consumer():
    return Consumer({
        'bootstrap.servers': KAFKA_BOOTSTRAP_SERVERS,
        'group.id': KAFKA_GROUP_ID,
        'auto.offset.reset': 'earliest',
        'enable.auto.commit': False,
        'session.timeout.ms': 60000,
        'max.poll.interval.ms': 300000
    })


def commit_finished(consumer, finished):
    while not finished.empty():
        consumer.commit(message=finished.get(), asynchronous=False)


def consume_messages():
    consumer = create_consumer()
    consumer.subscribe([KAFKA_TOPIC])
    logging.info('Connected to Kafka and listening to the topic...')
    workers = os.cpu_count()
    logging.info(f'Using {workers} threads for concurrent processing.')
    executor = ThreadPoolExecutor(max_workers=workers)
    finished = queue.SimpleQueue()
    try:
        while True:
            commit_finished(consumer, finished)
            record = consumer.poll(1.0)
            if record is None:
                continue
            if record.error():
                if record.error().code() == KafkaError._PARTITION_EOF:
                    continue
                logging.error(f'Consumer error: {record.error()}')
                continue
            try:
                message = json.loads(record.value().decode('utf-8'))
            except ValueError as error:
                logging.error(f'Failed to decode message: {error}')
                continue
            executor.submit(process_message, message).add_done_callback(
                lambda _, record=record: finished.put(record))
    except KeyboardInterrupt:
        logging.info('Shutting down...')
    finally:
        try:
            executor.shutdown(wait=True)
            commit_finished(consumer, finished)
            consumer.close()
        except Exception as error:
            logging.error(f'Error during shutdown: {error}')


if __name__ == '__main__':
    consume_messages()
