"""Commits three records synchronously, by default and asynchronously; prints what each call returned.

Arguments: the client's configuration as JSON, the topic.
"""
import json, sys, time
from confluent_kafka import Consumer

consumer = Consumer(json.loads(sys.argv[1]))
consumer.subscribe([sys.argv[2]])
messages = []
while len(messages) < 3:
    message = consumer.poll(1.0)
    if message is not None:
        messages.append(message)

done = consumer.commit(message=messages[0], asynchronous=False)
by_default = consumer.commit(message=messages[1])
seconds = []
for _ in range(20):
    start = time.perf_counter()
    asynchronous = consumer.commit(message=messages[2], asynchronous=True)
    seconds.append(time.perf_counter() - start)
consumer.close()
print(json.dumps({'synchronous': [[p.partition, p.offset] for p in done], 'byDefault': by_default,
                  'asynchronous': asynchronous, 'seconds': min(seconds)}))
