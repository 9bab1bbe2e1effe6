"""Produces COUNT records one at a time, each awaited, and prints the latencies: a load for measurements.

Arguments: bootstrap topic count size. Prints: p50, p99 and the largest latency in milliseconds.
"""
import json, sys, time
from confluent_kafka import Producer

bootstrap, topic, count, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
producer = Producer({'bootstrap.servers': bootstrap, 'acks': 'all', 'linger.ms': 0, 'socket.nagle.disable': True})
producer.list_topics(topic, timeout=60)
value = b'x' * size
errors = []

def once():
    done = []
    producer.produce(topic, value, partition=0, on_delivery=lambda error, _: done.append(error))
    while not done:
        producer.poll(1)
    if done[0] is not None:
        errors.append(str(done[0]))

for _ in range(200):
    once()
latencies = []
for _ in range(count):
    started = time.perf_counter()
    once()
    latencies.append((time.perf_counter() - started) * 1000)
latencies.sort()
if errors:
    raise SystemExit(errors[0])
print(json.dumps({'p50': latencies[len(latencies) // 2], 'p99': latencies[int(len(latencies) * 0.99)], 'max': latencies[-1]}))
