"""The Python service of seed 004 over a topic: poll, a thread pool, a commit for each record when its task is done.

Its pool has as many threads as the job says (the page's has one a core), and its task waits as long as the job says; the
rest is the page's. What it counts is what keyed-check.ts counts, and how it reads a value too.
"""
import json
import queue
import resource
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from confluent_kafka import Consumer

job = json.loads(sys.argv[1])
work_seconds = job['workMs'] / 1000
lock = threading.Lock()
last = [-1] * job['keys']
totals = {'handled': 0, 'bytes': 0, 'disordered': 0, 'worked': 0.0}


def process_message(value):
    sequence, key = struct.unpack_from('>II', value)
    started = time.monotonic()
    with lock:
        if sequence != last[key] + 1:
            totals['disordered'] += 1
    if work_seconds > 0:
        time.sleep(work_seconds)
    with lock:
        last[key] = sequence
        totals['handled'] += 1
        totals['bytes'] += len(value)
        totals['worked'] += time.monotonic() - started


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


consumer = Consumer({
    'bootstrap.servers': job['bootstrap'],
    'group.id': job['group'],
    'auto.offset.reset': 'earliest',
    'enable.auto.commit': False,
    'session.timeout.ms': 60000,
    'max.poll.interval.ms': 300000,
})
consumer.subscribe([job['topic']])
executor = ThreadPoolExecutor(max_workers=job['concurrency'])
finished = queue.SimpleQueue()
started = None
committed = 0
while committed < job['count']:
    while not finished.empty():
        consumer.commit(message=finished.get(), asynchronous=False)
        committed += 1
    record = consumer.poll(0.01)
    if record is None:
        continue
    if record.error():
        raise SystemExit(str(record.error()))
    if started is None:
        started = time.monotonic()
        cpu = cpu_seconds()
    executor.submit(process_message, record.value()).add_done_callback(
        lambda _, record=record: finished.put(record))
tally = {
    'seconds': time.monotonic() - started,
    'cpu': cpu_seconds() - cpu,
    'handled': totals['handled'],
    'bytes': totals['bytes'],
    'disordered': totals['disordered'],
    'workMs': totals['worked'] / totals['handled'] * 1000,
    'delayP50Ms': 0,
    'delayP99Ms': 0,
}
executor.shutdown()
consumer.close()
print(json.dumps(tally))
